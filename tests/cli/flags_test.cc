// The command line: help, examples, and what is refused.
#include "tests/cli/skein_command.h"

namespace skein {
namespace {

using ::testing::TestWithParam;

const std::vector<std::string> kAllCommands = {"run", "plan", "why", "verify", "ops", "dump"};

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Help, ListsEveryCommandAndTheExitCodes) {
  const Outcome asked = RunSkein({"--help"}), bare = RunSkein({});
  EXPECT_EQ(asked.exit_code, 0);
  EXPECT_EQ(bare.exit_code, 2);
  EXPECT_EQ(asked.out, bare.out);
  for (const std::string& command : kAllCommands) EXPECT_TRUE(Contains(asked.out, "\n  " + command + " ")) << command;
  EXPECT_TRUE(Contains(asked.out, "0 pass, 1 difference, 2 bad usage or input, 3 unsupported"));
}

TEST(Help, OfEveryCommandNamesItsFlags) {
  for (const std::string& command : kAllCommands) {
    const Outcome help = RunSkein({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_TRUE(Contains(help.out, "skein " + command)) << help.out;
    for (const char* flag : {"--shape NAME=VALUE", "--input NAME=FILE", "--random-weights SEED", "--threads N",
                             "--tier auto|fast|optimized", "--max-isa avx2|avx512", "--machine FILE", "--pack-first", "--no-fuse", "--json"}) {
      EXPECT_TRUE(Contains(help.out, flag)) << command << " " << flag;
    }
  }
  const Outcome run = RunSkein({"run", "-h"});
  for (const char* flag : {"--output DIR", "--repeat N"}) EXPECT_TRUE(Contains(run.out, flag)) << flag;
  EXPECT_TRUE(Contains(RunSkein({"dump", "--help"}).out, "--emit=graph|loops|llvm|asm"));
}

// The example that the help shows, on the graph that it names, at a length that a test can afford.
TEST(Help, ExamplesWork) {
  for (const std::string& command : kAllCommands) {
    const std::string help = RunSkein({command, "--help"}).out;
    const size_t at = help.find("Example: skein ");
    ASSERT_NE(at, std::string::npos) << command;
    std::istringstream words(help.substr(at + 15, help.find('\n', at) - at - 15));
    std::vector<std::string> arguments;
    for (std::string word; words >> word;) {
      if (word == "bert-base.onnx") word = SKEIN_SOURCE_DIR "/tests/graphs/bert-base.onnx";
      if (word == "batch=1,seq=128") word = "batch=1,seq=4";
      if (word == "20") word = "2";
      arguments.push_back(word);
    }
    ASSERT_FALSE(arguments.empty());
    EXPECT_EQ(arguments[0], command);
    const Outcome outcome = RunSkein(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << command << ": " << outcome.err;
    EXPECT_FALSE(outcome.out.empty()) << command;
  }
}

struct Refusal {
  std::vector<std::string> arguments;  // FILE stands for the perceptron
  int exit_code;
  std::vector<std::string> named;      // on stderr
};

TEST(Flags, WhatIsWrongIsNamed) {
  const TemporaryFolder folder;
  const std::string file = WritePerceptron(folder);
  const std::string text = folder.Write("text.onnx", "this is no model");
  const Refusal kRefusals[] = {
      {{"walk", file}, 2, {"walk"}},
      {{"run"}, 2, {"run", "one file"}},
      {{"run", file, file}, 2, {"one file"}},
      {{"run", "/nowhere/missing.onnx"}, 2, {"/nowhere/missing.onnx"}},
      {{"run", text}, 2, {"text.onnx"}},
      {{"run", folder.path()}, 2, {folder.path()}},
      {{"run", file, "--speed", "9"}, 2, {"--speed"}},
      {{"run", file, "-x"}, 2, {"-x"}},
      {{"run", file, "--threads", "0"}, 2, {"--threads", "'0'"}},
      {{"run", file, "--threads", "two"}, 2, {"--threads", "'two'"}},
      {{"run", file, "--threads=9999999999"}, 2, {"--threads", "9999999999"}},
      {{"run", file, "--repeat", "-1"}, 2, {"--repeat", "'-1'"}},
      {{"run", file, "--repeat"}, 2, {"--repeat", "needs a value"}},
      {{"run", file, "--output", "--json"}, 2, {"--output", "needs a value"}},
      {{"run", file, "--json=yes"}, 2, {"--json", "yes"}},
      {{"run", file, "--tier", "warp"}, 2, {"--tier", "'warp'"}},
      {{"run", file, "--max-isa", "sse"}, 2, {"--max-isa", "'sse'"}},
      {{"run", file, "--machine", "no/such/file"}, 2, {"--machine", "'no/such/file'"}},
      {{"run", file, "--machine", file}, 2, {"line 1", file}},
      {{"run", file, "--random-weights", "x"}, 2, {"--random-weights", "'x'"}},
      {{"run", file, "--shape", "batch"}, 2, {"--shape", "'batch'"}},
      {{"run", file, "--shape", "batch=-2"}, 2, {"--shape batch", "'-2'"}},
      {{"run", file, "--shape", "batch=99999999999999999999"}, 2, {"--shape batch", "99999999999999999999"}},
      {{"run", file, "--shape", "batch=1,batch=2"}, 2, {"'batch' twice"}},
      {{"run", file, "--shape", "length=3"}, 2, {"'length'", "batch"}},
      {{"run", file, "--shape", "batch=9000000000000000000"}, 2, {"'x'", "9000000000000000000"}},
      {{"run", file, "--shape", "batch=16000000000"}, 2, {"'x'", "16000000000"}},
      {{"plan", file, "--shape", "length=3"}, 2, {"'length'"}},
      {{"run", file, "--input", "x"}, 2, {"--input", "'x'"}},
      {{"run", file, "--input", "x=/nowhere/x.npy"}, 2, {"/nowhere/x.npy"}},
      {{"run", file, "--input", "z=/nowhere/x.npy"}, 2, {"'z'"}},
      {{"run", file, "--output", "/proc/nothing/here"}, 2, {"/proc/nothing/here"}},
      {{"why", file}, 2, {"two node names"}},
      {{"why", file, "the_MatMul", "the_Tanh"}, 2, {"'the_Tanh'"}},
      {{"dump", file, "--emit=wasm"}, 2, {"--emit", "'wasm'"}},
      {{"dump", file, "--group", "77"}, 2, {"77"}},
      {{"dump", file, "--group", "4294967296"}, 2, {"--group", "4294967296"}},
      {{"ops", file}, 2, {"ops"}},
  };
  for (const Refusal& refusal : kRefusals) {
    const Outcome outcome = RunSkein(refusal.arguments);
    const std::string command = ::testing::PrintToString(refusal.arguments);
    EXPECT_EQ(outcome.exit_code, refusal.exit_code) << command << outcome.err;
    EXPECT_EQ(outcome.err.rfind("skein: ", 0), 0u) << command << outcome.err;
    for (const std::string& part : refusal.named) EXPECT_TRUE(Contains(outcome.err, part)) << command << outcome.err;
  }
}

TEST(Flags, AnOperatorThatSkeinLacksIsExitCode3) {
  const TemporaryFolder folder;
  const std::string file = WriteUnary(folder, "FlipFlop");
  for (const char* command : {"run", "plan", "verify", "dump"}) {
    const Outcome outcome = RunSkein({command, file});
    EXPECT_EQ(outcome.exit_code, 3) << command << outcome.err;
    EXPECT_TRUE(Contains(outcome.err, "the_FlipFlop")) << outcome.err;
  }
}

TEST(Flags, ValuesMayFollowAnEqualsSign) {
  const TemporaryFolder folder;
  const Outcome outcome =
      RunSkein({"run", "--shape=batch=2", WritePerceptron(folder), "--repeat=2", "--tier=fast", "--threads=2"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(Contains(outcome.out, "with batch=2")) << outcome.out;
  EXPECT_TRUE(Contains(outcome.out, "median of 2")) << outcome.out;
}

}  // namespace
}  // namespace skein
