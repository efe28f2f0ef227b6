#include "codegen/legalize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <tuple>

#include "tests/codegen/kernel_harness.h"
#include "tests/codegen/sample_nests.h"

namespace skein {
namespace {

void VisitInsts(const LoopNest& nest, BlockId block,
                const std::function<void(const Inst&)>& visit) {
  for (InstId id : nest.block(block).insts) {
    visit(nest.inst(id));
    if (nest.inst(id).op == Opcode::kLoop) VisitInsts(nest, nest.inst(id).body, visit);
  }
}

LoopNest LegalizeOrDie(const LoopNest& nest, Isa isa) {
  absl::StatusOr<LoopNest> legal = Legalize(nest, Target{.isa = isa});
  EXPECT_TRUE(legal.ok()) << legal.status();
  return legal.ok() ? *std::move(legal) : LoopNest();
}

int CountOps(const LoopNest& nest, Opcode op) {
  int count = 0;
  VisitInsts(nest, nest.root, [&](const Inst& inst) { count += inst.op == op; });
  return count;
}

std::vector<LoopNest> AllSamples() {
  std::vector<LoopNest> nests;
  nests.push_back(PointwiseNest());
  nests.push_back(PointwiseNest(70));
  nests.push_back(NormalizeRowsNest());
  nests.push_back(ColumnSumNest());
  nests.push_back(ConstantColumnMaxNest(3, 90));
  nests.push_back(GemmTileNest(6, 64));
  nests.push_back(GatherNest(ElementType::kF32));
  nests.push_back(ScatterNest(ElementType::kI8));
  nests.push_back(MaskNest());
  nests.push_back(ShuffleNest());
  nests.push_back(LookupNest());
  nests.push_back(StrideNest(ElementType::kF32));
  nests.push_back(Dot4Nest());
  nests.push_back(IndexNest());
  return nests;
}

TEST(Legalize, ValuesFitRegistersAndNoVectorLoopIsLeft) {
  for (const LoopNest& nest : AllSamples()) {
    for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
      const LoopNest legal = LegalizeOrDie(nest, isa);
      const int most = Target{.isa = isa}.lanes();
      VisitInsts(legal, legal.root, [&](const Inst& inst) {
        for (ValueId v : inst.results) EXPECT_LE(legal.type(v).lanes, most);
        for (ValueId v : inst.operands) EXPECT_LE(legal.type(v).lanes, most);
        if (inst.op == Opcode::kLoop) {
          EXPECT_NE(inst.loop_kind, LoopKind::kVector);
          EXPECT_NE(inst.loop_kind, LoopKind::kUnrolled);
        }
        if (inst.op == Opcode::kLoad && inst.type.lanes > 1) {
          EXPECT_FALSE(inst.stride.IsConst(0));
        }
      });
    }
  }
}

TEST(Legalize, WholeMultiplesHaveNoMasks) {
  const LoopNest legal = LegalizeOrDie(PointwiseNest(128), Isa::kAvx512);
  EXPECT_EQ(CountOps(legal, Opcode::kLaneMask), 0);
  VisitInsts(legal, legal.root, [](const Inst& inst) { EXPECT_FALSE(inst.masked); });
}

TEST(Legalize, ConstantTailHasOnlyThePiecesItNeeds) {
  // 70 = 64 + 6: four pieces and one.
  const LoopNest legal = LegalizeOrDie(PointwiseNest(70), Isa::kAvx512);
  EXPECT_EQ(CountOps(legal, Opcode::kStore), 4 + 1);
  // 96 = 64 + 32: four pieces and two, none of them masked.
  const LoopNest whole = LegalizeOrDie(PointwiseNest(96), Isa::kAvx512);
  EXPECT_EQ(CountOps(whole, Opcode::kStore), 4 + 2);
  EXPECT_EQ(CountOps(whole, Opcode::kLaneMask), 0);
}

TEST(Legalize, GemmTileLoadsBOnceThenRowByRow) {
  const LoopNest legal = LegalizeOrDie(GemmTileNest(6, 64), Isa::kAvx512);
  std::string order;  // of the loop body: b: piece of B, a: element of A, s: splat, f: fma
  VisitInsts(legal, legal.root, [&](const Inst& inst) {
    if (inst.op == Opcode::kLoad) order += inst.type.lanes == 1 ? 'a' : 'b';
    if (inst.op == Opcode::kSplat) order += 's';
    if (inst.op == Opcode::kFma) order += 'f';
  });
  EXPECT_EQ(order, "bbbbasffffasffffasffffasffffasffffasffff");
}

// Pieces share the expression of their address, of strided accesses too; the text has the sums.
TEST(Legalize, PiecesDifferInTheirOffset) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 1000);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 1000);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, 5);
  b.Store(out, 40 * i + DimExpr(7), b.Load(in, 100 * i, 32, 3));
  b.EndLoop();
  const LoopNest legal = LegalizeOrDie(nest, Isa::kAvx512);
  std::vector<int64_t> offsets;
  std::vector<std::string> elements;
  VisitInsts(legal, legal.root, [&](const Inst& inst) {
    if (inst.op != Opcode::kLoad && inst.op != Opcode::kStore) return;
    EXPECT_EQ(inst.address, inst.op == Opcode::kLoad ? 100 * i : 40 * i + DimExpr(7));
    offsets.push_back(inst.offset);
    elements.push_back(ElementOf(inst).ToString());
  });
  EXPECT_EQ(offsets, (std::vector<int64_t>{0, 48, 0, 16}));
  EXPECT_EQ(elements, (std::vector<std::string>{"100*$0", "100*$0 + 48", "40*$0 + 7", "40*$0 + 23"}));
  EXPECT_NE(legal.ToString().find("+ 48; 3]"), std::string::npos) << legal.ToString();
}

