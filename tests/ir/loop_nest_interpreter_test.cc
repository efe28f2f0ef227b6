#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "ir/kernel_abi.h"
#include "ir/numeric.h"
#include "tests/ir/loop_nest_run.h"

namespace skein {
namespace {

using enum ElementType;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Applies an operation to whole vectors: one input buffer per operand, one vector loop of 4 lanes.
template <typename Out, typename In>
std::vector<Out> Apply(ElementType out_type, ElementType in_type,
                       const std::vector<std::vector<In>>& operands,
                       const std::function<ValueId(LoopBuilder&, std::vector<ValueId>)>& body) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const int64_t count = static_cast<int64_t>(operands[0].size());
  std::vector<BufferId> inputs;
  std::vector<std::vector<char>> buffers;
  for (const std::vector<In>& operand : operands) {
    inputs.push_back(b.AddBuffer(BufferKind::kInput, in_type, count));
    buffers.push_back(Bytes(operand));
  }
  const BufferId out = b.AddBuffer(BufferKind::kOutput, out_type, count);
  buffers.push_back(Bytes(std::vector<Out>(count)));
  const DimExpr i = b.BeginVectorLoop(count, 4);
  std::vector<ValueId> values;
  for (BufferId input : inputs) values.push_back(b.Load(input, i));
  b.Store(out, i, body(b, values));
  b.EndLoop();
  EXPECT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  const absl::Status status = RunNest(nest, buffers);
  EXPECT_TRUE(status.ok()) << status.message();
  return FromBytes<Out>(buffers.back());
}

template <typename T>
std::vector<T> ApplyBinary(ElementType t, Opcode op, std::vector<T> x, std::vector<T> y) {
  return Apply<T, T>(t, t, {x, y}, [op](LoopBuilder& b, std::vector<ValueId> v) {
    return b.Binary(op, v[0], v[1]);
  });
}

template <typename T>
std::vector<T> ApplyUnary(ElementType t, Opcode op, std::vector<T> x) {
  return Apply<T, T>(t, t, {x},
                     [op](LoopBuilder& b, std::vector<ValueId> v) { return b.Unary(op, v[0]); });
}

template <typename Out, typename In>
std::vector<Out> ApplyConvert(ElementType to, ElementType from, std::vector<In> x) {
  return Apply<Out, In>(
      to, from, {x}, [to](LoopBuilder& b, std::vector<ValueId> v) { return b.Convert(to, v[0]); });
}

std::vector<uint32_t> Bits(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (float v : values) bits.push_back(std::isnan(v) ? 0x7fc00000 : std::bit_cast<uint32_t>(v));
  return bits;
}

#define EXPECT_SAME_BITS(a, ...) EXPECT_EQ(Bits(a), Bits(std::vector<float> __VA_ARGS__))

TEST(LoopNestInterpreter, FloatMinAndMaxOrderZerosAndPropagateNan) {
  EXPECT_SAME_BITS(
      ApplyBinary<float>(kF32, Opcode::kMin, {0.f, -0.f, kNan, 1, 3}, {-0.f, 0.f, 1, kNan, 2}),
      {-0.f, -0.f, kNan, kNan, 2});
  EXPECT_SAME_BITS(
      ApplyBinary<float>(kF32, Opcode::kMax, {0.f, -0.f, kNan, 1, 3}, {-0.f, 0.f, 1, kNan, 2}),
      {0.f, 0.f, kNan, kNan, 3});
}

TEST(LoopNestInterpreter, X86MinAndMaxGiveTheSecondOperand) {
  EXPECT_SAME_BITS(
      ApplyBinary<float>(kF32, Opcode::kMinX86, {0.f, -0.f, kNan, 1, 3}, {-0.f, 0.f, 1, kNan, 2}),
      {-0.f, 0.f, 1, kNan, 2});
  EXPECT_SAME_BITS(
      ApplyBinary<float>(kF32, Opcode::kMaxX86, {0.f, -0.f, kNan, 1, 3}, {-0.f, 0.f, 1, kNan, 2}),
      {-0.f, 0.f, 1, kNan, 3});
}

TEST(LoopNestInterpreter, FmaRoundsOnceAndMulAddTwice) {
  const float x = 1 + 0x1p-12f;
  const std::vector<std::vector<float>> operands = {{x}, {x}, {-1 - 0x1p-11f}};
  const auto fused = Apply<float, float>(
      kF32, kF32, operands, [](LoopBuilder& b, auto v) { return b.Fma(v[0], v[1], v[2]); });
  const auto separate = Apply<float, float>(
      kF32, kF32, operands, [](LoopBuilder& b, auto v) { return b.Add(b.Mul(v[0], v[1]), v[2]); });
  EXPECT_EQ(fused[0], 0x1p-24f);
  EXPECT_EQ(separate[0], 0.f);
}

TEST(LoopNestInterpreter, FloatUnary) {
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kRoundEven, {0.5f, 1.5f, -0.5f, -2.5f, kInf}),
                   {0.f, 2.f, -0.f, -2.f, kInf});
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kTrunc, {1.9f, -1.9f, -0.9f}),
                   {1.f, -1.f, -0.f});
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kFloor, {1.9f, -1.1f}), {1.f, -2.f});
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kCeil, {1.1f, -0.9f}), {2.f, -0.f});
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kNeg, {0.f, 1.f}), {-0.f, -1.f});
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kAbs, {-0.f, -1.f}), {0.f, 1.f});
  EXPECT_SAME_BITS(ApplyUnary<float>(kF32, Opcode::kSqrt, {2.f, -1.f, -0.f}),
                   {0x1.6a09e6p+0f, kNan, -0.f});
  EXPECT_EQ(ApplyUnary<double>(kF64, Opcode::kSqrt, {2.0})[0], std::sqrt(2.0));
}

