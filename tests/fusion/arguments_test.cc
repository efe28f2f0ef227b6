// Symbols of the graph -> arguments of the kernel.
#include <gtest/gtest.h>

#include "fusion/schedule.h"

namespace skein {
namespace {

const DimExpr kPast = DimExpr::Symbol("past"), kSeq = DimExpr::Symbol("seq");

// A copy of rows * columns elements, with `offset` added to every address.
LoopNest Copy(DimExpr rows, DimExpr columns, DimExpr offset) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, rows * columns + 64);
  const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, rows * columns + 64);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, rows);
  const DimExpr j = b.BeginVectorLoop(columns, 16);
  b.Store(out, i * columns + j, b.Load(in, i * columns + j + offset));
  b.EndLoop();
  b.EndLoop();
  return nest;
}

TEST(Arguments, EqualKernelsOfDifferentSymbolsAreEqualText) {
  LoopNest a = Copy(kSeq, kPast, 0), b = Copy(kPast * kPast, kSeq, 0);
  const std::vector<DimExpr> of_a = NumberArguments(&a), of_b = NumberArguments(&b);
  EXPECT_EQ(a.ToString(), b.ToString());
  ASSERT_EQ(of_a.size(), of_b.size());
  EXPECT_EQ(a.argument_count, static_cast<int>(of_a.size()));
  EXPECT_EQ(of_a[0], kSeq);
  EXPECT_EQ(of_b[0], kPast * kPast);
}

// An argument counts as >= 0, so what may be negative is taken apart.
TEST(Arguments, AreNeverNegative) {
  LoopNest nest = Copy(kSeq, 8, 16 - kPast);
  for (DimExpr e : NumberArguments(&nest)) EXPECT_TRUE(ProveNonNegative(e)) << e.ToString();
  LoopNest difference = Copy(kSeq, 8, kSeq - kPast);
  for (DimExpr e : NumberArguments(&difference)) EXPECT_TRUE(ProveNonNegative(e)) << e.ToString();
}

TEST(Arguments, ConstantsStayConstants) {
  LoopNest nest = Copy(4, 8, 0);
  EXPECT_TRUE(NumberArguments(&nest).empty());
  EXPECT_EQ(nest.argument_count, 0);
}

TEST(OrderBuffers, InputsOutputsScratch) {
  LoopNest nest = Copy(kSeq, 8, 0);
  NumberArguments(&nest);
  OrderBuffers(&nest);
  EXPECT_EQ(nest.buffers[0].kind, BufferKind::kInput);
  EXPECT_EQ(nest.buffers[1].kind, BufferKind::kOutput);
  EXPECT_TRUE(Verify(nest).ok()) << Verify(nest);
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Inst& inst = nest.inst(InstId(i));
    EXPECT_TRUE(inst.op != Opcode::kLoad || inst.buffer == BufferId(0));
    EXPECT_TRUE(inst.op != Opcode::kStore || inst.buffer == BufferId(1));
  }
}

TEST(RemoveDeadInstructions, KeepsEffectsAndWhatTheyNeed) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 16);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 16);
  const DimExpr j = b.BeginVectorLoop(16, 16);
  const ValueId x = b.Load(in, j);
  b.Mul(b.Add(x, x), x);  // nobody needs it
  b.Store(out, j, b.Unary(Opcode::kNeg, x));
  b.EndLoop();
  RemoveDeadInstructions(&nest);
  EXPECT_TRUE(Verify(nest).ok()) << Verify(nest);
  const std::string text = nest.ToString();
  EXPECT_EQ(text.find("add"), std::string::npos) << text;
  EXPECT_EQ(text.find("mul"), std::string::npos) << text;
  EXPECT_NE(text.find("neg"), std::string::npos) << text;
  EXPECT_NE(text.find("store"), std::string::npos) << text;
}

}  // namespace
}  // namespace skein
