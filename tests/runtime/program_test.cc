#include "runtime/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <immintrin.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "tests/runtime/hand_plan.h"

namespace skein {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr ElementType F32 = ElementType::kF32;
DimExpr S(std::string_view name) { return DimExpr::Symbol(name); }

// y = (x + x) * x - x, z = x + x.
Graph Chain() {
  Graph g;
  g.source_names = {"/add", "/mul", "/sub"};
  Value x = g.AddInput("x", {F32, {S("n")}});
  auto add = [&](int origin, Op op, Value a, Value b) {
    Graph::OriginScope scope(&g, {origin});
    return *g.Add(op, {a, b});
  };
  Value z = add(0, Op::add, x, x);
  Value y = add(2, Op::sub, add(1, Op::mul, z, x), x);
  g.AddOutput("y", y);
  g.AddOutput("z", z);
  return g;
}

std::vector<float> Ramp(int64_t n, float scale = 0.25f) {
  std::vector<float> v(n);
  for (int64_t i = 0; i < n; ++i) v[i] = scale * static_cast<float>(i % 97 - 40);
  return v;
}

void ExpectChain(Program& program, int64_t n) {
  std::vector<float> x = Ramp(n), y(n, -1), z(n, -1);
  const TensorView in[] = {View(x)}, out[] = {View(y), View(z)};
  absl::Status status = program.Run(in, out);
  ASSERT_TRUE(status.ok()) << status;
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_EQ(z[i], x[i] + x[i]) << i;
    ASSERT_EQ(y[i], (x[i] + x[i]) * x[i] - x[i]) << i;
  }
}

TEST(ProgramTest, OneProgramServesEverySize) {
  auto program = Program::Compile(Chain(), HandOptions());
  ASSERT_TRUE(program.ok()) << program.status();
  const int compiled = (*program)->stats().kernels_compiled;
  for (int64_t n : {1, 0, 63, 64, 1000, 100000, 1, 1000}) ExpectChain(**program, n);
  EXPECT_EQ((*program)->stats().kernels_compiled, compiled);
  EXPECT_EQ((*program)->stats().groups, 3);
  EXPECT_EQ((*program)->stats().variants, 1);
  EXPECT_TRUE((*program)->stats().interpreted_ops.empty());
  EXPECT_GT((*program)->peak_arena_bytes(), 4 * 100000);   // the product lies in the arena
  EXPECT_LT((*program)->peak_arena_bytes(), 2 * 4 * 100000);  // and nothing else
}

TEST(ProgramTest, RealPlansTiersAndInterpreterAgree) {
  for (bool fuse : {true, false}) {
    for (bool interpret : {true, false}) {
      for (Tier tier : {Tier::kOptimized, Tier::kFast}) {
        CompileOptions options;
        options.fuse = fuse;
        options.interpret = interpret;
        options.tier = tier;
        auto program = Program::Compile(Chain(), options);
        ASSERT_TRUE(program.ok()) << program.status();
        ExpectChain(**program, 777);
        EXPECT_EQ((*program)->stats().interpreted_ops.empty(), !interpret);
      }
    }
  }
}

TEST(ProgramTest, ThreadsDoNotChangeABit) {
  Graph g;
  Value x = g.AddInput("x", {F32, {S("rows"), S("n")}});
  g.AddOutput("y", *g.Add(Op::reduce, {*g.Add(Op::exp, {x})},
                          {{"axes", std::vector<int64_t>{1}}, {"reducer", SumReducer(F32)}, {"order", std::string("inner")}}));
  std::vector<float> in = Ramp(700 * 500, 0.0371f), first(700), got(700);
  for (int threads : {1, 2, 5}) {
    CompileOptions options;
    options.threads = threads;
    auto program = Program::Compile(g, options);
    ASSERT_TRUE(program.ok()) << program.status();
    const TensorView inputs[] = {{F32, {700, 500}, in.data()}}, outputs[] = {{F32, {700, 1}, got.data()}};
    ASSERT_TRUE((*program)->Run(inputs, outputs).ok());
    if (threads == 1) first = got;
    EXPECT_EQ(std::memcmp(first.data(), got.data(), 4 * got.size()), 0) << threads;
  }
}

