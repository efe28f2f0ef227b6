#include <gmock/gmock.h>

#include "fusion/schedule.h"
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FoldLoads, AScalarOfTheRowIsAddedNegatedToWhatIsLoaded) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[rows, 80]
    %1 = input() {name = "m"} : f32[rows, 1]
    %2 = broadcast(%1) : f32[rows, 80]
    %3 = sub(%0, %2) : f32[rows, 80]
    %4 = sub(%2, %3) : f32[rows, 80]
    output "y" = %3
    output "z" = %4
  )");
  const std::string nest = OnlyNest(graph);
  EXPECT_EQ(CountOf(nest, "neg f32"), 1) << nest;
  EXPECT_EQ(CountOf(nest, "add f32x64"), 1) << nest;
  EXPECT_EQ(CountOf(nest, "sub f32x64"), 1) << nest;  // m - (x - m): the scalar is not subtracted
  EXPECT_LT(nest.find("neg f32"), nest.find("vector")) << nest;
  ExpectRight(graph, {{{"rows", 0}}, {{"rows", 3}}});
}

TEST(FoldLoads, IntegersAndVectorsStayAsTheyAre) {
  const std::string integers = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : i32[rows, 80]
    %1 = input() {name = "m"} : i32[rows, 1]
    %2 = broadcast(%1) : i32[rows, 80]
    %3 = sub(%0, %2) : i32[rows, 80]
    output "y" = %3
  )"));
  EXPECT_THAT(integers, Not(HasSubstr("neg")));
  const std::string vectors = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : f32[rows, 80]
    %1 = input() {name = "m"} : f32[rows, 80]
    %2 = sub(%0, %1) : f32[rows, 80]
    output "y" = %2
  )"));
  EXPECT_THAT(vectors, Not(HasSubstr("neg")));
}

}  // namespace
}  // namespace skein