// x + c is never -0, unless c is: then max(x + c, 0) is one instruction, not two.
TEST(Legalize, SumsWithConstantsNeedNoCareForNegativeZero) {
  for (const auto& [term, adds] : {std::pair(1.0, 4), {0.0, 4}, {-0.0, 8}}) {
    LoopNest nest;
    LoopBuilder b(&nest);
    const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 64);
    const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 64);
    const ValueId sum = b.Add(b.Load(in, 0, 64), b.Const(ElementType::kF32, term, 64));
    b.Store(out, 0, b.Binary(Opcode::kMax, sum, b.Const(ElementType::kF32, 0.0, 64)));
    const LoopNest legal = LegalizeOrDie(nest, Isa::kAvx512);
    EXPECT_EQ(CountOps(legal, Opcode::kAdd), adds) << term;
    KernelCase run = MakeCase(nest, {});
    const float special[] = {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1.0f, -1.0f, 1e-40f};
    std::memcpy(run.buffers[0].data(), special, sizeof(special));
    EXPECT_EQ(Difference(nest, *Interpret(run, nest), *Interpret(run, legal)), "") << term;
  }
}

// One instruction where x as the second operand is right for NaN and zeros, two against +0.
TEST(Legalize, BoundsThatAreConstantsAreCheap) {
  for (const auto& [opcode, number, x86, adds, whole] :
       {std::tuple(Opcode::kMax, 1.0, 4, 0, 0), {Opcode::kMax, 0.0, 4, 4, 0}, {Opcode::kMax, -0.0, 4, 0, 0},
        {Opcode::kMax, std::nan(""), 0, 0, 4}, {Opcode::kMin, -2.0, 4, 0, 0}, {Opcode::kMin, 0.0, 4, 0, 0},
        {Opcode::kMin, -0.0, 0, 0, 4}}) {
    for (bool first : {false, true}) {
      LoopNest nest;
      LoopBuilder b(&nest);
      const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 64);
      const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 64);
      const ValueId x = b.Load(in, 0, 64), bound = b.Const(ElementType::kF32, number, 64);
      b.Store(out, 0, first ? b.Binary(opcode, bound, x) : b.Binary(opcode, x, bound));
      const LoopNest legal = LegalizeOrDie(nest, Isa::kAvx512);
      EXPECT_EQ(CountOps(legal, Opcode::kMaxX86) + CountOps(legal, Opcode::kMinX86), x86) << number;
      EXPECT_EQ(CountOps(legal, Opcode::kAdd), adds) << number;
      EXPECT_EQ(CountOps(legal, Opcode::kMax) + CountOps(legal, Opcode::kMin), whole) << number;
      KernelCase run = MakeCase(nest, {});
      const float special[] = {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1.0f, -2.0f, 1e-40f};
      std::memcpy(run.buffers[0].data(), special, sizeof(special));
      const auto want = Interpret(run, nest), got = Interpret(run, legal);
      ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
      EXPECT_EQ(Difference(nest, *want, *got), "") << number;
    }
  }
}

