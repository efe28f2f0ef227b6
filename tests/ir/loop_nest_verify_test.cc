#include <gtest/gtest.h>

#include "ir/loop_nest.h"

namespace skein {
namespace {

using enum ElementType;

// A body inside a nest with buffers of several types.
std::string Nest(std::string_view body) {
  return absl::StrCat("nest(a0) {\n in f32 b0[a0]\n in i64 b1[a0]\n in f16 b2[a0]\n",
                      " out f32 b3[a0]\n out bool b4[a0]\n scratch f32 b5[a0]\n", std::string(body),
                      "\n}\n");
}

std::string VerifyText(std::string_view body) {
  const absl::StatusOr<LoopNest> nest = ParseLoopNest(Nest(body));
  if (!nest.ok()) return absl::StrCat("parse: ", std::string(nest.status().message()));
  return std::string(Verify(*nest).message());
}

struct Case {
  std::string_view body, message;  // part of the message; empty: accepted
};

class LoopNestVerify : public testing::TestWithParam<Case> {};

TEST_P(LoopNestVerify, Body) {
  const std::string message = VerifyText(GetParam().body);
  if (GetParam().message.empty()) {
    EXPECT_EQ(message, "");
  } else {
    EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  }
}

const Case kAccepted[] = {
    {"", ""},
    {"parallel $0 < a0 {\n parallel $1 < 4 step 2 {\n serial $2 < $0 {\n }\n }\n }", ""},
    {"%0 = load f16x4 b2[0]\n %1 = convert f32x4 %0\n %2 = reduce f32 add %1", ""},
    {"%0 = const f32 0x0\n vector $0 < a0 lanes 64 {\n %1 = splat f32x64 %0\n serial $1 < 3 {\n"
     "%2 = load f32x64 b0[$0 + $1]\n %3 = load i64 b1[$1]\n store b3[%3 + $0; 0], %0\n }\n }",
     ""},
    {"%0 = const bool 1\n %1 = xor bool %0, %0\n %2 = select bool %0, %1, %1", ""},
    {"unrolled $0 < 16 {\n }", ""},
};

const Case kRejected[] = {
    // Structure.
    {"%0 = const f32 0x0\n parallel $0 < a0 {\n }", "not perfectly nested"},
    {"parallel $0 < a0 {\n }\n %0 = const f32 0x0", "not perfectly nested"},
    {"parallel $0 < a0 {\n parallel $1 < 2 {\n }\n parallel $2 < 2 {\n }\n }", "not perfectly"},
    {"serial $0 < a0 {\n parallel $1 < 2 {\n }\n }", "not perfectly nested"},
    {"parallel $0 < a0 {\n parallel $1 < $0 {\n }\n }", "depends on more than arguments"},
    {"vector $0 < a0 lanes 4 {\n vector $1 < 4 lanes 4 {\n }\n }", "inside a vector loop"},
    {"vector $0 < a0 lanes 4 {\n serial $1 < 2 {\n vector $2 < 4 lanes 4 {\n }\n }\n }",
     "inside a vector loop"},
    {"vector $0 < a0 lanes 4 step 2 {\n }", "with step 2"},
    {"vector $0 < a0 lanes 65 {\n }", "65 lanes"},
    {"serial $0 < a0 step 0 {\n }", "step 0"},
    {"unrolled $0 < a0 {\n }", "small constant extent"},
    {"unrolled $0 < 100000 {\n }", "small constant extent"},
    // Lanes in vector loops.
    {"vector $0 < a0 lanes 8 {\n %0 = load f32x4 b0[0]\n }", "f32x4 in a vector loop of 8 lanes"},
    {"%0 = const f32x4 0x0\n vector $0 < a0 lanes 8 {\n %1 = neg f32x4 %0\n }", "vector loop of 8"},
    {"vector $0 < a0 lanes 8 {\n %0 = iota i64x8\n %1 = reduce i64 add %0\n }", "not allowed in"},
    {"vector $0 < a0 lanes 8 {\n %0 = iota i64x8\n %1 = shuffle i64x8 %0 [0 0 0 0 0 0 0 0]\n }",
     "not allowed in"},
    // Scopes.
    {"serial $0 < 4 {\n %0 = const f32 0x0\n }\n %1 = neg f32 %0", "%0 is not defined here"},
    {"serial $0 < 4 {\n }\n %0 = index i64 $0", "$0 is not a loop around it"},
    {"%0 = index i64 a7", "symbol a7 is not one of the 1 arguments"},
    {"%0 = index i64 batch", "symbol batch is not one"},
    {"%0 = load f32 b0[0]\n %1 = index i64 %0 + 1", "has type f32, not i64"},
    {"%0 = load i64x2 b1[0]\n %1 = load f32 b0[%0]", "has type i64x2, not i64"},
    // Types.
    {"%0 = const f32 0x0\n %1 = const i32 0\n %2 = add f32 %0, %1", "operand 1 has type i32"},
    {"%0 = const f32 0x0\n %1 = splat f32x4 %0\n %2 = add f32x4 %1, %0", "operand 1 has type f32,"},
    {"%0 = const f32 0x0\n %1 = add f64 %0, %0", "the result has type f64, needs f32"},
    {"%0 = const f32 0x0\n %1 = less f32 %0, %0", "the result has type f32, needs bool"},
    {"%0 = load f16x4 b2[0]\n %1 = add f16x4 %0, %0", "computes on f16x4"},
    {"%0 = load f16x4 b2[0]\n %1 = serial $0 < 4 carry (%2: f16x4 = %0) {\n yield %2\n }",
     "carries a value of type f16x4"},
    {"%0 = const bool 1\n %1 = add bool %0, %0", "of bool"},
    {"%0 = const bool 1\n %1 = less bool %0, %0", "of bool"},
    {"%0 = const bool 1\n %1 = bitcast i8 %0", "of bool to i8"},
    {"%0 = const bool 0x3", "do not fit bool"},
    {"%0 = const i32 3\n %1 = div i32 %0, %0", "of i32"},
    {"%0 = const f32 0x0\n %1 = int_div f32 %0, %0", "of f32"},
    {"%0 = const f32 0x0\n %1 = and f32 %0, %0", "of f32"},
    {"%0 = const i32 0\n %1 = fma i32 %0, %0, %0", "of i32"},
    {"%0 = const f32 0x0\n %1 = sqrt f32 %0, %0", "has 2 operands, needs 1"},
    {"%0 = const f32 0x0\n %1 = convert f32 %0", "to its own type"},
    {"%0 = const f32 0x0\n %1 = select f32 %0, %0, %0", "the condition has type f32, needs bool"},
    {"%0 = iota f32x4", "needs an integer type"},
    {"%0 = iota i32x4\n %1 = splat i32x8 %0", "of i32x4"},
    {"%0 = iota i32x4\n %1 = extract i32 %0[4]", "lane 4 of i32x4"},
    {"%0 = iota i32x4\n %1 = shuffle i32x2 %0 [0 4]", "index 4 of 4"},
    {"%0 = iota i32x4\n %1 = shuffle i32x4 %0 [0 1]", "the result has type i32x4, needs i32x2"},
    {"%0 = iota i32x4\n %1 = lookup f32x4 %0 [0 1]", "table of 2"},
    {"%0 = iota i64x4\n %1 = lookup f32x4 %0 [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]",
     "the index has type i64x4, needs i32x4"},
    {"%0 = iota i32x4\n %1 = lookup i32x4 %0 [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]",
     "the result has type i32x4, needs f32x4"},
    {"%0 = iota i32x6\n %1 = reduce i32 add %0", "of i32x6"},
    {"%0 = iota i32x4\n %1 = reduce i32 sub %0", "by sub"},
    {"%0 = const f32x4 0x0\n %1 = reduce f32 and %0", "by and of f32x4"},
    {"%0 = const i64 0\n %1 = dot4 i64 %0, %0, %0", "of i64"},
    {"%0 = const i32 0\n %1 = clamp_index i32 %0 site 1 below a0", "of i32"},
    // Memory.
    {"%0 = const f32 0x0\n store b0[0], %0", "writes input b0"},
    {"%0 = load f64 b0[0]", "the element has type f64, needs f32"},
    {"%0 = iota i32x4\n %1 = gather f32x4 b0[0] at %0", "the index has type i32x4, needs i64x4"},
    {"%0 = iota i64x2\n %1 = gather f32x4 b0[0] at %0", "the index has type i64x2, needs i64x4"},
    {"%0 = iota i32x4\n %1 = load f32x4 b0[0] mask %0", "the mask has type i32x4"},
    {"prefetch b0[0] level 2", "into level 2"},
};

INSTANTIATE_TEST_SUITE_P(Accepted, LoopNestVerify, testing::ValuesIn(kAccepted));
INSTANTIATE_TEST_SUITE_P(Rejected, LoopNestVerify, testing::ValuesIn(kRejected));

// What the text form cannot say.
TEST(LoopNestVerifyStructure, BrokenInMemory) {
  const auto message = [](const LoopNest& nest) { return std::string(Verify(nest).message()); };
  EXPECT_NE(message(LoopNest()).find("no root block"), std::string::npos);

  const auto build = [] {
    LoopNest nest;
    LoopBuilder b(&nest);
    const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, 8);
    const ValueId init = b.ConstInt(kI64, 1);
    const DimExpr i = b.BeginLoop(LoopKind::kSerial, 8, 1, std::vector<ValueId>{init});
    b.Store(out, i, b.Carried(0));
    b.EndLoop(std::vector<ValueId>{b.Carried(0)});
    return nest;
  };
  EXPECT_EQ(message(build()), "");

