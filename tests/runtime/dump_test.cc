#include "runtime/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codegen/codegen.h"
#include "tests/runtime/hand_plan.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(DumpTest, EveryStage) {
  Graph g;
  g.source_names = {"/exp", "/again"};
  Value x = g.AddInput("x", {ElementType::kF32, {DimExpr::Symbol("n")}});
  Graph::OriginScope scope(&g, {0});
  Value e = *g.Add(Op::exp, {x});
  Graph::OriginScope second(&g, {1});
  g.AddOutput("y", *g.Add(Op::exp, {e}));
  Plan plan = *HandPlan(g, {});
  EXPECT_THAT(*EmitText(plan, EmitKind::kGraph, std::nullopt), HasSubstr("exp"));
  const std::string loops = *EmitText(plan, EmitKind::kLoops, std::nullopt);
  EXPECT_THAT(loops, HasSubstr("// from /exp"));
  EXPECT_THAT(loops, HasSubstr("// a0 = n"));
  EXPECT_THAT(loops, HasSubstr("the same kernel as group 0"));
  EXPECT_THAT(*EmitText(plan, EmitKind::kLoops, 1), Not(HasSubstr("the same kernel")));
  EXPECT_EQ(EmitText(plan, EmitKind::kLoops, 2).status().code(), absl::StatusCode::kInvalidArgument);
  if (HaveLlvm()) {
    EXPECT_THAT(*EmitText(plan, EmitKind::kLlvm, 0), HasSubstr("define"));
    EXPECT_THAT(*EmitText(plan, EmitKind::kAsm, 0), HasSubstr("ret"));
  }
  for (const Tier tier : {Tier::kFast, Tier::kOptimized}) {
    CompileOptions options;
    options.tier = tier;
    const auto text = EmitText(plan, EmitKind::kAsm, 0, options);
    if (!text.ok()) continue;  // no back end for this machine
    EXPECT_THAT(*text, HasSubstr("; store b1[")) << "each instruction has its line of the nest beside it";
    EXPECT_EQ(text->find("this library is built without it") != std::string::npos, !HaveLlvm());
  }
  EXPECT_EQ(ParseEmitKind("asm"), EmitKind::kAsm);
  EXPECT_EQ(ParseEmitKind("bytes"), std::nullopt);
}

}  // namespace
}  // namespace skein
