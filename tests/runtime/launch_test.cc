#include "runtime/launch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "runtime/thread_pool.h"

namespace skein {
namespace {

// Adds one to each tile's count, and one to the task's slot.
void CountTiles(const KernelArgs* args, int64_t begin, int64_t end, void* scratch) {
  int* counts = static_cast<int*>(args->buffers[0]);
  for (int64_t tile = begin; tile < end; ++tile) ++counts[tile];
  ++*static_cast<int*>(scratch);
}

TEST(LaunchTasksTest, EveryTileRunsOnceForAnyDivisionAndExecutor) {
  ThreadPool pool(3);
  const Executor executors[] = {
      [](int count, const std::function<void(int)>& body) {
        for (int i = count; --i >= 0;) body(i);
      },
      [&pool](int count, const std::function<void(int)>& body) { pool.Run(count, body); },
  };
  LaunchTasks tasks;  // kept over launches that differ
  std::vector<int> counts(97), scratch(40 * 16);
  void* const buffers[] = {counts.data()};
  uint64_t status = 0;
  const KernelArgs args{buffers, nullptr, &status};
  for (const Executor& executor : executors) {
    for (int count : {1, 2, 3, 7, 40}) {
      for (int64_t chunks : {count, count + 1, 4 * count}) {
        for (auto [tiles, passes] : {std::pair<int64_t, int64_t>{40, 1}, {97, 1}, {96, 2}, {96, 12}}) {
          if (chunks > tiles / passes || (count == 1 && chunks > 1)) continue;
          for (bool far : {false, true}) {
            GroupSizes sizes;
            sizes.tiles = tiles, sizes.passes = passes, sizes.tasks = count, sizes.chunks = chunks;
            sizes.first = 1, sizes.first_far = (tiles / passes + 1) / 2;
            std::fill(counts.begin(), counts.end(), 0);
            std::fill(scratch.begin(), scratch.end(), 0);
            tasks.Run(CountTiles, args, sizes, reinterpret_cast<std::byte*>(scratch.data()), 64, {executor, far});
            EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), tiles);
            EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 1);
            EXPECT_EQ(std::accumulate(scratch.begin(), scratch.end(), 0), count == 1 ? 1 : chunks * passes);
          }
        }
      }
    }
  }
}

TEST(DivideTilesTest, TheCallerTakesTheOddTilesAndWhatTheHandOverIsWorth) {
  const auto first = [](int64_t tiles, int64_t bytes, int threads) {
    GroupSizes sizes;
    sizes.tiles = tiles, sizes.bytes = bytes;
    DivideTiles(threads, &sizes);
    return std::pair(sizes.first, sizes.first_far);
  };
  using Pair = std::pair<int64_t, int64_t>;
  EXPECT_EQ(first(512, 1 << 20, 1), Pair(512, 512));
  EXPECT_EQ(first(512, 1 << 20, 2), Pair(256 + 8, 256 + 16));  // 32 or 64 KiB, half of it in place of the other's
  EXPECT_EQ(first(512, 1 << 20, 4), Pair(128 + 12, 128 + 24));
  EXPECT_EQ(first(8, 1 << 18, 2), Pair(4, 5));  // a tile is worth no less
  EXPECT_EQ(first(9, 1 << 18, 2), Pair(5, 5));
  EXPECT_EQ(first(1 << 20, 64 << 20, 2), Pair(1 << 16, 1 << 16));  // sixteen ranges, taken in turn
}

}  // namespace
}  // namespace skein