  LoopNest twice = build();
  twice.block(twice.root).insts.push_back(twice.block(twice.root).insts[0]);
  EXPECT_NE(message(twice).find("stands in two places"), std::string::npos);

  LoopNest scratch_first = build();
  scratch_first.buffers.insert(scratch_first.buffers.begin(),
                               Buffer{BufferKind::kScratch, kI64, 8});
  EXPECT_NE(message(scratch_first).find("after a scratch"), std::string::npos);

  LoopNest paired = build();
  paired.buffers[0].in_place_with = 0;
  EXPECT_NE(message(paired).find("in_place_with 0"), std::string::npos);

  LoopNest lost_yield = build();
  for (int i = 0; i < lost_yield.block_count(); ++i) lost_yield.block(BlockId(i)).yields.clear();
  EXPECT_NE(message(lost_yield).find("0 yielded"), std::string::npos);

  LoopNest wrong_number = build();
  for (int i = 0; i < wrong_number.inst_count(); ++i) wrong_number.inst(InstId(i)).loop = 5;
  EXPECT_NE(message(wrong_number).find("loop number 5 of 1"), std::string::npos);

  LoopNest wrong_extent = build();
  for (int i = 0; i < wrong_extent.inst_count(); ++i) {
    wrong_extent.inst(InstId(i)).extent = DimExpr(4);
  }
  EXPECT_NE(message(wrong_extent).find("the loop's `4`"), std::string::npos);
}

}  // namespace
}  // namespace skein