TEST(LoopNestInterpreter, IntegersWrapAndDivideWithoutTraps) {
  using V = std::vector<int8_t>;
  EXPECT_EQ(ApplyBinary<int8_t>(kI8, Opcode::kAdd, {127, -128}, {1, -1}), (V{-128, 127}));
  EXPECT_EQ(ApplyBinary<int8_t>(kI8, Opcode::kMul, {100, -128}, {3, -1}), (V{44, -128}));
  EXPECT_EQ(ApplyBinary<int8_t>(kI8, Opcode::kIntDiv, {-7, 5, -128}, {2, 0, -1}), (V{-3, 0, -128}));
  EXPECT_EQ(ApplyBinary<int8_t>(kI8, Opcode::kIntRem, {-7, 5, -128}, {2, 0, -1}), (V{-1, 0, 0}));
  EXPECT_EQ(ApplyUnary<int8_t>(kI8, Opcode::kNeg, {-128, 3}), (V{-128, -3}));
  EXPECT_EQ(ApplyUnary<int8_t>(kI8, Opcode::kAbs, {-128, -3}), (V{-128, 3}));
  const int64_t low = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(ApplyBinary<int64_t>(kI64, Opcode::kIntDiv, {low}, {-1})[0], low);
  EXPECT_EQ(ApplyBinary<int64_t>(kI64, Opcode::kMul, {low}, {3})[0], low);
  EXPECT_EQ(ApplyBinary<uint8_t>(kU8, Opcode::kSub, {1}, {2})[0], 255);
  EXPECT_EQ(ApplyBinary<uint16_t>(kU16, Opcode::kMul, {0xffff}, {0xffff})[0], 1);
  EXPECT_EQ(ApplyBinary<uint8_t>(kU8, Opcode::kMax, {200, 3}, {100, 4}),
            (std::vector<uint8_t>{200, 4}));
}