TEST(ProgramTest, WhatNoSchedulerTakesIsInterpretedAndCounted) {
  CompileOptions options;
  options.planner = [](const Graph& graph, const PlanOptions& plan_options) -> absl::StatusOr<Plan> {
    SKEIN_ASSIGN_OR_RETURN(Plan plan, HandPlan(graph, plan_options));
    plan.groups[1].nest = nullptr;
    plan.groups[1].kind = "interpreted";
    return plan;
  };
  auto program = Program::Compile(Chain(), options);
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_EQ((*program)->stats().interpreted_ops.size(), 1u);
  EXPECT_THAT((*program)->stats().interpreted_ops[0], HasSubstr("'/mul'"));
  ExpectChain(**program, 100);
  const TensorView in[] = {{F32, {1000}, nullptr}};
  EXPECT_NEAR((*program)->Work(in)->generated_flops_share, 2.0 / 3, 1e-9);
}

TEST(ProgramTest, ASecondProgramCompilesNothing) {
  auto first = Program::Compile(Chain(), HandOptions());
  auto second = Program::Compile(Chain(), HandOptions());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->stats().kernels_compiled, 0);
  EXPECT_EQ((*second)->stats().cache_hits, 3);
}

TEST(ProgramTest, AnExecutorThatRunsTasksOneAfterAnotherFinishes) {
  CompileOptions options = HandOptions();
  options.threads = 4;
  int calls = 0;
  options.executor = [&](int count, const std::function<void(int)>& body) {
    ++calls;
    for (int i = count; i-- > 0;) body(i);
  };
  auto program = Program::Compile(Chain(), options);
  ASSERT_TRUE(program.ok()) << program.status();
  calls = 0;
  ExpectChain(**program, 10);
  EXPECT_EQ(calls, 0);  // not worth a hand-over
  ExpectChain(**program, 1 << 20);  // the first time, kernels that stream are compiled through it too
  calls = 0;
  ExpectChain(**program, 1 << 20);
  EXPECT_EQ(calls, 3);
}

TEST(ProgramTest, ReentrantFromEightThreads) {
  CompileOptions options = HandOptions();
  options.threads = 2;
  auto program = Program::Compile(Chain(), options);
  ASSERT_TRUE(program.ok()) << program.status();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 5; ++round) ExpectChain(**program, 1 + 40000 * ((t + round) % 3));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ProgramTest, EightThreadsCompileEachKernelOnce) {
  // A constant no other test has, so that the kernels are new to the process. No hand plan: constants are
  // inlined by the scheduler.
  Graph g;
  Value x = g.AddInput("x", {F32, {S("n")}});
  Value c = *g.Add(Op::broadcast, {*g.Add(Op::reshape, {g.AddScalar(F32, 0.1234567)}, {{"dims", Dims{1}}})},
                   {{"dims", Dims{S("n")}}});
  g.AddOutput("y", *g.Add(Op::mul, {x, c}));
  std::atomic<int> compiled{0}, hits{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      auto program = Program::Compile(g, {});
      ASSERT_TRUE(program.ok()) << program.status();
      compiled += (*program)->stats().kernels_compiled;
      hits += (*program)->stats().cache_hits;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiled.load(), 1);
  EXPECT_EQ(hits.load(), 7);
}

TEST(ProgramTest, HostFloatModeNeitherMattersNorChanges) {
  auto program = Program::Compile(Chain(), HandOptions());
  ASSERT_TRUE(program.ok()) << program.status();
  const unsigned saved = _mm_getcsr();
  const unsigned flushing = (saved & ~0x6000u) | 0x8040u | 0x6000u;  // FTZ, DAZ, round towards zero
  std::vector<float> x(100, 1e-39f), y(100), z(100);
  const TensorView in[] = {View(x)}, out[] = {View(y), View(z)};
  _mm_setcsr(flushing);
  absl::Status status = (*program)->Run(in, out);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(saved);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(after & ~0x3Fu, flushing & ~0x3Fu);
  for (float v : z) EXPECT_EQ(v, 2e-39f);
}

