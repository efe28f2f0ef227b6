#include "fusion/softmax_maxima.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "fusion/settle.h"
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

// exp(x - max(x)) and its sum, and what `rest` makes of %4 and %5.
std::string Softmax(const std::string& rest) {
  return R"(
    %0 = input() {name = "x"} : f32[rows, n]
    %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[rows, 1]
    %2 = broadcast(%1) : f32[rows, n]
    %3 = sub(%0, %2) : f32[rows, n]
    %4 = exp(%3) : f32[rows, n]
    %5 = reduce(%4) {axes = (1), reducer = sum<f32>} : f32[rows, 1]
    %6 = broadcast(%5) : f32[rows, n]
)" + rest;
}

size_t CountLoose(const std::string& text) { return SoftmaxMaxima(Parse(text)).size(); }

TEST(SoftmaxMaxima, OnlyQuotientsByTheSum) {
  EXPECT_EQ(CountLoose(Softmax("%7 = div(%4, %6) : f32[rows, n]\noutput \"y\" = %7")), 1);
  EXPECT_EQ(CountLoose(Softmax("%7 = reciprocal(%6) : f32[rows, n]\n%8 = mul(%7, %4) : f32[rows, n]\n"
                               "output \"y\" = %8")), 1);
  EXPECT_EQ(CountLoose(Softmax("output \"y\" = %5")), 1);
}

TEST(SoftmaxMaxima, NotWhatIsNotNanWithTheSum) {
  EXPECT_EQ(CountLoose(Softmax("output \"y\" = %4")), 0);  // others of a row with NaN are numbers
  EXPECT_EQ(CountLoose(Softmax("%7 = add(%4, %6) : f32[rows, n]\n%8 = less(%4, %6) : bool[rows, n]\n"
                               "%9 = select(%8, %4, %7) : f32[rows, n]\noutput \"y\" = %9")), 0);
  EXPECT_EQ(CountLoose(Softmax("%7 = mul(%4, %4) : f32[rows, n]\noutput \"y\" = %7\noutput \"z\" = %5")), 0);
  // The sum of another axis.
  EXPECT_EQ(CountLoose(Softmax("%7 = reduce(%4) {axes = (0), reducer = sum<f32>} : f32[1, n]\noutput \"y\" = %7")), 0);
  // The quotient by another row's sum: every second one by the first's.
  EXPECT_EQ(CountLoose(R"(
    %0 = input() {name = "x"} : f32[3, 3]
    %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[3, 1]
    %2 = broadcast(%1) : f32[3, 3]
    %3 = sub(%0, %2) : f32[3, 3]
    %4 = exp(%3) : f32[3, 3]
    %5 = reduce(%4) {axes = (1), reducer = sum<f32>} : f32[3, 1]
    %6 = reshape(%5) : f32[1, 3]
    %7 = broadcast(%6) : f32[3, 3]
    %8 = div(%4, %7) : f32[3, 3]
    output "y" = %8
  )"), 0);
}

TEST(SoftmaxMaxima, NotWhereTheMaximumOrTheDifferenceHasOtherUses) {
  const std::string quotient = "%7 = div(%4, %6) : f32[rows, n]\noutput \"y\" = %7\n";
  EXPECT_EQ(CountLoose(Softmax(quotient + "output \"z\" = %1")), 0);
  EXPECT_EQ(CountLoose(Softmax(quotient + "output \"z\" = %3")), 0);
  EXPECT_EQ(CountLoose(Softmax(quotient + "%8 = neg(%2) : f32[rows, n]\noutput \"z\" = %8")), 0);
}

// Rows with NaN first, last and alone, with infinities and with zeros of both signs.
TEST(SoftmaxMaxima, SpecialValuesGiveTheSameBits) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  const Graph graph = Parse(Softmax("%7 = div(%4, %6) : f32[rows, n]\noutput \"y\" = %7"));
  for (const int64_t n : {3, 40, 70}) {
    const std::vector<std::vector<float>> rows = {{kNan, 1, 2},  {1, 2, kNan},   {-kInf, kNan, 3},    {kInf, 1, 2}, {1, kNan, 2},
                                                  {-0.f, 0.f, -1}, {0.f, -0.f, -1}, {-kInf, -kInf, -kInf}, {5, -200, 4}};
    const int64_t count = static_cast<int64_t>(rows.size());
    std::vector<HostTensor> inputs = {HostTensor(ElementType::kF32, {count, n})};
    float* x = reinterpret_cast<float*>(inputs[0].bytes.data());
    for (int64_t i = 0; i < count * n; ++i) {
      const std::vector<float>& row = rows[i / n];
      const int64_t at = i % n, far = n - 3;  // two at the beginning and one at the end
      x[i] = at < 2 ? row[at] : at - far == 2 ? row[2] : row == rows[7] ? -kInf : -3;
    }
    std::vector<HostTensor> first;
    for (const NamedOptions& way : EveryWay()) {
      absl::StatusOr<std::vector<HostTensor>> got = RunGraph(graph, way.options, inputs);
      ASSERT_TRUE(got.ok()) << got.status();
      const float* y = reinterpret_cast<const float*>((*got)[0].bytes.data());
      for (int64_t i = 0; i < count * n; ++i) {
        const int64_t row = i / n;
        EXPECT_EQ(std::isnan(y[i]), row < 5 || row == 7) << way.name << " row " << row << " column " << i % n;
        if (row == 5 || row == 6) {
          EXPECT_EQ(y[row * n], y[row * n + 1]);
        }
      }
      if (first.empty()) first = *got;
      EXPECT_EQ(FirstDifference(first, *got), "") << way.name << " n " << n;
    }
  }
}

}  // namespace
}  // namespace skein
