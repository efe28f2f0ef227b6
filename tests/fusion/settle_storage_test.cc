// f16 and bf16 are storage: whatever computes in them computes in f32, in generated code, and is rounded.
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

// With f16 and bf16 for T; the reference rounds where the settled graph has a cast.
void ExpectGenerated(std::string text, const std::vector<SymbolValues>& sizes) {
  for (const char* type : {"f16", "bf16"}) {
    std::string typed = text;
    for (size_t at; (at = typed.find('T')) != std::string::npos;) typed.replace(at, 1, type);
    const Graph graph = Parse(typed);
    for (bool fuse : {true, false}) {
      for (const Group& group : MakePlanOf(graph, fuse).groups) {
        EXPECT_TRUE(group.nest != nullptr) << group.kind << " of " << graph.ToString();
      }
    }
    ExpectRight(graph, sizes);
  }
}

std::vector<SymbolValues> Sizes() {
  std::vector<SymbolValues> result;
  for (int64_t n : {0, 1, 5, 16, 33, 130}) result.push_back({{"rows", 3}, {"n", n}});
  return result;
}

TEST(SettleStorage, Softmax) {
  ExpectGenerated(R"(
    %0 = input() {name = "x"} : T[rows, n]
    %1 = reduce(%0) {axes = (1), reducer = max<T>} : T[rows, 1]
    %2 = broadcast(%1) : T[rows, n]
    %3 = sub(%0, %2) : T[rows, n]
    %4 = exp(%3) : T[rows, n]
    %5 = reduce(%4) {axes = (1), reducer = sum<T>} : T[rows, 1]
    %6 = broadcast(%5) : T[rows, n]
    %7 = div(%4, %6) : T[rows, n]
    output "y" = %7
  )", Sizes());
}

TEST(SettleStorage, ChainsComparisonsAndScalars) {
  ExpectGenerated(R"(
    %0 = input() {name = "x"} : T[rows, n]
    %1 = input() {name = "y"} : T[rows, n]
    %2 = constant() {literal = T[] {0.375}} : T[]
    %3 = reshape(%2) : T[1, 1]
    %4 = broadcast(%3) : T[rows, n]
    %5 = mul(%0, %4) : T[rows, n]
    %6 = less(%5, %1) : bool[rows, n]
    %7 = tanh(%1) : T[rows, n]
    %8 = select(%6, %5, %7) : T[rows, n]
    %9 = neg(%8) : T[rows, n]
    output "z" = %9
    output "below" = %6
  )", Sizes());
}

TEST(SettleStorage, ColumnsRunningSumsAndProducts) {
  ExpectGenerated(R"(
    %0 = input() {name = "x"} : T[rows, n]
    %1 = reduce(%0) {axes = (0), reducer = sum<T>} : T[1, n]
    %2 = cumsum(%0) {axis = 1} : T[rows, n]
    %3 = transpose(%0) {permutation = (1, 0)} : T[n, rows]
    %4 = dot(%0, %3) : T[rows, rows]
    output "columns" = %1
    output "running" = %2
    output "product" = %4
  )", Sizes());
}

TEST(SettleStorage, ResultsAreRoundedOnce) {
  // 2,048 ones: a sum that were rounded to f16 after every addition would stay at 2,048 from there on.
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f16[2, 4096]
    %1 = reduce(%0) {axes = (1), reducer = sum<f16>} : f16[2, 1]
    output "y" = %1
  )");
  HostTensor ones(ElementType::kF16, {2, 4096});
  for (size_t i = 0; i < ones.bytes.size(); i += 2) ones.bytes[i] = 0x00, ones.bytes[i + 1] = 0x3c;
  std::vector<HostTensor> inputs{ones};
  for (const NamedOptions& way : WaysWithoutLlvm()) {
    absl::StatusOr<std::vector<HostTensor>> outputs = RunGraph(graph, way.options, inputs);
    ASSERT_TRUE(outputs.ok()) << way.name << ": " << outputs.status();
    const std::vector<uint8_t>& bytes = (*outputs)[0].bytes;
    EXPECT_EQ(bytes[0] | bytes[1] << 8, 0x6c00) << way.name;  // 4,096
  }
}

}  // namespace
}  // namespace skein
