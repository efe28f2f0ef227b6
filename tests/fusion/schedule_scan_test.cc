#include <gmock/gmock.h>

#include <cmath>

#include "fusion/schedule.h"
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

std::string ScanText(int axis, bool exclusive, bool reverse, const std::string& element = "f32") {
  const std::string type = " : " + element + "[rows, n]\n";
  return "%0 = input() {name = \"x\"}" + type + "%1 = cumsum(%0) {axis = " + std::to_string(axis) +
         ", exclusive = " + std::to_string(exclusive) + ", reverse = " + std::to_string(reverse) + "}" + type +
         "output \"y\" = %1\n";
}

std::vector<SymbolValues> Sizes() {
  std::vector<SymbolValues> sizes;
  for (int64_t n : {0, 1, 2, 15, 16, 17, 31, 33, 47, 63, 64, 65, 97, 128, 257}) sizes.push_back({{"n", n}, {"rows", 3}});
  for (int64_t rows : {0, 1, 67}) sizes.push_back({{"n", 83}, {"rows", rows}});
  return sizes;
}

TEST(Scan, AllDirectionsAlongBothAxes) {
  for (int axis : {0, 1}) {
    for (bool exclusive : {false, true}) {
      for (bool reverse : {false, true}) {
        const Graph graph = Parse(ScanText(axis, exclusive, reverse));
        EXPECT_EQ(Kinds(MakePlanOf(graph)), "scan");
        ExpectRight(graph, Sizes());
      }
    }
  }
}

TEST(Scan, LlvmGivesTheSameBits) {
  for (int axis : {0, 1}) {
    for (bool reverse : {false, true}) {
      ExpectRight(Parse(ScanText(axis, reverse, reverse)), {{{"n", 145}, {"rows", 3}}, {{"n", 31}, {"rows", 66}}}, EveryWay());
    }
  }
}

TEST(Scan, IntegersWrap) {
  for (const char* element : {"i64", "i32", "u8", "i8"}) {
    for (int axis : {0, 1}) ExpectRight(Parse(ScanText(axis, false, axis == 0, element)), Sizes());
  }
}

TEST(Scan, StorageTypesAreSummedInF32) {
  for (const char* element : {"f16", "bf16"}) ExpectRight(Parse(ScanText(1, false, false, element)), Sizes());
  ExpectRight(Parse(ScanText(1, true, true, "f64")), Sizes());
}

// Blocks of 16 by doubling distance, then the carry, in plain C++ (DESIGN section 6).
TEST(Scan, InTheOrderThatIsPromised) {
  for (bool reverse : {false, true}) {
    const Graph graph = Parse(ScanText(1, false, reverse));
    for (int64_t n : {1, 16, 63, 64, 200}) {
      std::vector<HostTensor> inputs = *DrawInputs(graph, {{"n", n}, {"rows", 1}}, 3);
      const auto* data = reinterpret_cast<const float*>(inputs[0].bytes.data());
      std::vector<float> x(data, data + n);
      if (reverse) std::reverse(x.begin(), x.end());
      float carry = 0;
      for (int64_t begin = 0; begin < n; begin += 16) {
        const int64_t end = std::min(n, begin + 16);
        for (int64_t distance = 1; distance < 16; distance *= 2) {
          for (int64_t i = end - 1; i >= begin + distance; --i) x[i] += x[i - distance];
        }
        for (int64_t i = begin; i < end; ++i) x[i] = carry + x[i];
        carry = x[end - 1];
      }
      if (reverse) std::reverse(x.begin(), x.end());
      for (const NamedOptions& way : WaysWithoutLlvm()) {
        const auto outputs = RunGraph(graph, way.options, inputs);
        ASSERT_TRUE(outputs.ok()) << outputs.status();
        const auto* y = reinterpret_cast<const float*>((*outputs)[0].bytes.data());
        for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], x[i]) << way.name << " n=" << n << " i=" << i;
      }
    }
  }
}

TEST(Scan, PointwiseNeighboursShareTheKernel) {
  for (const char* axis : {"0", "1"}) {
    const Graph graph = Parse(std::string(R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = input() {name = "scale"} : f32[rows, 1]
      %2 = input() {name = "bias"} : f32[1, n]
      %3 = broadcast(%1) : f32[rows, n]
      %4 = broadcast(%2) : f32[rows, n]
      %5 = mul(%0, %3) : f32[rows, n]
      %6 = cumsum(%5) {axis = )") + axis + R"(} : f32[rows, n]
      %7 = add(%6, %4) : f32[rows, n]
      %8 = cumsum(%7) {axis = )" + axis + R"(, exclusive = 1} : f32[rows, n]
      %9 = sub(%8, %0) : f32[rows, n]
      output "y" = %9
      output "first" = %6
    )");
    EXPECT_EQ(Kinds(MakePlanOf(graph)), "scan");
    ExpectRight(graph, Sizes());
  }
}

TEST(Scan, WhereItsResultIsStoredDoesNotMatter) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[rows, n, 3]
    %1 = cumsum(%0) {axis = 1} : f32[rows, n, 3]
    %2 = transpose(%1) {permutation = (1, 0, 2)} : f32[n, rows, 3]
    output "y" = %2
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "scan");
  ExpectRight(graph, Sizes());
}

TEST(Scan, DimsOfOne) {
  for (const char* dims : {"[1, 1]", "[7, 1]", "[1, 7]", "[5, 1, 7]", "[70, 1, 1]"}) {
    for (int axis : {0, 1}) {
      const std::string type = std::string(" : f32") + dims + "\n";
      ExpectRight(Parse("%0 = input() {name = \"x\"}" + type + "%1 = cumsum(%0) {axis = " + std::to_string(axis) + "}" +
                        type + "output \"y\" = %1\n"),
                  {{}});
    }
  }
}

TEST(Scan, WhatDoesNotFitIsRefused) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[8, 8]
    %1 = cumsum(%0) {axis = 1} : f32[8, 8]
    %2 = cumsum(%1) {axis = 0} : f32[8, 8]
    %3 = transpose(%1) {permutation = (1, 0)} : f32[8, 8]
    %4 = add(%3, %0) : f32[8, 8]
    %5 = reduce(%1) {axes = (1), order = "inner", reducer = sum<f32>} : f32[8, 1]
    output "axes" = %2
    output "place" = %4
    output "sum" = %5
  )");
  auto refusal = [&](int output) {
    GroupSpec spec{{graph.outputs()[output].value}, [&](Value v) { return graph.op(v) == Op::input; }};
    return std::string(Schedule(graph, spec, Target()).status().message());
  };
  EXPECT_THAT(refusal(0), HasSubstr("SK155"));
  EXPECT_THAT(refusal(1), HasSubstr("SK156"));
  EXPECT_THAT(refusal(2), HasSubstr("SK104"));
  ExpectRight(graph, {{}});
}

}  // namespace
}  // namespace skein