TEST(LoopNestInterpreter, ShiftsByTheWidthOrMore) {
  using V = std::vector<int32_t>;
  EXPECT_EQ(ApplyBinary<int32_t>(kI32, Opcode::kShl, {1, 1, 1, 1}, {31, 32, -1, 0}),
            (V{std::numeric_limits<int32_t>::min(), 0, 0, 1}));
  EXPECT_EQ(ApplyBinary<int32_t>(kI32, Opcode::kShr, {-1, -1}, {31, 32}), (V{1, 0}));
  EXPECT_EQ(ApplyBinary<int32_t>(kI32, Opcode::kSar, {-8, -8, 8}, {1, 99, 32}), (V{-4, -1, 0}));
  EXPECT_EQ(ApplyBinary<uint8_t>(kU8, Opcode::kSar, {0x80}, {1})[0], 0xc0);
}

TEST(LoopNestInterpreter, ComparesAreOrderedExceptNotEqual) {
  const auto compare = [](Opcode op) {
    return Apply<uint8_t, float>(kBool, kF32, {{1, kNan, 0.f, 2}, {2, kNan, -0.f, 1}},
                                 [op](LoopBuilder& b, auto v) { return b.Binary(op, v[0], v[1]); });
  };
  using V = std::vector<uint8_t>;
  EXPECT_EQ(compare(Opcode::kLess), (V{1, 0, 0, 0}));
  EXPECT_EQ(compare(Opcode::kLessEqual), (V{1, 0, 1, 0}));
  EXPECT_EQ(compare(Opcode::kEqual), (V{0, 0, 1, 0}));
  EXPECT_EQ(compare(Opcode::kNotEqual), (V{1, 1, 0, 1}));
  EXPECT_EQ((Apply<uint8_t, uint32_t>(
                kBool, kU32, {{0xffffffff}, {1}},
                [](LoopBuilder& b, auto v) { return b.Binary(Opcode::kLess, v[0], v[1]); })),
            V{0});
}

TEST(LoopNestInterpreter, ComparesOfBoolsBecomeBitOperations) {
  const auto compare = [](Opcode op) {
    return Apply<uint8_t, uint8_t>(
        kBool, kBool, {{0, 0, 1, 1}, {0, 1, 0, 1}},
        [op](LoopBuilder& b, auto v) { return b.Binary(op, v[0], v[1]); });
  };
  using V = std::vector<uint8_t>;
  EXPECT_EQ(compare(Opcode::kLess), (V{0, 1, 0, 0}));
  EXPECT_EQ(compare(Opcode::kLessEqual), (V{1, 1, 0, 1}));
  EXPECT_EQ(compare(Opcode::kEqual), (V{1, 0, 0, 1}));
  EXPECT_EQ(compare(Opcode::kNotEqual), (V{0, 1, 1, 0}));
  EXPECT_EQ(compare(Opcode::kMin), (V{0, 0, 0, 1}));
  EXPECT_EQ(compare(Opcode::kMax), (V{0, 1, 1, 1}));
}

TEST(LoopNestInterpreter, FloatToIntegerTruncatesAndSaturates) {
  const std::vector<float> x = {2.9f, -2.9f, 1e20f, -1e20f, kNan, kInf};
  EXPECT_EQ((ApplyConvert<int8_t>(kI8, kF32, x)), (std::vector<int8_t>{2, -2, 127, -128, 0, 127}));
  EXPECT_EQ((ApplyConvert<uint8_t>(kU8, kF32, x)), (std::vector<uint8_t>{2, 0, 255, 0, 0, 255}));
  constexpr int64_t kLow = std::numeric_limits<int64_t>::min();
  constexpr int64_t kHigh = std::numeric_limits<int64_t>::max();
  EXPECT_EQ((ApplyConvert<int64_t>(kI64, kF32, x)),
            (std::vector<int64_t>{2, -2, kHigh, kLow, 0, kHigh}));
  EXPECT_EQ((ApplyConvert<uint64_t>(kU64, kF32, x)),
            (std::vector<uint64_t>{2, 0, ~0ull, 0, 0, ~0ull}));
  EXPECT_EQ((ApplyConvert<uint8_t>(kBool, kF32, std::vector<float>{-0.f, 0.5f, kNan})),
            (std::vector<uint8_t>{0, 1, 1}));
}

