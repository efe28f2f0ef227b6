#include "runtime/kernel_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace skein {
namespace {

// Nests are told apart by text alone here, and every kernel is a bare `ret`.
class KernelCacheTest : public testing::Test {
 protected:
  static std::shared_ptr<const NestText> Text(const std::string& text, Hash128 hash) {
    return std::make_shared<NestText>(NestText{text, hash});
  }
  static KernelRequest Request(const std::string& text) {
    static const auto nest = std::make_shared<const LoopNest>();
    return {nest, Text(text, StableHash(text)), "kernel_" + text};
  }
  KernelCache::Options Options(const std::string& generator = "ret") {
    KernelCache::Options options;
    options.generator = generator;
    options.compile = [this](std::span<const NamedNest> nests) { return Compile(nests); };
    return options;
  }
  absl::StatusOr<ObjectCode> Compile(std::span<const NamedNest> nests) {
    calls.fetch_add(1);
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ObjectCode object;
    for (const NamedNest& nest : nests) {
      if (nest.name == refused) return Unimplemented("refused");
      object.entries.push_back({nest.name, static_cast<uint32_t>(object.code.size()), 1});
      object.code.push_back(0xC3);
      compiled.fetch_add(1);
    }
    return object;
  }

  KernelCache cache;
  std::atomic<int> calls{0}, compiled{0};
  std::atomic<bool> slow{false};
  std::string refused;
};

TEST_F(KernelCacheTest, EqualTextIsCompiledOnce) {
  const std::vector<KernelRequest> requests = {Request("a"), Request("b"), Request("a")};
  KernelCache::Result first = cache.Get(requests, Options());
  EXPECT_EQ(first.compiled, 2);
  EXPECT_EQ(first.hits, 1);
  EXPECT_EQ(calls.load(), 1);  // one object
  ASSERT_TRUE(first.kernels[0].ok());
  EXPECT_EQ(*first.kernels[0], *first.kernels[2]);
  EXPECT_NE((*first.kernels[0])->function, (*first.kernels[1])->function);
  KernelCache::Result second = cache.Get(requests, Options());
  EXPECT_EQ(second.compiled, 0);
  EXPECT_EQ(second.hits, 3);
  EXPECT_EQ(*second.kernels[1], *first.kernels[1]);
  EXPECT_EQ(cache.size(), 2);
}

TEST_F(KernelCacheTest, GeneratorsDoNotShare) {
  EXPECT_EQ(cache.Get({{Request("a")}}, Options("llvm avx2")).compiled, 1);
  EXPECT_EQ(cache.Get({{Request("a")}}, Options("llvm avx512")).compiled, 1);
}

TEST_F(KernelCacheTest, EqualHashesOfDifferentTextsAreTwoKernels) {
  std::vector<KernelRequest> requests = {Request("a"), Request("b")};
  requests[1].text = Text("b", requests[0].text->hash);
  KernelCache::Result first = cache.Get({requests.data(), 1}, Options());
  KernelCache::Result both = cache.Get(requests, Options());
  EXPECT_EQ(both.compiled, 1);
  EXPECT_EQ(both.hits, 1);
  EXPECT_EQ(*both.kernels[0], *first.kernels[0]);
  EXPECT_NE(*both.kernels[1], *first.kernels[0]);
}

TEST_F(KernelCacheTest, AFailureIsTheKernelsOwnAndNotRemembered) {
  refused = "kernel_b";
  const std::vector<KernelRequest> requests = {Request("a"), Request("b"), Request("c"), Request("b")};
  KernelCache::Result first = cache.Get(requests, Options());
  EXPECT_TRUE(first.kernels[0].ok());
  EXPECT_TRUE(absl::IsUnimplemented(first.kernels[1].status()));
  EXPECT_TRUE(first.kernels[2].ok());
  EXPECT_TRUE(absl::IsUnimplemented(first.kernels[3].status()));
  EXPECT_EQ(first.compiled, 2);
  refused = "";
  KernelCache::Result second = cache.Get(requests, Options());
  EXPECT_TRUE(second.kernels[1].ok());
  EXPECT_EQ(second.compiled, 1);
  EXPECT_EQ(second.hits, 3);
}

TEST_F(KernelCacheTest, EightThreadsCompileEachKernelOnce) {
  slow = true;
  std::atomic<int> counted{0}, failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::vector<KernelRequest> requests;
      for (int i = 0; i < 20; ++i) requests.push_back(Request(std::to_string((i + 7 * t) % 20)));
      KernelCache::Options options = Options();
      options.batch = 3;
      KernelCache::Result result = cache.Get(requests, options);
      counted += result.compiled;
      for (const auto& kernel : result.kernels) failures += !kernel.ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(compiled.load(), 20);
  EXPECT_EQ(counted.load(), 20);
  EXPECT_EQ(cache.size(), 20);
}

TEST_F(KernelCacheTest, WhoWaitedForAFailureTriesForItself) {
  // The first call fails while the second waits for it.
  std::atomic<bool> begun{false}, waiting{false};
  KernelCache::Options failing = Options();
  failing.compile = [&](std::span<const NamedNest>) -> absl::StatusOr<ObjectCode> {
    begun = true;
    while (!waiting) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return Internal("out of luck");
  };
  absl::Status first_status;
  std::thread first([&] { first_status = cache.Get({{Request("a")}}, failing).kernels[0].status(); });
  while (!begun) std::this_thread::yield();
  waiting = true;
  KernelCache::Result second = cache.Get({{Request("a")}}, Options());
  first.join();
  EXPECT_FALSE(first_status.ok());
  EXPECT_TRUE(second.kernels[0].ok());
  EXPECT_EQ(second.compiled, 1);
}

}  // namespace
}  // namespace skein
