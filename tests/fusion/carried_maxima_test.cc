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

// Along rows and down columns, on every tier and ISA, and the f64 reference.
TEST(CarriedMaxima, OfSpecialNumbersInKernels) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[60, 130]
    %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[60, 1]
    %2 = reduce(%0) {axes = (1), reducer = min<f32>} : f32[60, 1]
    %3 = input() {name = "z"} : f32[130, 60]
    %4 = reduce(%3) {axes = (0), reducer = max<f32>} : f32[1, 60]
    %5 = reduce(%3) {axes = (0), reducer = min<f32>} : f32[1, 60]
    output "a" = %1
    output "b" = %2
    output "c" = %4
    output "d" = %5
  )");
  std::vector<HostTensor> inputs = *DrawInputs(graph, {}, 3);
  const float special[] = {0.0f, -0.0f, -1.0f, -kInfinity, 1.0f, kInfinity, kNan, -kNan};
  uint32_t random = 1;
  for (int row = 0; row < 60; ++row) {  // of some rows only the first few kinds
    for (int i = 0; i < 130; ++i) {
      random = random * 1664525 + 1013904223;
      const float x = special[(random >> 16) % (1 + row % std::size(special))];
      reinterpret_cast<float*>(inputs[0].bytes.data())[row * 130 + i] = row < 30 ? x : -x;
      reinterpret_cast<float*>(inputs[1].bytes.data())[i * 60 + row] = row < 30 ? x : -x;
    }
  }
  std::vector<HostTensor> first;
  for (const NamedOptions& way : EveryWay()) {
    const auto outputs = RunGraph(graph, way.options, inputs);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    if (first.empty()) first = *outputs;
    EXPECT_EQ(FirstDifference(first, *outputs), "") << way.name;
  }
  for (int t : {0, 1}) {  // the same numbers along rows and down columns
    first[t + 2].dims = first[t].dims;
    EXPECT_EQ(FirstDifference({first[t]}, {first[t + 2]}), "");
    const auto* y = reinterpret_cast<const float*>(first[t].bytes.data());
    EXPECT_EQ(std::signbit(y[1]), t == 1);   // of 0 and -0
    EXPECT_EQ(std::signbit(y[33]), t == 1);
    EXPECT_TRUE(std::isnan(y[6]) && std::isnan(y[7]) && !std::isnan(y[5]));
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