TEST(LoopNestInterpreter, IntegerConversionsWrapExtendAndRoundOnce) {
  EXPECT_EQ((ApplyConvert<int8_t>(kI8, kI32, std::vector<int32_t>{300, -129})),
            (std::vector<int8_t>{44, 127}));
  EXPECT_EQ((ApplyConvert<int64_t>(kI64, kI8, std::vector<int8_t>{-1})),
            (std::vector<int64_t>{-1}));
  EXPECT_EQ((ApplyConvert<int64_t>(kI64, kU8, std::vector<uint8_t>{255})),
            (std::vector<int64_t>{255}));
  // Through a double the first would lose its last bit and then tie down to even.
  const std::vector<int64_t> above_tie = {(int64_t{257} << 54) + 1, int64_t{257} << 54, -1};
  EXPECT_EQ((ApplyConvert<uint16_t>(kBF16, kI64, above_tie)),
            (std::vector<uint16_t>{BFloat16FromFloat(0x1.02p62f), BFloat16FromFloat(0x1.00p62f),
                                   0xbf80}));
  EXPECT_EQ((ApplyConvert<float>(kF32, kU64, std::vector<uint64_t>{~0ull})),
            (std::vector<float>{0x1p64f}));
}

TEST(LoopNestInterpreter, HalfPrecisionRoundsOnce) {
  // 1 + 2^-11 is a tie of f16; a bit of 2^-40 above it decides, and would be lost in f32.
  EXPECT_EQ((ApplyConvert<uint16_t>(kF16, kF64,
                                    std::vector<double>{1 + 0x1p-11, 1 + 0x1p-11 + 0x1p-40, 65519.9,
                                                        65520, 0x1p-25, 0x1.8p-25})),
            (std::vector<uint16_t>{0x3c00, 0x3c01, 0x7bff, 0x7c00, 0, 1}));
  EXPECT_EQ((ApplyConvert<float>(kF32, kF16, std::vector<uint16_t>{0x3c00, 0x0001, 0xfc00})),
            (std::vector<float>{1, 0x1p-24f, -kInf}));
  EXPECT_EQ((ApplyConvert<uint16_t>(kBF16, kF16, std::vector<uint16_t>{0x3c07})),
            (std::vector<uint16_t>{0x3f81}));
}

TEST(Numeric, HalfFormatsRoundTripEveryPattern) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float half = HalfToFloat(static_cast<uint16_t>(bits));
    const float brain = BFloat16ToFloat(static_cast<uint16_t>(bits));
    if (!std::isnan(half)) {
      ASSERT_EQ(HalfFromFloat(half), bits);
    }
    if (!std::isnan(brain)) {
      ASSERT_EQ(BFloat16FromFloat(brain), bits);
    }
    ASSERT_EQ(std::isnan(half), std::isnan(HalfToFloat(HalfFromFloat(half))));
    ASSERT_EQ(std::isnan(brain), std::isnan(BFloat16ToFloat(BFloat16FromFloat(brain))));
  }
}

TEST(Numeric, NibblesArePackedLowFirst) {
  uint8_t bytes[2] = {0x5f, 0};
  EXPECT_EQ(ReadAsInt64(kI4, bytes, 0), -1);
  EXPECT_EQ(ReadAsInt64(kU4, bytes, 0), 15);
  EXPECT_EQ(ReadAsDouble(kI4, bytes, 1), 5);
  WriteFromInt64(kI4, bytes, 1, -8);
  WriteFromDouble(kU4, bytes, 2, 99.0);
  EXPECT_EQ(bytes[0], 0x8f);
  EXPECT_EQ(bytes[1], 0x0f);
  WriteFromDouble(kI4, bytes, 3, -99.0);
  EXPECT_EQ(bytes[1], 0x8f);
}

