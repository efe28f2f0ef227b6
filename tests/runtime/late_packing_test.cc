// Weights that are packed behind the runs: the same bits before, during and after, and a clean end at any moment.
#include "runtime/late_packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "ir/kernel_abi.h"
#include "runtime/back_ends.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

constexpr ElementType F32 = ElementType::kF32;
constexpr int64_t kColumns = 256;

// y = tanh(tanh(x W0) W1) ..., x of [m, 256].
Graph Layers(int count) {
  Graph g;
  Value x = g.AddInput("x", {F32, {DimExpr::Symbol("m"), kColumns}});
  for (int layer = 0; layer < count; ++layer) {
    std::vector<float> values(kColumns * kColumns);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<int>(i * 37 + layer) % 61 - 30) / 512;
    std::vector<uint8_t> bytes(4 * values.size());
    std::memcpy(bytes.data(), values.data(), bytes.size());
    x = *g.Add(Op::dot, {x, g.AddConstant(MakeLiteral(F32, {kColumns, kColumns}, std::move(bytes)))});
    x = *g.Add(Op::tanh, {x});
  }
  g.AddOutput("y", x);
  return g;
}

class LatePackingTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveXbyak() || !HostTarget().ok()) GTEST_SKIP() << "needs the fast back end";
  }

  // A program to which weights of 256 KiB are large; by default nobody packs but the runs.
  std::unique_ptr<Program> Compile(const Graph& graph, bool packs_behind = false, CompileOptions options = {}) {
    options.target.l2_bytes = 64 << 10;
    options.back_ends = std::make_shared<BackEnds>(GenerateXbyak, nullptr);
    options.back_ends->packs_behind = packs_behind;
    auto program = Program::Compile(graph, options);
    EXPECT_TRUE(program.ok()) << program.status();
    return *std::move(program);
  }

  std::vector<HostTensor> Inputs(const Graph& graph, int64_t m) { return *DrawInputs(graph, {{"m", m}}, 3); }

  std::vector<HostTensor> Expected(const Graph& graph, int64_t m) {
    CompileOptions options;
    options.pack_first = true;
    const auto program = Compile(graph, true, options);
    std::vector<HostTensor> inputs = Inputs(graph, m), outputs = *RunProgram(*program, inputs);
    EXPECT_EQ(program->stats().late_weights, 0);
    return outputs;
  }
};

TEST_F(LatePackingTest, TheThirdRunPacksWhatNobodyHas) {
  const Graph graph = Layers(3);
  const std::vector<HostTensor> expected = Expected(graph, 37);
  std::vector<HostTensor> inputs = Inputs(graph, 37);
  for (int threads : {1, 2}) {
    CompileOptions options;
    options.threads = threads;
    const auto program = Compile(graph, false, options);
    EXPECT_EQ(program->stats().late_weights, 3);
    for (int run = 0; run < 4; ++run) {
      EXPECT_EQ(FirstDifference(expected, *RunProgram(*program, inputs)), "") << "run " << run;
      const CompileStats stats = program->stats();
      EXPECT_EQ(stats.late_weights_packed, run < 2 ? 0 : 3) << "run " << run;
      EXPECT_EQ(stats.unpacked_launches, 3 * std::min(run + 1, 2)) << "run " << run;
    }
  }
}

TEST_F(LatePackingTest, SameBitsWhileAThreadPacks) {
  const Graph graph = Layers(24);
  const std::vector<HostTensor> expected = Expected(graph, 5);
  const auto program = Compile(graph, true);
  std::vector<std::thread> hosts;
  std::atomic<int> differences{0};
  for (int t = 0; t < 2; ++t) {
    hosts.emplace_back([&] {
      std::vector<HostTensor> inputs = Inputs(graph, 5);
      for (int run = 0; run < 6; ++run) differences += !FirstDifference(expected, *RunProgram(*program, inputs)).empty();
    });
  }
  for (std::thread& host : hosts) host.join();
  program->WaitForBackgroundWork();
  EXPECT_EQ(differences, 0);
  EXPECT_EQ(program->stats().late_weights_packed, 24);
  const int64_t launches = program->stats().unpacked_launches;
  std::vector<HostTensor> inputs = Inputs(graph, 5);
  EXPECT_EQ(FirstDifference(expected, *RunProgram(*program, inputs)), "");
  EXPECT_EQ(program->stats().unpacked_launches, launches);
}

