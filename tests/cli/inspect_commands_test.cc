// skein plan, why, ops, dump.
#include <algorithm>

#include "runtime/host.h"
#include "tests/cli/skein_command.h"

namespace skein {
namespace {

using google::protobuf::Struct;

constexpr double kFloatBytes = 4;

TEST(Plan, JsonListsGroups) {
  const TemporaryFolder folder;
  const Struct json = RunSkeinJson({"plan", WritePerceptron(folder), "--shape", "batch=10"});
  const auto groups = ListOf(json, "groups");
  ASSERT_FALSE(groups.empty());
  double moved = 0;
  std::vector<std::string> all;
  bool softmax_ends_a_group = false;
  for (const auto& value : groups) {
    const Struct& group = value.struct_value();
    EXPECT_EQ(StringOf(group, "hash").find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_GE(StringOf(group, "hash").size(), 16u);
    EXPECT_GE(NumberOf(group, "flops"), 0);
    if (StringOf(group, "phase") == "run") moved += NumberOf(group, "bytes_read") + NumberOf(group, "bytes_written");
    const std::vector<std::string> origins = StringsOf(group, "origins");
    all.insert(all.end(), origins.begin(), origins.end());
    if (std::find(origins.begin(), origins.end(), "the_Softmax") == origins.end()) continue;
    softmax_ends_a_group = true;
    EXPECT_EQ(NumberOf(group, "bytes_written"), 10 * 3 * kFloatBytes);
  }
  EXPECT_TRUE(softmax_ends_a_group);
  EXPECT_EQ(moved, NumberOf(json, "bytes_moved"));
  EXPECT_GT(NumberOf(json, "bytes_moved_no_fuse"), moved);
  EXPECT_EQ(moved, NumberOf(json, "bytes"));
  EXPECT_EQ(moved, NumberOf(json, "optimum_bytes"));
  EXPECT_EQ(NumberOf(json, "gap"), 1);
  for (const char* node : {"the_MatMul", "the_Add", "the_Relu", "the_Softmax"}) {
    EXPECT_NE(std::find(all.begin(), all.end(), node), all.end()) << node;
  }
}

TEST(Plan, ChainsAreOneKernelAndOpByOpThreeKernels) {
  const TemporaryFolder folder;
  ModelBuilder model;
  model.Input("x", kFloat, {"n"}).Output("y", kFloat);
  model.Node("Tanh", {"x"}, {"a"});
  model.Node("Neg", {"a"}, {"b"});
  model.Node("Exp", {"b"}, {"y"});
  const std::string file = folder.Write("chain.onnx", model.model().SerializeAsString());
  const Struct fused = RunSkeinJson({"plan", file, "--shape", "n=100"});
  ASSERT_EQ(ListOf(fused, "groups").size(), 1u);
  const Struct group = ListOf(fused, "groups")[0].struct_value();
  EXPECT_EQ(StringsOf(group, "origins"), (std::vector<std::string>{"the_Tanh", "the_Neg", "the_Exp"}));
  EXPECT_EQ(NumberOf(group, "bytes_read"), 100 * kFloatBytes);
  EXPECT_EQ(NumberOf(group, "bytes_written"), 100 * kFloatBytes);
  EXPECT_EQ(NumberOf(group, "flops"), 100 * (20 + 1 + 20));
  EXPECT_EQ(NumberOf(fused, "bytes_moved_no_fuse"), 3 * NumberOf(fused, "bytes_moved"));
  EXPECT_EQ(ListOf(RunSkeinJson({"plan", file, "--no-fuse"}), "groups").size(), 3u);
}

TEST(Plan, TextIsShort) {
  const TemporaryFolder folder;
  const Outcome outcome = RunSkein({"plan", WritePerceptron(folder), "--shape", "batch=10"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"launches a run in place of", "MB moved in place of", "the_MatMul"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  }
}

TEST(Why, AnswersAnyPair) {
  const TemporaryFolder folder;
  const std::string file = WritePerceptron(folder);
  const Outcome together = RunSkein({"why", file, "the_MatMul", "the_Add"});
  EXPECT_EQ(together.exit_code, 0) << together.err;
  EXPECT_NE(together.out.find("share kernel"), std::string::npos) << together.out;
  const Outcome apart = RunSkein({"why", file, "the_MatMul", "the_Softmax"});
  EXPECT_EQ(apart.exit_code, 0) << apart.err;
  EXPECT_NE(apart.out.find("SK"), std::string::npos) << apart.out;
  EXPECT_NE(apart.out.find("the_Softmax"), std::string::npos) << apart.out;
}

TEST(Ops, AreSortedAndInJson) {
  const Outcome text = RunSkein({"ops"});
  EXPECT_EQ(text.exit_code, 0);
  std::istringstream lines(text.out);
  std::vector<std::string> ops;
  for (std::string line; std::getline(lines, line);) ops.push_back(line);
  EXPECT_TRUE(std::is_sorted(ops.begin(), ops.end()));
  for (const char* op : {"MatMul", "Softmax", "LayerNormalization", "Gather"}) {
    EXPECT_NE(std::find(ops.begin(), ops.end(), op), ops.end()) << op;
  }
  EXPECT_EQ(StringsOf(RunSkeinJson({"ops"}), "onnx"), ops);
}

// The line that has `instruction` in it, or "".
std::string LineWith(const std::string& text, const std::string& instruction) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(instruction) != std::string::npos) return line;
  }
  return "";
}

TEST(Dump, AssemblyOfEitherTierStandsBesideTheLoops) {
  if (!HaveLlvm() || !HaveXbyak()) GTEST_SKIP() << "needs both back ends";
  const TemporaryFolder folder;
  const std::string file = WriteUnary(folder, "Sqrt");
  for (const char* tier : {"fast", "optimized"}) {
    const Outcome outcome = RunSkein({"dump", file, "--emit=asm", "--tier", tier});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const std::string line = LineWith(outcome.out, "vsqrtps");
    EXPECT_NE(line.find("= sqrt f32"), std::string::npos) << tier << "\n" << outcome.out;
  }
  EXPECT_NE(LineWith(RunSkein({"dump", file, "--emit=asm", "--tier", "fast"}).out, "; address &b0 for"), "");
}

TEST(Dump, PrintsEveryStage) {
  const TemporaryFolder folder;
  const std::string file = WriteUnary(folder, "Tanh");
  struct Stage {
    const char* emit;
    const char* part;
  };
  // Without LLVM's disassembler, assembly is bytes: it begins at offset 0.
  const Stage kStages[] = {{"--emit=graph", "tanh"},
                           {"--emit=loops", "load"},
                           {"--emit=llvm", "define"},
                           {"--emit=asm", HaveLlvm() ? "ret" : "     0: "}};
  for (const Stage& stage : kStages) {
    const Outcome outcome = RunSkein({"dump", file, stage.emit});
    if (!HaveLlvm() && stage.part == std::string("define")) {
      EXPECT_EQ(outcome.exit_code, 3) << "LLVM IR without LLVM is unsupported";
      continue;
    }
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find(stage.part), std::string::npos) << stage.emit << "\n" << outcome.out;
  }
  EXPECT_EQ(RunSkein({"dump", file}).out, RunSkein({"dump", file, "--emit=loops"}).out);
  const std::string narrow = RunSkein({"dump", file, "--emit=asm", "--max-isa", "avx2"}).out;
  EXPECT_EQ(narrow.find("zmm"), std::string::npos) << "AVX2 has no zmm registers";
  EXPECT_EQ(RunSkein({"dump", file, "--group", "0"}).exit_code, 0);
}

}  // namespace
}  // namespace skein
