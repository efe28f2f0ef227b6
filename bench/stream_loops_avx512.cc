#include <immintrin.h>

#include "bench/stream_loops.h"

// From here on, so that nothing of the headers above is compiled for a CPU we may not be on.
#pragma GCC push_options
#pragma GCC target("avx512f")

namespace skein {
namespace {

struct Vector {
  using Type = __m512i;
  using FloatType = __m512;
  static constexpr int kBytes = 64;

  static Type Ones() { return _mm512_set1_epi32(0x3f800000); }  // 1.0f
  static Type Load(const std::byte* p) {
    return _mm512_load_si512(reinterpret_cast<const Type*>(p));
  }
  static Type Or(Type a, Type b) { return _mm512_or_si512(a, b); }
  static void Store(std::byte* p, Type v) { _mm512_store_si512(reinterpret_cast<Type*>(p), v); }
  static void StoreAroundCache(std::byte* p, Type v) {
    _mm512_stream_si512(reinterpret_cast<Type*>(p), v);
  }
  static FloatType AsFloats(Type v) { return _mm512_castsi512_ps(v); }
  static Type AsBits(FloatType v) { return _mm512_castps_si512(v); }
  static FloatType Splat(float x) { return _mm512_set1_ps(x); }
  static FloatType Fma(FloatType a, FloatType b, FloatType c) { return _mm512_fmadd_ps(a, b, c); }
};

#include "bench/stream_loops.inc"

}  // namespace

StreamLoop StreamLoopAvx512(const StreamShape& shape, const StreamVariant& variant) {
  return PickStream(shape, variant);
}

StreamLoop BusyLoopAvx512(int reads, StreamVariant::Prefetch prefetch) {
  return PickBusy(reads, prefetch);
}

// 24 accumulators: two ports by four cycles need 8.
double FmaLoopAvx512(int64_t iterations) { return MultiplyAdd<24>(iterations); }

}  // namespace skein

#pragma GCC pop_options