TEST(LoopNestInterpreter, Dot4MultipliesUnsignedBySigned) {
  const auto result =
      Apply<int32_t, int32_t>(kI32, kI32,
                              {{10, std::numeric_limits<int32_t>::max()},
                               {static_cast<int32_t>(0xff010203), 1},
                               {static_cast<int32_t>(0x80040506), 1}},
                              [](LoopBuilder& b, auto v) { return b.Dot4(v[0], v[1], v[2]); });
  EXPECT_EQ(result[0], 10 + 255 * -128 + 1 * 4 + 2 * 5 + 3 * 6);
  EXPECT_EQ(result[1], std::numeric_limits<int32_t>::min());
}

TEST(LoopNestInterpreter, FourBitLoadsAndStoresKeepTheNeighbour) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI4, 5);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kU4, 6);
  const DimExpr i = b.BeginVectorLoop(5, 4);
  b.Store(out, i, b.Convert(kU4, b.Add(b.Convert(kI32, b.Load(in, i)), b.ConstInt(kI32, 1))));
  b.EndLoop();
  std::vector<std::vector<char>> buffers = {{0x21, 0x43, 0x0f}, {0, 0, 0x70}};
  ASSERT_TRUE(Verify(nest).ok());
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  EXPECT_EQ(buffers[1], (std::vector<char>{0x32, 0x54, 0x70}));
}

// Sums n floats in a vector loop of 4 lanes, then across the register.
TEST(LoopNestInterpreter, CarriedValuesKeepInactiveLanes) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, n);
  const BufferId lanes = b.AddBuffer(BufferKind::kOutput, kF32, 4);
  const BufferId sum = b.AddBuffer(BufferKind::kOutput, kF32, 1);
  const ValueId init = b.Const(kF32, 100, 4);
  const DimExpr i = b.BeginVectorLoop(n, 4, std::vector<ValueId>{init});
  // The + 1 would reach inactive lanes too, if they were not kept.
  const ValueId next = b.Add(b.Carried(0), b.Add(b.Load(in, i), b.Const(kF32, 1)));
  const ValueId total = b.EndLoop(std::vector<ValueId>{next})[0];
  b.Store(lanes, 0, total);
  b.Store(sum, 0, b.Reduce(Opcode::kAdd, total));
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<std::vector<char>> buffers = {Bytes<float>({1, 2, 3, 4, 5, 6}),
                                            Bytes<float>({0, 0, 0, 0}), Bytes<float>({0})};
  ASSERT_TRUE(RunNest(nest, buffers, {6}).ok());
  EXPECT_EQ(FromBytes<float>(buffers[1]), (std::vector<float>{108, 110, 104, 105}));
  EXPECT_EQ(FromBytes<float>(buffers[2])[0], (108 + 104) + (110 + 105));
  ASSERT_TRUE(RunNest(nest, buffers, {0}).ok());
  EXPECT_EQ(FromBytes<float>(buffers[1]), (std::vector<float>{100, 100, 100, 100}));
}

TEST(LoopNestInterpreter, SerialLoopInsideAVectorLoopIsNotMasked) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI32, 3 * 6);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI32, 6);
  const DimExpr column = b.BeginVectorLoop(6, 4);
  const ValueId zero = b.ConstInt(kI32, 0, 4);
  const DimExpr row = b.BeginLoop(LoopKind::kSerial, 3, 1, std::vector<ValueId>{zero});
  const ValueId next = b.Add(b.Carried(0), b.Load(in, row * 6 + column));
  b.Store(out, column, b.EndLoop(std::vector<ValueId>{next})[0]);
  b.EndLoop();
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<int32_t> x;
  for (int i = 0; i < 18; ++i) x.push_back(i * i);
  std::vector<std::vector<char>> buffers = {Bytes(x), Bytes(std::vector<int32_t>(6))};
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(FromBytes<int32_t>(buffers[1])[i], x[i] + x[i + 6] + x[i + 12]);
}

