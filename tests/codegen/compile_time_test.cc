// What the first tier costs, against work of the same process: no clock of its own, so that a slow
// or busy machine changes nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <string>

#include "codegen/codegen.h"
#include "tests/codegen/sample_nests.h"

namespace skein {
namespace {

// CPU seconds of this thread.
double Now() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The least of several runs: what the work takes when nothing gets in its way.
template <typename Work>
double LeastSeconds(Work work) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 25; ++i) {
    const double begin = Now();
    work();
    least = std::min(least, Now() - begin);
  }
  return least;
}

double SecondsToGenerate(const LoopNest& nest) {
  const NamedNest named{&nest, "kernel"};
  return LeastSeconds([&] { ASSERT_TRUE(GenerateXbyak({&named, 1}, Target{}).ok()); });
}

double SecondsToParse(const LoopNest& nest) {
  const std::string text = nest.ToString();
  return LeastSeconds([&] { ASSERT_TRUE(ParseLoopNest(text).ok()); });
}

class CompileTime : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveXbyak()) GTEST_SKIP() << "needs Xbyak";
  }
};

TEST_F(CompileTime, GrowsInProportionToTheTile) {
  const double small = SecondsToGenerate(GemmTileNest(6, 64));
  const double large = SecondsToGenerate(GemmTileNest(24, 64));
  EXPECT_LT(large, 8 * small) << "four times the rows; a quadratic step would make it sixteen";
}

// Compiling these takes four to five times as long as reading their text. With a substitution and a
// sum of expressions for every piece of every vector it was more than ten times.
TEST_F(CompileTime, IsAFewTimesThatOfReadingTheText) {
  double generate = 0, parse = 0;
  for (const LoopNest& nest : {NormalizeRowsNest(), PointwiseNest()}) {
    generate += SecondsToGenerate(nest);
    parse += SecondsToParse(nest);
  }
  EXPECT_LT(generate, 8 * parse);
}

}  // namespace
}  // namespace skein