TEST_F(LatePackingTest, AProgramMayEndAtAnyMoment) {
  const Graph graph = Layers(24);
  std::vector<HostTensor> inputs = Inputs(graph, 1);
  for (int i = 0; i < 20; ++i) {
    const auto program = Compile(graph, true);
    ASSERT_TRUE(RunProgram(*program, inputs).ok());
    std::this_thread::sleep_for(std::chrono::microseconds(20 * i));
  }
}

TEST_F(LatePackingTest, KernelsThatNobodyCallsYetAreMadeBehindTheFirstRun) {
  const Graph graph = Layers(2);
  const auto program = Compile(graph);
  std::vector<HostTensor> inputs = Inputs(graph, 37);
  for (int run = 0; run < 3; ++run) {
    // Tanh of a product, unpacked; then the same packed, and the kernel that packs.
    EXPECT_EQ(program->stats().kernels_compiled, 0) << "run " << run;
    EXPECT_EQ(program->stats().fast_kernels, 0) << "run " << run;
    ASSERT_TRUE(RunProgram(*program, inputs).ok());
  }
  EXPECT_EQ(program->stats().kernels_compiled, 2);
  EXPECT_EQ(program->stats().fast_kernels, 2);
}

TEST_F(LatePackingTest, WhereABackEndFailsOnPackedKernelsWeightsStayAsTheyLie) {
  const Graph graph = Layers(2);
  const std::vector<HostTensor> expected = Expected(graph, 37);
  std::atomic<bool> fails{false};
  CompileOptions options;
  options.target.l2_bytes = 64 << 10;
  options.back_ends = std::make_shared<BackEnds>(
      [&](std::span<const NamedNest> nests, const Target& target) -> absl::StatusOr<ObjectCode> {
        if (fails) return Internal("out of registers");
        return GenerateXbyak(nests, target);
      },
      nullptr);
  const auto program = *Program::Compile(graph, options);
  fails = true;
  std::vector<HostTensor> inputs = Inputs(graph, 37);
  for (int run = 0; run < 4; ++run) EXPECT_EQ(FirstDifference(expected, *RunProgram(*program, inputs)), "") << "run " << run;
  program->WaitForBackgroundWork();
  EXPECT_THAT(program->stats().packing_failure, HasSubstr("out of registers"));
  EXPECT_EQ(program->stats().late_weights_packed, 0);
  EXPECT_EQ(program->stats().unpacked_launches, 8);
}

TEST_F(LatePackingTest, WhoLooksAtBuffersSeesThemPacked) {
  const Graph graph = Layers(2);
  const auto program = Compile(graph);
  std::vector<HostTensor> inputs = Inputs(graph, 3);
  int packed = 0;
  RunOptions options{.after_group = [&](const LaunchView& view) {
    if (view.group->phase != Phase::kProgram) return absl::OkStatus();
    // Panel 1, row 2, column 3.
    const auto* weight = static_cast<const float*>(view.inputs[0].data);
    const auto* panels = static_cast<const float*>(view.outputs[0].data);
    packed += panels[(kColumns + 2) * 64 + 3] == weight[2 * kColumns + 64 + 3];
    return absl::OkStatus();
  }};
  EXPECT_TRUE(RunProgram(*program, inputs, options).ok());
  EXPECT_EQ(packed, 2);
  EXPECT_EQ(program->stats().unpacked_launches, 0);
}

TEST_F(LatePackingTest, WhoeverWaitsForLlvmPacksFirst) {
  CompileOptions options;
  options.tier = Tier::kOptimized;
  EXPECT_EQ(Compile(Layers(2), true, options)->stats().late_weights, 0);
  options.tier = Tier::kFast;
  EXPECT_EQ(Compile(Layers(2), true, options)->stats().late_weights, 2);
  EXPECT_EQ(Program::Compile(Layers(2), options).value()->stats().late_weights, 0);  // small, to this machine
}

