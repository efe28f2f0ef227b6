// Maxima that loops carry, turned into integers: the same bits.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "fusion/schedule.h"
#include "tests/fusion/fusion_graphs.h"
#include "tests/ir/loop_nest_run.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Down the columns of [rows, count]; `used_inside`: the maximum is needed for the next element too.
LoopNest MaximaOfColumns(Opcode op, int64_t rows, int64_t count, bool used_inside = false) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, rows * count);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, count);
  const DimExpr i = b.BeginVectorLoop(count, 16);
  const ValueId none[] = {b.Const(kF32, op == Opcode::kMax ? -kInfinity : kInfinity, 16)};
  const DimExpr row = b.BeginLoop(LoopKind::kSerial, rows, 1, none);
  const ValueId x = b.Load(in, row * count + i);
  const ValueId next[] = {b.Binary(op, b.Carried(0), used_inside ? b.Sub(x, b.Carried(0)) : x)};
  b.Store(out, i, b.EndLoop(next)[0]);
  b.EndLoop();
  return nest;
}

std::vector<float> Interpret(const LoopNest& nest, const std::vector<float>& in, int64_t count) {
  EXPECT_TRUE(Verify(nest).ok()) << Verify(nest).message() << nest.ToString();
  std::vector<std::vector<char>> buffers = {Bytes(in), Bytes(std::vector<float>(count))};
  const absl::Status status = RunNest(nest, buffers);
  EXPECT_TRUE(status.ok()) << status.message();
  return FromBytes<float>(buffers[1]);
}

TEST(CarriedMaxima, OfSpecialNumbers) {
  const std::vector<float> special = {0.0f, -0.0f, 1.5f,  -1.5f, 1e-40f, -1e-40f, kInfinity, -kInfinity,
                                      kNan, -kNan, 3e38f, -3e38f};
  const size_t n = special.size();
  const int64_t count = static_cast<int64_t>(n * n * n);
  std::vector<float> in;
  for (size_t row = 0, unit = 1; row < 3; ++row, unit *= n) {
    for (int64_t i = 0; i < count; ++i) in.push_back(special[i / unit % n]);
  }
  for (Opcode op : {Opcode::kMax, Opcode::kMin}) {
    LoopNest nest = MaximaOfColumns(op, 3, count);
    const std::vector<float> expected = Interpret(nest, in, count);
    SplitCarriedMaxima(Target(), &nest);
    EXPECT_EQ(CountOf(nest.ToString(), "max i32x16"), 1) << nest.ToString();
    const std::vector<float> result = Interpret(nest, in, count);
    for (int64_t i = 0; i < count; ++i) {
      const bool same = std::bit_cast<uint32_t>(result[i]) == std::bit_cast<uint32_t>(expected[i]);
      EXPECT_TRUE(same || (std::isnan(result[i]) && std::isnan(expected[i])))
          << in[i] << " " << in[i + count] << " " << in[i + 2 * count] << ": " << result[i] << ", not " << expected[i];
    }
  }
}

TEST(CarriedMaxima, OfNothingAreTheInitialValue) {
  LoopNest nest = MaximaOfColumns(Opcode::kMax, 0, 3);
  SplitCarriedMaxima(Target(), &nest);
  EXPECT_EQ(Interpret(nest, {}, 3), std::vector<float>(3, -kInfinity));
}

TEST(CarriedMaxima, StayWhereTheyAreUsedOrTooManyForTheRegisters) {
  LoopNest used = MaximaOfColumns(Opcode::kMax, 3, 16, true);
  SplitCarriedMaxima(Target(), &used);
  EXPECT_EQ(CountOf(used.ToString(), "i32"), 0) << used.ToString();
  Target avx2;
  avx2.isa = Isa::kAvx2;
  LoopNest wide;
  LoopBuilder b(&wide);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, 640), out = b.AddBuffer(BufferKind::kOutput, kF32, 1);
  const ValueId none[] = {b.Const(kF32, -kInfinity, 64)};
  const DimExpr i = b.BeginVectorLoop(640, 64, none);
  const ValueId next[] = {b.Binary(Opcode::kMax, b.Carried(0), b.Load(in, i))};
  b.Store(out, 0, b.Reduce(Opcode::kMax, b.EndLoop(next)[0]));
  const std::string before = wide.ToString();
  SplitCarriedMaxima(avx2, &wide);
  EXPECT_EQ(wide.ToString(), before);
  SplitCarriedMaxima(Target(), &wide);
  EXPECT_NE(wide.ToString(), before);
  EXPECT_TRUE(Verify(wide).ok());
}

}  // namespace
}  // namespace skein