TEST(ProgramTest, OutputsThatAreInputsConstantsOrTheSame) {
  Graph g;
  Value x = g.AddInput("x", {F32, {S("n")}});
  std::vector<uint8_t> bytes(8);
  const float pair[2] = {3, 5};
  std::memcpy(bytes.data(), pair, 8);
  Value sum = *g.Add(Op::add, {x, x});
  g.AddOutput("a", sum);
  g.AddOutput("b", sum);
  g.AddOutput("c", x);
  g.AddOutput("d", g.AddConstant(MakeLiteral(F32, {2}, bytes)));
  for (bool hand : {true, false}) {
    auto program = Program::Compile(g, hand ? HandOptions() : CompileOptions{});
    ASSERT_TRUE(program.ok()) << program.status();
    std::vector<float> in = Ramp(70), a(70), b(70), c(70), d(2);
    const TensorView inputs[] = {View(in)}, outputs[] = {View(a), View(b), View(c), View(d)};
    ASSERT_TRUE((*program)->Run(inputs, outputs).ok());
    for (int i = 0; i < 70; ++i) EXPECT_EQ(a[i], 2 * in[i]);
    EXPECT_EQ(a, b);
    EXPECT_EQ(c, in);
    EXPECT_EQ(d, std::vector<float>({3, 5}));
    auto types = (*program)->OutputTypes(inputs);
    ASSERT_TRUE(types.ok());
    EXPECT_EQ((*types)[1].dims, std::vector<int64_t>({70}));
    EXPECT_EQ((*types)[3].dims, std::vector<int64_t>({2}));
  }
}

TEST(ProgramTest, BuffersThatDoNotFitAreRefused) {
  auto program = Program::Compile(Chain(), HandOptions());
  std::vector<float> x(8), y(8), z(8), shorter(7);
  const TensorView in[] = {View(x)};
  auto message = [&](std::vector<TensorView> outputs) {
    return std::string((*program)->Run(in, outputs).message());
  };
  EXPECT_THAT(message({View(y)}), HasSubstr("2 outputs"));
  EXPECT_THAT(message({View(y), View(shorter)}), AllOf(HasSubstr("'z'"), HasSubstr("[8]"), HasSubstr("[7]")));
  EXPECT_THAT(message({View(y), {F32, {8}, nullptr}}), HasSubstr("no memory"));
  EXPECT_THAT(message({View(y), View(y)}), HasSubstr("overlaps output 'y'"));
  EXPECT_THAT(message({View(y), View(x)}), HasSubstr("overlaps input 'x'"));
  EXPECT_THAT(message({View(y), {ElementType::kI32, {8}, z.data()}}), HasSubstr("i32"));
  EXPECT_EQ(message({View(y), View(z)}), "");
  // A run of the same types as the one before looks up nothing, but at its buffers.
  EXPECT_THAT(message({View(y), View(shorter)}), HasSubstr("[7]"));
  EXPECT_THAT(message({View(y), View(y)}), HasSubstr("overlaps output 'y'"));
  const TensorView integers[] = {{ElementType::kI32, {8}, x.data()}}, flat[] = {{F32, {2, 4}, x.data()}};
  const TensorView out[] = {View(y), View(z)};
  EXPECT_THAT(std::string((*program)->Run(integers, out).message()), HasSubstr("i32"));
  EXPECT_THAT(std::string((*program)->Run(flat, out).message()), HasSubstr("rank 2"));
  EXPECT_THAT(std::string((*program)->Run({}, out).message()), HasSubstr("1 inputs"));
  for (int64_t n : {8, 9, 8}) ExpectChain(**program, n);
}