TEST(Legalize, GroupsOfPiecesFollowOneAnother) {
  const LoopNest legal = LegalizeOrDie(PointwiseNest(64), Isa::kAvx2);
  std::string order;
  VisitInsts(legal, legal.root, [&](const Inst& inst) {
    if (inst.op == Opcode::kLoad) order += 'l';
    if (inst.op == Opcode::kMul) order += 'm';
    if (inst.op == Opcode::kAdd) order += 'a';
    if (inst.op == Opcode::kMaxX86) order += 'x';  // of a constant
    if (inst.op == Opcode::kStore) order += 's';
  });
  const std::string group = "llmmllaaxxss";
  EXPECT_EQ(order, group + group + group + group);
}

// A store may not overtake a load of a shifted range of the same buffer, nor the other way round.
TEST(Legalize, OverlappingAccessesKeepTheirOrder) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId x = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 128);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 128);
  const BufferId second = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 64);
  b.Store(out, 0, b.Load(x, 0, 64));
  b.Store(out, 64, b.Load(x, 64, 64));
  const ValueId shifted = b.Load(out, 5, 64);
  b.Store(out, 3, b.Mul(shifted, shifted));
  b.Store(second, 0, b.Load(out, 40, 64));
  const KernelCase run = MakeCase(nest, {});
  const absl::StatusOr<KernelOutcome> want = Interpret(run, nest);
  ASSERT_TRUE(want.ok()) << want.status();
  for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    const absl::StatusOr<KernelOutcome> got = Interpret(run, LegalizeOrDie(nest, isa));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(Difference(nest, *want, *got), "");
  }
}

// An extract makes an inactive lane visible, so it must hold what the contract says.
TEST(Legalize, InactiveLanesThatAreExtracted) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId x = b.AddBuffer(BufferKind::kInput, ElementType::kI64, 5);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kI64, 5);
  const DimExpr j = b.BeginVectorLoop(5, 64);
  const ValueId same = b.Load(x, 0, 0, 0);
  const ValueId number = b.Sub(b.Iota(ElementType::kI64, 64), b.ConstInt(ElementType::kI64, 60));
  const ValueId clamped =
      b.ClampIndex(b.Binary(Opcode::kMin, number, b.ConstInt(ElementType::kI64, 0)), 2, 1);
  const ValueId seen = b.Add(b.Extract(same, 63), b.Extract(clamped, 63));
  b.Store(out, j, b.Add(b.Add(b.Load(x, j), seen), clamped));
  b.EndLoop();
  KernelCase run = MakeCase(nest, {});
  const absl::StatusOr<KernelOutcome> want = Interpret(run, nest);
  ASSERT_TRUE(want.ok()) << want.status();
  const absl::StatusOr<KernelOutcome> got = Interpret(run, LegalizeOrDie(nest, Isa::kAvx512));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(Difference(nest, *want, *got), "");
}

}  // namespace
}  // namespace skein