TEST(LoopNestInterpreter, CarriedValuesSwapAtOnce) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, 2);
  const std::vector<ValueId> inits = {b.ConstInt(kI64, 0), b.ConstInt(kI64, 1)};
  b.BeginLoop(LoopKind::kSerial, 10, 1, inits);
  const std::vector<ValueId> results =
      b.EndLoop(std::vector<ValueId>{b.Carried(1), b.Add(b.Carried(0), b.Carried(1))});
  b.Store(out, 0, results[0]);
  b.Store(out, DimExpr::Value(results[0].index) - 54,
          results[1]);  // 55 - 54: a value in an address
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<std::vector<char>> buffers = {Bytes<int64_t>({0, 0})};
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  EXPECT_EQ(FromBytes<int64_t>(buffers[0]), (std::vector<int64_t>{55, 89}));
}

TEST(LoopNestInterpreter, LookupCountsModuloSixteen) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI32, 4);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 4);
  std::array<float, 16> table;
  for (int i = 0; i < 16; ++i) table[i] = 0.5f * static_cast<float>(i);
  b.Store(out, 0, b.Lookup(b.Load(in, 0, 4), table));
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<std::vector<char>> buffers = {Bytes<int32_t>({3, 16, -1, 0x3f800005}),
                                            Bytes(std::vector<float>(4, -1))};
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  EXPECT_EQ(FromBytes<float>(buffers[1]), (std::vector<float>{1.5f, 0, 7.5f, 2.5f}));
}

TEST(LoopNestInterpreter, MovementInRegisters) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI32, 4);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI32, 32);
  const ValueId x = b.Load(in, 0, 4);
  const ValueId y = b.Load(in, 3, 4, -1);  // reversed by its stride
  b.Store(out, 0, b.Shuffle(x, y, {0, 4, 1, 5, 2, 6, 3, 7}));
  b.Store(out, 8, b.Splat(b.Extract(x, 2), 4));
  b.Store(out, 12, b.Load(in, 1, 4, 0));
  b.Store(out, 16, b.Bitcast(kI32, b.Const(kF32, 1.0, 4)));
  b.Store(out, 20, b.Select(b.LaneMask(3, 4), b.Iota(kI32, 4), x));
  b.Store(out, 24, b.Load(in, 0, 4, 1, b.LaneMask(2, 4)));
  b.Store(out, 28, x, 1, b.Binary(Opcode::kLess, b.ConstInt(kI32, 20), x));
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<std::vector<char>> buffers = {Bytes<int32_t>({10, 20, 30, 40}),
                                            Bytes(std::vector<int32_t>(32, -1))};
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  const int32_t one = 0x3f800000;
  EXPECT_EQ(
      FromBytes<int32_t>(buffers[1]),
      (std::vector<int32_t>{10,  40,  20,  30,  30, 20, 40, 10, 30, 30, 30, 30, 20, 20, 20, 20,
                            one, one, one, one, 0,  1,  2,  40, 10, 20, 0,  0,  -1, -1, 30, 40}));
}

TEST(LoopNestInterpreter, ReduceIsATreeOfHalves) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, 4);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 2);
  b.Store(out, 0, b.Reduce(Opcode::kAdd, b.Load(in, 0, 4)));
  b.Store(out, 1, b.Reduce(Opcode::kMax, b.Load(in, 0, 4)));
  // (1e8 + -1e8) + (1 + 1): in order it would be 1.
  std::vector<std::vector<char>> buffers = {Bytes<float>({1e8f, 1, -1e8f, 1}),
                                            Bytes<float>({0, 0})};
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  EXPECT_EQ(FromBytes<float>(buffers[1]), (std::vector<float>{2, 1e8f}));
}

