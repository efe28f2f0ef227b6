#include "runtime/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <numeric>

namespace skein {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int count : {0, 1, 2, 7, 300}) {
      std::vector<std::atomic<int>> ran(count);
      pool.Run(count, [&](int i) { ran[i].fetch_add(1); });
      for (const auto& r : ran) EXPECT_EQ(r.load(), 1);
    }
  }
}

TEST(ThreadPoolTest, WhatTasksWroteIsThereAfterwards) {
  ThreadPool pool(3);
  std::vector<int> data(64);
  for (int round = 0; round < 500; ++round) {  // plain ints: a missing fence shows under TSan
    pool.Run(static_cast<int>(data.size()), [&](int i) { data[i] = round + i; });
    for (size_t i = 0; i < data.size(); ++i) ASSERT_EQ(data[i], round + static_cast<int>(i));
  }
}

// The CPUs of a pool's worker after it has parked and been woken a few times.
cpu_set_t CpusOfWokenWorker() {
  ThreadPool pool(2);
  const pid_t self = gettid();
  std::atomic<pid_t> worker{0};
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // Two tasks that wait for each other: only a second thread lets them end.
    std::atomic<int> arrived{0};
    pool.Run(2, [&](int) {
      if (gettid() != self) worker = gettid();
      arrived.fetch_add(1);
      while (arrived.load() < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived.load(), 2);
  }
  cpu_set_t its;
  EXPECT_EQ(sched_getaffinity(worker, sizeof its, &its), 0);
  return its;
}

TEST(ThreadPoolTest, WorkersWakeAfterTheyParkedAndKeepTheirCpus) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  cpu_set_t its = CpusOfWokenWorker();
  EXPECT_TRUE(CPU_EQUAL(&its, &all));
  std::thread([&] {
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    its = CpusOfWokenWorker();
  }).join();
  EXPECT_TRUE(CPU_EQUAL(&its, &one));
}

TEST(ThreadPoolTest, NestedAndConcurrentCallsEnd) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; ++t) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        pool.Run(4, [&](int) { pool.Run(3, [&](int i) { sum.fetch_add(i + 1); }); });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 6 * 50 * 4 * (1 + 2 + 3));
}

TEST(ThreadPoolTest, SharedByNumberOfThreads) {
  std::shared_ptr<ThreadPool> two = ThreadPool::Shared(2);
  EXPECT_EQ(two, ThreadPool::Shared(2));
  EXPECT_NE(two, ThreadPool::Shared(3));
}

}  // namespace
}  // namespace skein