// --- the class alone, with kernels of the test's own ---

std::atomic<int> begun{0};
std::atomic<bool> held{false};

void CopyTiles(const KernelArgs* args, int64_t begin, int64_t end, void*) {
  begun += 1;
  begun.notify_all();
  held.wait(true);
  const auto* from = static_cast<const uint8_t*>(args->buffers[0]);
  std::copy(from + begin, from + end, static_cast<uint8_t*>(args->buffers[1]) + begin);
}

LatePacking::MakeKernels AllAre(KernelFunction function, int count) {
  return [=] {
    return std::vector<KernelRef>(count, std::make_shared<CompiledKernel>(CompiledKernel{function, nullptr, 0}));
  };
}

std::vector<LatePacking::Job> Copies(int count) {
  begun = 0;
  held = false;
  std::vector<LatePacking::Job> jobs;
  for (int i = 0; i < count; ++i) {
    LiteralRef weight = MakeLiteral(ElementType::kU8, {8}, std::vector<uint8_t>(8, static_cast<uint8_t>(i + 1)));
    jobs.push_back({std::move(weight), 64 * i, GroupSizes{.tiles = 8, .bytes = 4 << 20}});
  }
  return jobs;
}

const Executor kHere = [](int count, const std::function<void(int)>& body) {
  for (int i = 0; i < count; ++i) body(i);
};

bool IsCopied(const LatePacking& packing, int job) {
  return packing.memory()[64 * job] == std::byte(job + 1) && packing.memory()[64 * job + 7] == std::byte(job + 1);
}

TEST(LatePackingClass, NobodyWaitsForTheThread) {
  LatePacking packing(Copies(2), 128, AllAre(CopyTiles, 2));
  held = true;
  packing.Start();
  begun.wait(0);  // in the first slice of the first
  for (int launch = 0; launch < 5; ++launch) EXPECT_FALSE(packing.PackedForLaunch(0, kHere));
  held = false;
  held.notify_all();
  EXPECT_TRUE(packing.Finish(kHere).ok());
  EXPECT_TRUE(packing.PackedForLaunch(0, kHere));
  EXPECT_TRUE(packing.AllPacked());
  EXPECT_TRUE(IsCopied(packing, 0) && IsCopied(packing, 1));
  EXPECT_EQ(packing.unpacked_launches(), 5);
}

TEST(LatePackingClass, EndsWithTheSliceThatItIsAt) {
  std::vector<LatePacking::Job> jobs = Copies(1);
  static std::atomic<int> slices{0};
  auto slow = [](const KernelArgs*, int64_t, int64_t, void*) {
    slices += 1;
    slices.notify_all();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  jobs[0].sizes = GroupSizes{.tiles = 1000, .bytes = 1000 << 20};
  {
    LatePacking packing(std::move(jobs), 128, AllAre(slow, 1));
    packing.Start();
    slices.wait(0);
  }
  EXPECT_LT(slices, 1000);
}

TEST(LatePackingClass, WithoutMemoryWeightsStayAsTheyLie) {
  LatePacking packing(Copies(1), int64_t{1} << 50, AllAre(CopyTiles, 1));
  packing.Start();
  EXPECT_THAT(packing.failure().message(), HasSubstr("cannot allocate"));
  for (int launch = 0; launch < 5; ++launch) EXPECT_FALSE(packing.PackedForLaunch(0, kHere));
  EXPECT_EQ(packing.Finish(kHere).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(packing.packed(), 0);
  EXPECT_EQ(begun, 0);
}

TEST(LatePackingClass, WithoutKernelsWeightsStayAsTheyLie) {
  int asked = 0;
  LatePacking packing(Copies(1), 128, [&]() -> absl::StatusOr<std::vector<KernelRef>> {
    ++asked;
    return Internal("no such kernel");
  });
  for (int launch = 0; launch < 5; ++launch) EXPECT_FALSE(packing.PackedForLaunch(0, kHere));
  EXPECT_EQ(packing.Finish(kHere).message(), "no such kernel");
  EXPECT_EQ(packing.failure().message(), "no such kernel");
  EXPECT_EQ(packing.packed(), 0);
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace skein
