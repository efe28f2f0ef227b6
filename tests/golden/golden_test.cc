// Runs every file of tests/golden. SKEIN_UPDATE_GOLDENS=1 rewrites what they expect.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "fusion/plan.h"
#include "fusion/settle.h"
#include "tests/golden/golden_file.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

const std::vector<GoldenFile>& Files() {
  static const auto& files = *new absl::StatusOr<std::vector<GoldenFile>>(ReadGoldenFiles());
  EXPECT_TRUE(files.ok()) << files.status();
  static const auto& none = *new std::vector<GoldenFile>();
  return files.ok() ? *files : none;
}

class GoldenTest : public testing::TestWithParam<size_t> {
 protected:
  const GoldenFile& file() const { return Files()[GetParam()]; }
};

TEST_P(GoldenTest, PrintsWhatItExpects) {
  const absl::StatusOr<std::string> text = RunGoldenCommand(file().command, file().graph);
  ASSERT_TRUE(text.ok()) << text.status();
  if (std::getenv("SKEIN_UPDATE_GOLDENS") != nullptr) {
    const absl::Status updated = UpdateGoldenFile(file(), *text);
    ASSERT_TRUE(updated.ok()) << updated;
    return;
  }
  EXPECT_EQ(*text, file().expect) << "after a change that is meant: SKEIN_UPDATE_GOLDENS=1";
}

// Every way to compile it gives the same bits, within the reference's bounds.
TEST_P(GoldenTest, ComputesTheSameBitsEveryWay) {
  ASSERT_FALSE(file().sizes.empty()) << "a file without sizes is not run";
  const absl::StatusOr<Graph> settled = Settle(file().graph);
  ASSERT_TRUE(settled.ok()) << settled.status();
  std::vector<std::vector<HostTensor>> first(file().sizes.size());
  for (const NamedOptions& way : EveryWay()) {
    const auto program = Program::Compile(file().graph, way.options);
    ASSERT_TRUE(program.ok()) << way.name << ": " << program.status();
    for (size_t s = 0; s < file().sizes.size(); ++s) {
      const SymbolValues& sizes = file().sizes[s];
      auto inputs = DrawInputs(file().graph, sizes, 1);
      ASSERT_TRUE(inputs.ok()) << inputs.status();
      const auto outputs = RunProgram(**program, *inputs);
      ASSERT_TRUE(outputs.ok()) << way.name << ": " << outputs.status();
      if (first[s].empty()) {
        first[s] = *outputs;
        for (const Graph& graph : {file().graph, *settled}) {
          const auto reference = Reference(graph, sizes, *inputs);
          ASSERT_TRUE(reference.ok()) << reference.status();
          EXPECT_EQ(OutsideBounds(*reference, *outputs), "") << way.name;
        }
      }
      EXPECT_EQ(FirstDifference(first[s], *outputs), "") << way.name;
    }
    EXPECT_EQ((*program)->stats().variants, 1);
    EXPECT_TRUE(way.options.interpret || (*program)->stats().interpreted_ops.empty()) << way.name;
  }
}

TEST_P(GoldenTest, NamesARuleThatExists) {
  if (file().rule.empty()) return;  // nothing has to be rewritten
  for (const auto& entry : std::filesystem::directory_iterator(SKEIN_SOURCE_DIR "/fusion")) {
    std::ifstream in(entry.path());
    std::ostringstream text;
    text << in.rdbuf();
    if (text.str().find(absl::StrCat(" ", file().rule, "(")) != std::string::npos) return;
  }
  FAIL() << "no function " << file().rule << " in fusion/";
}

std::string NameOf(const testing::TestParamInfo<size_t>& info) { return Files()[info.param].name; }
INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, testing::Range(size_t{0}, Files().size()), NameOf);

// The hash of the one kernel that a graph runs as; several kernels: all of theirs.
std::string KernelsOf(const Graph& graph) {
  const absl::StatusOr<Plan> plan = MakePlan(graph, {});
  if (!plan.ok()) return std::string(plan.status().message());
  std::string hashes;
  for (const Group& group : plan->groups) absl::StrAppend(&hashes, hashes.empty() ? "" : " ", group.hash.Hex());
  return hashes;
}

TEST(GoldenFamilies, EverySpellingIsTheSameSingleKernel) {
  std::map<std::string, std::pair<std::string, std::string>> kernels;  // family -> hash, first file
  std::map<std::string, int> spellings;
  for (const GoldenFile& file : Files()) {
    if (file.family.empty()) continue;
    const std::string hash = KernelsOf(file.graph);
    EXPECT_EQ(hash.find(' '), std::string::npos) << file.name << " is several kernels";
    const auto& [expected, from] = kernels.try_emplace(file.family, hash, file.name).first->second;
    EXPECT_EQ(hash, expected) << file.name << " is another kernel than " << from;
    ++spellings[file.family];
  }
  for (const char* family : {"softmax", "layer_norm", "gelu"}) EXPECT_GE(spellings[family], 3) << family;
  std::map<std::string, int> unlike;
  for (const GoldenFile& file : Files()) {
    if (file.unlike.empty()) continue;
    ASSERT_TRUE(kernels.contains(file.unlike)) << file.name;
    EXPECT_NE(KernelsOf(file.graph), kernels[file.unlike].first) << file.name;
    ++unlike[file.unlike];
  }
  for (const char* family : {"softmax", "layer_norm", "gelu"}) EXPECT_GE(unlike[family], 1) << family;
}

}  // namespace
}  // namespace skein