TEST(ProgramTest, SizesThatNoMemoryHoldsAreAnError) {
  auto program = Program::Compile(Chain(), HandOptions());
  float x = 0, y = 0;
  const TensorView in[] = {{F32, {int64_t{1} << 60}, &x}}, out[] = {{F32, {int64_t{1} << 60}, &y}, {F32, {int64_t{1} << 60}, &y}};
  EXPECT_EQ((*program)->Run(in, out).code(), absl::StatusCode::kResourceExhausted);
  const TensorView big[] = {{F32, {INT64_MAX}, &x}};
  EXPECT_EQ((*program)->OutputTypes(big).status().code(), absl::StatusCode::kResourceExhausted);
}

Graph Lookup() {
  Graph g;
  g.source_names = {"/embed"};
  Value table = g.AddInput("table", {F32, {S("rows")}});
  Value ids = g.AddInput("ids", {ElementType::kI32, {S("n")}});
  Graph::OriginScope scope(&g, {0});
  g.AddOutput("y", *g.Add(Op::gather, {table, ids}, {{"dims", Dims{S("n")}}, {"map", Dims{DimExpr::Value(0)}},
                                                      {"index_map", Dims{DimExpr::Coord(0, S("n"))}}}));
  return g;
}

TEST(ProgramTest, AnIndexOutOfRangeNamesNodeAndValue) {
  for (int mode = 0; mode < 3; ++mode) {
    CompileOptions options = mode == 2 ? CompileOptions{} : HandOptions();
    options.interpret = mode == 1;
    options.threads = 2;
    auto program = Program::Compile(Lookup(), options);
    ASSERT_TRUE(program.ok()) << program.status();
    std::vector<float> table = Ramp(10), y(300);
    std::vector<int32_t> ids(300);
    for (int i = 0; i < 300; ++i) ids[i] = i % 10;
    const TensorView in[] = {View(table), View(ElementType::kI32, ids)}, out[] = {View(y)};
    ASSERT_TRUE((*program)->Run(in, out).ok());
    for (int i = 0; i < 300; ++i) EXPECT_EQ(y[i], table[i % 10]);
    ids[255] = 1234;
    absl::Status status = (*program)->Run(in, out);
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("/embed"), HasSubstr("1234"), HasSubstr("10")));
    ids[255] = 0;
    EXPECT_TRUE((*program)->Run(in, out).ok());  // the status word was the failed run's own
  }
}

// The hand plan, but only for n <= 8: what a planner does that keeps whole rows in registers, say.
absl::StatusOr<Plan> GuardedPlan(const Graph& graph, const PlanOptions& options) {
  SKEIN_ASSIGN_OR_RETURN(Plan plan, HandPlan(graph, options));
  const DimExpr n = graph.type(graph.inputs()[0].value).dims[0];
  if (!n.IsConst()) plan.graph.AddGuard(Less(n, 9), "short rows");
  return plan;
}

TEST(ProgramTest, AFailedGuardCompilesOneVariantAndIsReported) {
  CompileOptions options;
  options.planner = GuardedPlan;
  auto program = Program::Compile(Chain(), options);
  ASSERT_TRUE(program.ok()) << program.status();
  ExpectChain(**program, 8);
  EXPECT_EQ((*program)->stats().variants, 1);
  ExpectChain(**program, 20);
  ExpectChain(**program, 8);
  for (int64_t n = 1; n < 9; ++n) ExpectChain(**program, n);
  ExpectChain(**program, 20);
  EXPECT_EQ((*program)->stats().variants, 2);
  ASSERT_EQ((*program)->stats().failed_guards.size(), 1u);
  EXPECT_THAT((*program)->stats().failed_guards[0], AllOf(HasSubstr("short rows"), HasSubstr("n = 20")));
  ExpectChain(**program, 21);
  EXPECT_EQ((*program)->stats().variants, 3);
  // More bindings than are kept: the variant is still there.
  for (int64_t n = 9; n < 30; ++n) ExpectChain(**program, n);
  const int variants = (*program)->stats().variants;
  ExpectChain(**program, 20);
  EXPECT_EQ((*program)->stats().variants, variants);
}