TEST(LoopNestInterpreter, GatherClampsAndReportsActiveLanesOnly) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId table = b.AddBuffer(BufferKind::kInput, kF32, 3);
  const BufferId indices = b.AddBuffer(BufferKind::kInput, kI64, 5);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 5);
  const DimExpr i = b.BeginVectorLoop(n, 4);
  const ValueId index = b.Load(indices, i);
  // Inactive lanes hold 0 and become -1, which is outside but must not count.
  const ValueId shifted = b.Sub(index, b.ConstInt(kI64, 1));
  b.Store(out, i, b.Gather(table, 0, b.ClampIndex(shifted, 3, 5)));
  b.EndLoop();
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<std::vector<char>> buffers = {
      Bytes<float>({7, 8, 9}), Bytes<int64_t>({1, 2, 3, 1, 9}), Bytes<float>({0, 0, 0, 0, 0})};
  uint64_t status = 0;
  ASSERT_TRUE(RunNest(nest, buffers, {3}, &status).ok());
  EXPECT_EQ(status, 0u);
  ASSERT_TRUE(RunNest(nest, buffers, {5}, &status).ok());
  EXPECT_EQ(status, 32u);
  EXPECT_EQ(FromBytes<float>(buffers[2]), (std::vector<float>{7, 8, 9, 7, 9}));
}

TEST(LoopNestInterpreter, LaterLanesOfAScatterWin) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI32, 2);
  b.Scatter(out, 1, b.Iota(kI32, 4), b.ConstInt(kI64, 0));
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  std::vector<std::vector<char>> buffers = {Bytes<int32_t>({-1, -1})};
  ASSERT_TRUE(RunNest(nest, buffers).ok());
  EXPECT_EQ(FromBytes<int32_t>(buffers[0]), (std::vector<int32_t>{-1, 3}));
}

// Three parallel loops, the first of one iteration, and a store in them.
int64_t PassesWhereStoredAt(const std::function<DimExpr(DimExpr i, DimExpr j)>& address) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr extent = b.AddArgument();
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, 10000);
  b.BeginLoop(LoopKind::kParallel, 1);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, extent, 2);
  const DimExpr j = b.BeginLoop(LoopKind::kParallel, 7);
  b.Store(out, address(i, j), b.Index(i));
  for (int loop = 0; loop < 3; ++loop) b.EndLoop();
  return OverArguments(TilePasses(nest), {12});
}

TEST(LoopNestInterpreter, TilesPassAlongTheLoopThatWritesFarthestApart) {
  EXPECT_EQ(PassesWhereStoredAt([](DimExpr i, DimExpr j) { return 100 * i + j; }), 1);
  EXPECT_EQ(PassesWhereStoredAt([](DimExpr i, DimExpr j) { return i + 100 * j; }), 6);
  EXPECT_EQ(PassesWhereStoredAt([](DimExpr i, DimExpr j) { return i + 2 * j; }), 1);  // as far: i goes by 2
  EXPECT_EQ(PassesWhereStoredAt([](DimExpr i, DimExpr j) { return i + 100 * Mod(j, 3); }), 1);
}

TEST(LoopNestInterpreter, TilesAreParallelIterationsRowMajor) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr rows = b.AddArgument();
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, rows * 5);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, rows);
  const DimExpr j = b.BeginLoop(LoopKind::kParallel, 5, 2);
  b.Store(out, i * 5 + j, b.Index(i * 10 + j));
  b.EndLoop();
  b.EndLoop();
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  EXPECT_EQ(OverArguments(TileCount(nest), {2}), 6);
  EXPECT_EQ(OverArguments(TilePasses(nest), {2}), 1);
  std::vector<int64_t> data(10, -1);
  void* buffers[] = {data.data()};
  const int64_t arguments[] = {2};
  uint64_t status = 0;
  const KernelArgs args{buffers, arguments, &status};
  ASSERT_TRUE(InterpretLoopNest(nest, args, 1, 5, nullptr).ok());
  EXPECT_EQ(data, (std::vector<int64_t>{-1, -1, 2, -1, 4, 10, -1, 12, -1, -1}));
  EXPECT_FALSE(InterpretLoopNest(nest, args, 0, 7, nullptr).ok());
}

