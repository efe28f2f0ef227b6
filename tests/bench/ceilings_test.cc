#include "bench/ceilings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "bench/stream_loops.h"

namespace skein {
namespace {

using enum StreamVariant::Prefetch;

// One stream with guard bytes behind it.
struct AlignedBytes {
  static constexpr size_t kGuard = 64;

  AlignedBytes(size_t size, unsigned char fill)
      : bytes(size), data(new(std::align_val_t(64)) std::byte[size + kGuard]) {
    std::memset(data.get(), fill, size + kGuard);
  }
  bool GuardHolds(unsigned char fill) const {
    for (size_t i = bytes; i < bytes + kGuard; ++i) {
      if (data[i] != std::byte{fill}) return false;
    }
    return true;
  }

  struct Delete {
    void operator()(std::byte* p) const { operator delete[](p, std::align_val_t(64)); }
  };
  size_t bytes;
  std::unique_ptr<std::byte[], Delete> data;
};

// Every variant for every number of streams writes the or of the streams everywhere, and nothing
// behind the end.
void CheckLoops(StreamLoop (*pick)(int, int, const StreamVariant&)) {
  constexpr size_t kBytes = 4 * kStreamStep * 3;
  for (int reads = 0; reads <= 4; ++reads) {
    for (int writes = reads == 0 ? 1 : 0; writes <= 3; ++writes) {
      for (const bool non_temporal : {false, true}) {
        for (const auto prefetch : {kNone, kL1, kL2}) {
          for (const int chunks : {1, 4}) {
            const StreamVariant variant = {non_temporal, prefetch, chunks};
            SCOPED_TRACE(std::to_string(reads) + " to " + std::to_string(writes) + ", " +
                         variant.ToString());
            std::vector<AlignedBytes> inputs, outputs;
            std::vector<const std::byte*> input_pointers;
            std::vector<std::byte*> output_pointers;
            for (int s = 0; s < reads; ++s) {
              input_pointers.push_back(inputs.emplace_back(kBytes, 0).data.get());
              for (size_t i = s; i < kBytes; i += 3) {
                inputs.back().data[i] = static_cast<std::byte>(i * 37 + s);
              }
            }
            for (int s = 0; s < writes; ++s) {
              output_pointers.push_back(outputs.emplace_back(kBytes, 0xee).data.get());
            }
            pick(reads, writes,
                 variant)({input_pointers.data(), output_pointers.data(), reads, writes, kBytes});
            for (const AlignedBytes& output : outputs) {
              EXPECT_TRUE(output.GuardHolds(0xee));
              for (size_t i = 0; reads > 0 && i < kBytes; ++i) {
                std::byte expected{0};
                for (const AlignedBytes& input : inputs) expected |= input.data[i];
                ASSERT_EQ(output.data[i], expected) << "byte " << i;
              }
              float last;
              std::memcpy(&last, &output.data[kBytes - sizeof(last)], sizeof(last));
              if (reads == 0) EXPECT_EQ(last, 1.0f);
            }
          }
        }
      }
    }
  }
}

TEST(StreamLoopsTest, Avx2LoopsTouchEveryByteOnce) {
  if (!CanMeasureCeilings()) GTEST_SKIP() << "no AVX2";
  CheckLoops(StreamLoopAvx2);
}

TEST(StreamLoopsTest, Avx512LoopsTouchEveryByteOnce) {
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "no AVX-512";
  CheckLoops(StreamLoopAvx512);
}

TEST(CeilingsTest, CachesGrowOutwards) {
  EXPECT_GT(Caches().l1, size_t{4} << 10);
  EXPECT_GT(Caches().l2, Caches().l1);
  EXPECT_GT(Caches().l3, Caches().l1);
}

TEST(CeilingsTest, RatesArePlausible) {
  if (!CanMeasureCeilings()) GTEST_SKIP() << "no AVX2";
  EXPECT_EQ(StreamCeilingSeconds(0, 0, 1 << 20), 0);
  EXPECT_EQ(StreamCeilingSeconds(1, 1, 0), 0);
  // From 100 MB/s to 100 TB/s, whatever the machine and however busy it is.
  for (const size_t bytes : {size_t{64}, size_t{1000}, size_t{1} << 20}) {
    const double rate = 2 * bytes / StreamCeilingSeconds(1, 1, bytes);
    EXPECT_GT(rate, 1e8) << bytes;
    EXPECT_LT(rate, 1e14) << bytes;
  }
  EXPECT_GT(FmaPeakFlops(), 1e8);
  EXPECT_LT(FmaPeakFlops(), 1e13);
}

TEST(CeilingsTest, TheSlowerCeilingBinds) {
  Measurement measured;
  measured.kernel_seconds = 8;
  measured.memory_seconds = 4;
  measured.arithmetic_seconds = 2;
  EXPECT_TRUE(measured.memory_bound());
  EXPECT_EQ(measured.share(), 0.5);
  measured.arithmetic_seconds = 6;
  EXPECT_FALSE(measured.memory_bound());
  EXPECT_EQ(measured.share(), 0.75);
}

TEST(CeilingsTest, KernelIsRunAndTimed) {
  if (!CanMeasureCeilings()) GTEST_SKIP() << "no AVX2";
  int calls = 0;
  const Measurement measured = MeasureAgainstCeiling(
      {.reads = 1, .writes = 1, .bytes_per_stream = 4096, .flops = 100}, [&] { ++calls; });
  EXPECT_GT(calls, 5);
  EXPECT_GT(measured.kernel_seconds, 0);
  EXPECT_GT(measured.memory_seconds, 0);
  EXPECT_GT(measured.arithmetic_seconds, 0);
}

}  // namespace
}  // namespace skein
