#include <immintrin.h>

#include "bench/stream_loops.h"

// From here on, so that nothing of the headers above is compiled for a CPU we may not be on.
#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace skein {
namespace {

struct Vector {
  using Type = __m256i;
  using FloatType = __m256;
  static constexpr int kBytes = 32;

  static Type Ones() { return _mm256_set1_epi32(0x3f800000); }  // 1.0f
  static Type Load(const std::byte* p) {
    return _mm256_load_si256(reinterpret_cast<const Type*>(p));
  }
  static Type Or(Type a, Type b) { return _mm256_or_si256(a, b); }
  static void Store(std::byte* p, Type v) { _mm256_store_si256(reinterpret_cast<Type*>(p), v); }
  static void StoreAroundCache(std::byte* p, Type v) {
    _mm256_stream_si256(reinterpret_cast<Type*>(p), v);
  }
  static FloatType AsFloats(Type v) { return _mm256_castsi256_ps(v); }
  static Type AsBits(FloatType v) { return _mm256_castps_si256(v); }
  static FloatType Splat(float x) { return _mm256_set1_ps(x); }
  static FloatType Fma(FloatType a, FloatType b, FloatType c) { return _mm256_fmadd_ps(a, b, c); }
};

#include "bench/stream_loops.inc"

}  // namespace

StreamLoop StreamLoopAvx2(const StreamShape& shape, const StreamVariant& variant) {
  return PickStream(shape, variant);
}

StreamLoop BusyLoopAvx2(int reads, StreamVariant::Prefetch prefetch) {
  return PickBusy(reads, prefetch);
}

// 12 accumulators: 16 registers, two of them operands.
double FmaLoopAvx2(int64_t iterations) { return MultiplyAdd<12>(iterations); }

}  // namespace skein

#pragma GCC pop_options