TEST(LoopNestInterpreter, ScratchLayoutAlignsAndLeavesSlack) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  b.AddBuffer(BufferKind::kScratch, kF32, n);
  b.AddBuffer(BufferKind::kScratch, kI4, n);
  const ScratchLayout layout = LayOutScratch(nest);
  EXPECT_EQ(OverArguments(layout.offsets[0], {17}), 0);
  EXPECT_EQ(OverArguments(layout.offsets[1], {17}), 128 + 64);
  EXPECT_EQ(OverArguments(layout.bytes, {17}), 128 + 64 + 64 + 64);
}

TEST(LoopNestInterpreter, AccessOutOfBoundsNamesInstructionBufferAndIndex) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, 3);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 4);
  b.Store(out, 0, b.Load(in, 0, 4));
  std::vector<std::vector<char>> buffers = {Bytes<float>({1, 2, 3}), Bytes<float>({0, 0, 0, 0})};
  const absl::Status status = RunNest(nest, buffers);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(std::string(status.message()),
            "instruction 0 (%0 = load b0[0]): lane 3 is at element 3, outside [0, 3)");
}

// out[r, :] = softmax(in[r, :]) with exp(x) = 2^k * polynomial: a whole kernel, three row phases.
TEST(LoopNestInterpreter, Softmax) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr rows = b.AddArgument(), columns = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, rows * columns);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, rows * columns);
  const BufferId kept = b.AddBuffer(BufferKind::kScratch, kF32, columns);
  const DimExpr r = b.BeginLoop(LoopKind::kParallel, rows);
  const ValueId lowest = b.Const(kF32, -kInf, 8);
  DimExpr c = b.BeginVectorLoop(columns, 8, std::vector<ValueId>{lowest});
  const ValueId larger = b.Binary(Opcode::kMax, b.Carried(0), b.Load(in, r * columns + c));
  const ValueId maximum = b.Reduce(Opcode::kMax, b.EndLoop(std::vector<ValueId>{larger})[0]);
  c = b.BeginVectorLoop(columns, 8, std::vector<ValueId>{b.Const(kF32, 0, 8)});
  const ValueId x = b.Sub(b.Load(in, r * columns + c), maximum);
  const ValueId k = b.Unary(Opcode::kRoundEven, b.Mul(x, b.Const(kF32, 1.4426950408889634)));
  const ValueId t = b.Fma(k, b.Const(kF32, -0.6931471805599453), x);
  ValueId e = b.Const(kF32, 1.0 / 5040);
  for (double inverse : {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    e = b.Fma(e, t, b.Const(kF32, inverse));
  const ValueId bits = b.Binary(Opcode::kShl, b.Add(b.Convert(kI32, k), b.ConstInt(kI32, 127)),
                                b.ConstInt(kI32, 23));
  e = b.Mul(e, b.Bitcast(kF32, bits));
  b.Store(kept, c, e);
  const ValueId sum =
      b.Reduce(Opcode::kAdd, b.EndLoop(std::vector<ValueId>{b.Add(b.Carried(0), e)})[0]);
  c = b.BeginVectorLoop(columns, 8);
  b.Store(out, r * columns + c, b.Div(b.Load(kept, c), sum));
  b.EndLoop();
  b.EndLoop();
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  for (int64_t width : {1, 7, 8, 9, 31}) {
    std::vector<float> values;
    for (int64_t i = 0; i < 3 * width; ++i)
      values.push_back(std::sin(static_cast<float>(i) * 7) * 6);
    std::vector<std::vector<char>> buffers = {Bytes(values), Bytes(std::vector<float>(3 * width))};
    ASSERT_TRUE(RunNest(nest, buffers, {3, width}).ok());
    const std::vector<float> result = FromBytes<float>(buffers[1]);
    for (int row = 0; row < 3; ++row) {
      double total = 0;
      for (int64_t i = 0; i < width; ++i)
        total += std::exp(static_cast<double>(values[row * width + i]));
      for (int64_t i = 0; i < width; ++i) {
        const double right = std::exp(static_cast<double>(values[row * width + i])) / total;
        EXPECT_NEAR(result[row * width + i], right, right * 4e-6);
      }
    }
  }
}

}  // namespace
}  // namespace skein
