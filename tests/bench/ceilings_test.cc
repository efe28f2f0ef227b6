#include "bench/ceilings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "bench/canary.h"
#include "bench/stream_loops.h"
#include "bench/team.h"

namespace skein {
namespace {

using enum StreamVariant::Prefetch;

// One stream with guard bytes behind it.
struct AlignedBytes {
  static constexpr size_t kGuard = 64;

  AlignedBytes(size_t size, unsigned char fill)
      : bytes(size), data(new (std::align_val_t(64)) std::byte[size + kGuard]) {
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

using PickLoop = StreamLoop (*)(const StreamShape&, const StreamVariant&);

std::vector<StreamVariant> AllVariants() {
  std::vector<StreamVariant> variants;
  for (const bool non_temporal : {false, true}) {
    for (const auto prefetch : {kNone, kL1, kL2}) {
      for (const int chunks : {1, 2, 4, 8}) variants.push_back({non_temporal, prefetch, chunks});
    }
  }
  return variants;
}

// Streams of given lengths, to be handed to a loop.
struct Walk {
  Walk(const std::vector<size_t>& read_bytes, const std::vector<size_t>& write_bytes)
      : read_bytes(read_bytes), write_bytes(write_bytes) {
    for (const size_t bytes : read_bytes) {
      input_pointers.push_back(inputs.emplace_back(bytes, 0).data.get());
    }
    for (const size_t bytes : write_bytes) {
      output_pointers.push_back(outputs.emplace_back(bytes, 0xee).data.get());
    }
  }
  // The shape's numbers of streams are this walk's.
  void Run(PickLoop pick, StreamShape shape, const StreamVariant& variant) const {
    shape.reads = static_cast<int>(inputs.size());
    shape.writes = static_cast<int>(outputs.size());
    pick(shape, variant)({input_pointers.data(), output_pointers.data(), read_bytes.data(),
                          write_bytes.data(), shape.reads, shape.writes, 4096});
  }

  std::vector<size_t> read_bytes, write_bytes;
  std::vector<AlignedBytes> inputs, outputs;
  std::vector<const std::byte*> input_pointers;
  std::vector<std::byte*> output_pointers;
};

// Every variant for every number of streams writes the or of the streams everywhere, and nothing
// behind the end.
void CheckLoops(PickLoop pick) {
  constexpr size_t kBytes = 8 * kStreamStep * 3;
  for (int reads = 0; reads <= 4; ++reads) {
    for (int writes = reads == 0 ? 1 : 0; writes <= 3; ++writes) {
      for (const StreamVariant& variant : AllVariants()) {
        SCOPED_TRACE(std::to_string(reads) + " to " + std::to_string(writes) + ", " +
                     variant.ToString());
        Walk walk(std::vector<size_t>(reads, kBytes), std::vector<size_t>(writes, kBytes));
        for (int s = 0; s < reads; ++s) {
          for (size_t i = s; i < kBytes; i += 3) {
            walk.inputs[s].data[i] = static_cast<std::byte>(i * 37 + s);
          }
        }
        walk.Run(pick, {}, variant);
        for (const AlignedBytes& output : walk.outputs) {
          EXPECT_TRUE(output.GuardHolds(0xee));
          for (size_t i = 0; reads > 0 && i < kBytes; ++i) {
            std::byte expected{0};
            for (const AlignedBytes& input : walk.inputs) expected |= input.data[i];
            ASSERT_EQ(output.data[i], expected) << "byte " << i;
          }
          float last;
          std::memcpy(&last, &output.data[kBytes - sizeof(last)], sizeof(last));
          EXPECT_TRUE(reads > 0 || last == 1.0f);
        }
      }
    }
  }
}

// Streams of different lengths are written to the end and no further, with what was read before:
// bits that only one line of one stream has are in some line of the output, wherever that line is.
void CheckUneven(PickLoop pick, const StreamShape& shape, const std::vector<size_t>& read_bytes,
                 const std::vector<size_t>& write_bytes) {
  for (const StreamVariant& variant : AllVariants()) {
    SCOPED_TRACE(variant.ToString());
    for (size_t s = 0; s < read_bytes.size(); ++s) {
      const size_t bytes = read_bytes[s];
      for (size_t at = 0; at < bytes; at += std::max(bytes / 7 / 64 * 64, size_t{64})) {
        Walk walk(read_bytes, write_bytes);
        walk.inputs[s].data[at + 1] = std::byte{0x55};
        walk.Run(pick, shape, variant);
        bool seen = false;
        for (const AlignedBytes& output : walk.outputs) {
          EXPECT_TRUE(output.GuardHolds(0xee));
          for (size_t i = 0; i < output.bytes; i += 64) {
            ASSERT_NE(output.data[i], std::byte{0xee}) << "byte " << i << " was not written";
          }
          // A vector may be half a line.
          for (size_t i = 1; i < output.bytes; i += 32) {
            seen = seen || output.data[i] == std::byte{0x55};
          }
        }
        // Of any lengths, the last lines of a stream may come after the last line written.
        EXPECT_TRUE(seen || (shape.any_lengths() && at + bytes / 7 >= bytes)) << s << " at " << at;
      }
    }
  }
}

void CheckUnevenLoops(PickLoop pick) {
  constexpr size_t kLine = 64 * 8, kStep = kStreamStep * 8;  // in each of the most chunks
  CheckUneven(pick, {0, 0, 0, 0}, {kLine, 37 * kLine, 150 * kLine}, {61 * kLine, 5 * kLine});
  CheckUneven(pick, {0, 0, 2, 1}, {kStep}, {2 * kStep});
  CheckUneven(pick, {0, 0, 4, 1}, {kStep}, {4 * kStep});
  CheckUneven(pick, {0, 0, 4, 1}, {kStep, 4 * kStep}, {4 * kStep});
  CheckUneven(pick, {0, 0, 1, 2}, {2 * kStep}, {kStep});
  CheckUneven(pick, {0, 0, 1, 4}, {4 * kStep}, {kStep});
}

TEST(StreamLoopsTest, Avx2LoopsTouchEveryByteOnce) {
  if (!CanMeasureCeilings()) GTEST_SKIP() << "no AVX2";
  CheckLoops(StreamLoopAvx2);
  CheckUnevenLoops(StreamLoopAvx2);
}

TEST(StreamLoopsTest, Avx512LoopsTouchEveryByteOnce) {
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "no AVX-512";
  CheckLoops(StreamLoopAvx512);
  CheckUnevenLoops(StreamLoopAvx512);
}

TEST(CeilingsTest, CachesGrowOutwards) {
  EXPECT_GT(Caches().l1, size_t{4} << 10);
  EXPECT_GT(Caches().l2, Caches().l1);
  EXPECT_GT(Caches().l3, Caches().l1);
}

TEST(CeilingsTest, RatesArePlausible) {
  if (!CanMeasureCeilings()) GTEST_SKIP() << "no AVX2";
  EXPECT_EQ(StreamCeilingSeconds({}), 0);
  EXPECT_EQ(StreamCeilingSeconds(Streams::Equal(1, 1, 0)), 0);
  // From 100 MB/s to 100 TB/s, whatever the machine and however busy it is.
  for (const size_t bytes : {size_t{64}, size_t{1000}, size_t{1} << 20}) {
    const double rate = 2 * bytes / StreamCeilingSeconds(Streams::Equal(1, 1, bytes));
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
  const Measurement measured =
      MeasureAgainstCeiling({.streams = {{4096, 100}, {8192}}, .flops = 100}, [&] { ++calls; });
  EXPECT_GT(calls, 5);
  EXPECT_GT(measured.kernel_seconds, 0);
  EXPECT_GT(measured.memory_seconds, 0);
  EXPECT_GT(measured.arithmetic_seconds, 0);
}

TEST(StreamsTest, Lengths) {
  const Streams streams = {{100, 300}, {200}};
  EXPECT_EQ(streams.total(), 600);
  EXPECT_EQ(streams.longest(), 300u);
  EXPECT_TRUE(streams.shape().any_lengths());
  const auto ratios = [](const Streams& s) {
    return std::pair(s.shape().read_ratio, s.shape().write_ratio);
  };
  EXPECT_EQ(ratios(Streams::Equal(2, 1, 64)), std::pair(1, 1));
  EXPECT_EQ(ratios({{64, 256}, {256}}), std::pair(4, 1));
  EXPECT_EQ(ratios({{256, 64}, {256}}), std::pair(0, 0));
  EXPECT_EQ(ratios({{128}, {64}}), std::pair(1, 2));
  EXPECT_EQ(ratios({{256}, {}}), std::pair(1, 1));
  EXPECT_TRUE(Streams().empty());
}

TEST(TeamTest, DistanceIsThatOfTwoThreads) {
  EXPECT_EQ(Team(1).Distance(), 0);
  const double seconds = Team(3).Distance();
  EXPECT_GT(seconds, 1e-9);
  EXPECT_LT(seconds, 1);
}

TEST(TeamTest, EveryThreadRunsOnceARound) {
  Team team(3);
  ASSERT_EQ(team.size(), 3);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> calls[3] = {};
    EXPECT_GE(team.Time([&](int thread) { ++calls[thread]; }), 0);
    for (const std::atomic<int>& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(CanaryTest, SharesAreOfTheBestMedian) {
  RateHistory history(100);
  EXPECT_EQ(history.TakeShare(), 1);  // nothing was added
  for (const double rate : {5.0, 80.0, 400.0}) history.Add(rate);
  EXPECT_EQ(history.TakeShare(), 0.8);
  EXPECT_EQ(history.TakeShare(), 1);  // the rates were taken
  history.Add(200);
  EXPECT_EQ(history.TakeShare(), 1);  // a new best
  history.Add(100);
  EXPECT_EQ(history.TakeShare(), 0.5);
}

}  // namespace
}  // namespace skein