TEST(ProgramTest, AGuardOfTheGraphItselfIsAnError) {
  Graph g = Chain();
  g.AddGuard(Less(S("n"), 9), "n < 9, assumed by '/add'");
  auto program = Program::Compile(g, HandOptions());
  ASSERT_TRUE(program.ok()) << program.status();
  ExpectChain(**program, 8);
  std::vector<float> x(10);
  const TensorView in[] = {View(x)};
  absl::Status status = (*program)->OutputTypes(in).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("assumed by '/add'"), HasSubstr("n = 10")));
}

TEST(ProgramTest, PhasesRunOnce) {
  Graph g;
  Value x = g.AddInput("x", {ElementType::kI64, {S("n")}});
  std::vector<uint8_t> bytes(8);
  bytes[0] = 21;
  Value w = g.AddConstant(MakeLiteral(ElementType::kI64, {1}, bytes));
  Value doubled = *g.Add(Op::add, {w, w});
  Value squared = *g.Add(Op::mul, {doubled, doubled});
  g.AddOutput("w", squared);
  g.AddOutput("y", *g.Add(Op::add, {x, x}));
  std::vector<Phase> phases = {Phase::kProgram, Phase::kBinding, Phase::kRun};
  CompileOptions options;
  options.planner = [&](const Graph& graph, const PlanOptions& plan_options) -> absl::StatusOr<Plan> {
    SKEIN_ASSIGN_OR_RETURN(Plan plan, HandPlan(graph, plan_options));
    for (size_t i = 0; i < phases.size(); ++i) plan.groups[i].phase = phases[i];
    return plan;
  };
  auto program = Program::Compile(g, options);
  ASSERT_TRUE(program.ok()) << program.status();
  int views = 0;
  const std::vector<std::pair<int64_t, std::string>> runs = {{3, "111"}, {3, "001"}, {5, "011"}, {3, "001"}};
  for (const auto& [n, launched] : runs) {
    std::vector<int64_t> in(n, 4), w2(1), y(n);
    const TensorView inputs[] = {View(ElementType::kI64, in)};
    const TensorView outputs[] = {View(ElementType::kI64, w2), View(ElementType::kI64, y)};
    std::vector<double> seconds;
    RunOptions run{.after_group = [&](const LaunchView&) { ++views; return absl::OkStatus(); }, .group_seconds = &seconds};
    ASSERT_TRUE((*program)->Run(inputs, outputs, run).ok());
    EXPECT_EQ(w2[0], 42 * 42);
    EXPECT_EQ(y, std::vector<int64_t>(n, 8));
    ASSERT_EQ(seconds.size(), 3u);
    for (int g = 0; g < 3; ++g) EXPECT_EQ(seconds[g] > 0, launched[g] == '1') << n << ", group " << g;
  }
  EXPECT_EQ(views, 12);  // all groups in every run, with what they left

  phases = {Phase::kRun, Phase::kRun, Phase::kBinding};
  EXPECT_THAT(Program::Compile(g, options).status().message(), HasSubstr("once per binding but depends on input"));
}

TEST(ProgramTest, WorkAtABinding) {
  auto program = Program::Compile(Chain(), HandOptions());
  const TensorView in[] = {{F32, {1000}, nullptr}};
  auto work = (*program)->Work(in);
  ASSERT_TRUE(work.ok());
  EXPECT_EQ(work->flops, 3000);
  EXPECT_EQ(work->bytes, 4000 * (2 + 3 + 3));
  EXPECT_EQ(work->generated_flops_share, 1);
  CompileOptions options = HandOptions();
  options.interpret = true;
  program = Program::Compile(Chain(), options);
  EXPECT_EQ((*program)->Work(in)->generated_flops_share, 0);
}

}  // namespace
}  // namespace skein
