#include "runtime/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace skein {
namespace {

TEST(ArenaTest, LiveBuffersNeverOverlap) {
  std::mt19937 random(20240611);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lifetimes(1 + random() % 40);
    for (Lifetime& l : lifetimes) {
      l.bytes = random() % 5 == 0 ? 0 : static_cast<int64_t>(random() % 5000);
      l.first = static_cast<int>(random() % 20);
      l.last = l.first + static_cast<int>(random() % 8);
    }
    const ArenaPlan plan = PlanArena(lifetimes);
    for (size_t a = 0; a < lifetimes.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % 64, 0);
      EXPECT_LE(plan.offsets[a] + lifetimes[a].bytes + 64, plan.bytes);
      for (size_t b = 0; b < a; ++b) {
        if (lifetimes[a].last < lifetimes[b].first || lifetimes[b].last < lifetimes[a].first) continue;
        const bool apart = plan.offsets[a] + lifetimes[a].bytes + 64 <= plan.offsets[b] ||
                           plan.offsets[b] + lifetimes[b].bytes + 64 <= plan.offsets[a];
        EXPECT_TRUE(apart) << "round " << round << ": " << a << " and " << b;
      }
    }
  }
}

TEST(ArenaTest, AChainNeedsTwoBuffers) {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 50; ++i) chain.push_back({4096, i, i + 1});
  EXPECT_EQ(PlanArena(chain).bytes, 2 * (4096 + 64));
}

TEST(ArenaTest, TheSmallestGapThatFitsIsTaken) {
  // At step 5 the arena has a gap of 1024 + 64 and one of 512 + 64, between buffers that stay.
  const std::vector<Lifetime> lifetimes = {{8192, 0, 9}, {1024, 0, 1}, {900, 0, 9}, {512, 0, 1}, {500, 0, 9}, {448, 5, 6}};
  const ArenaPlan plan = PlanArena(lifetimes);
  EXPECT_EQ(plan.offsets[5], plan.offsets[3]);
}

TEST(AlignedBytesTest, GrowsAndRefusesWhatCannotBe) {
  AlignedBytes bytes;
  ASSERT_TRUE(bytes.Reserve(100).ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u);
  std::byte* kept = bytes.data();
  ASSERT_TRUE(bytes.Reserve(50).ok());
  EXPECT_EQ(bytes.data(), kept);
  ASSERT_TRUE(bytes.Reserve(5 << 20).ok());
  EXPECT_GE(bytes.size(), 5 << 20);
  EXPECT_EQ(bytes.Reserve(int64_t{1} << 60).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace skein
