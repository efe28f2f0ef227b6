// The embedding example of README.md is a program that builds, runs and prints what it should.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace skein {
namespace {

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << "cannot read " << path;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

TEST(ReadmeExample, IsTheProgramThatIsBuilt) {
  const std::string readme = ReadWhole(SKEIN_SOURCE_DIR "/README.md");
  const std::string fence = "```c++\n";
  const size_t begin = readme.find(fence);
  ASSERT_NE(begin, std::string::npos) << "README.md has no C++ block";
  const size_t end = readme.find("```", begin + fence.size());
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(readme.substr(begin + fence.size(), end - begin - fence.size()),
            ReadWhole(SKEIN_SOURCE_DIR "/tests/embedding/readme_example.cc"))
      << "copy tests/embedding/readme_example.cc into README.md";
}

TEST(ReadmeExample, RunsAndIsRight) {
  FILE* program = popen(SKEIN_BIN_DIR "/skein_readme_example", "r");
  ASSERT_NE(program, nullptr);
  const double x[] = {0, 0.5, 1, 2}, w[] = {1, 2, 3, -4};
  for (int i = 0; i < 4; ++i) {
    double y = HUGE_VAL;
    EXPECT_EQ(std::fscanf(program, "%lf", &y), 1);
    EXPECT_NEAR(y, std::tanh(x[i] * w[i]) + x[i], 1e-6) << i;
  }
  EXPECT_EQ(pclose(program), 0);
}

}  // namespace
}  // namespace skein
