// skein run and skein verify: what they print, write and return.
#include <cmath>
#include <filesystem>
#include <limits>

#include "tests/cli/skein_command.h"

namespace skein {
namespace {

using google::protobuf::Struct;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// softmax(max(x W + b, 0)) as WritePerceptron writes it, in f64.
std::vector<double> Perceptron(const std::vector<float>& x) {
  const double bias[3] = {0.5, -1.0, 0.25};
  std::vector<double> result;
  for (size_t row = 0; row + 4 <= x.size(); row += 4) {
    double y[3], largest = 0, sum = 0;
    for (int j = 0; j < 3; ++j) {
      y[j] = bias[j];
      for (int k = 0; k < 4; ++k) y[j] += static_cast<double>(x[row + k]) * (3 * k + j + 1);
      y[j] = std::max(y[j], 0.0);
      largest = std::max(largest, y[j]);
    }
    for (double& v : y) sum += v = std::exp(v - largest);
    for (double v : y) result.push_back(v / sum);
  }
  return result;
}

// Every field that a binding has, of the right type and in its range.
void CheckBinding(const Struct& binding, int runs) {
  for (const char* key : {"first_run_ms", "median_ms", "min_ms"}) EXPECT_GT(NumberOf(binding, key), 0) << key;
  EXPECT_LE(NumberOf(binding, "min_ms"), NumberOf(binding, "median_ms"));
  EXPECT_EQ(NumberOf(binding, "runs"), runs);
  for (const char* key : {"generated_flops_share", "generated_bytes_share"}) {
    EXPECT_GE(NumberOf(binding, key), 0.99) << key;
    EXPECT_LE(NumberOf(binding, key), 1) << key;
  }
  EXPECT_GE(NumberOf(binding, "peak_arena_bytes"), 0);
  const auto outputs = ListOf(binding, "outputs");
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(StringOf(outputs[0].struct_value(), "name"), "y");
}

void CheckWhole(const Struct& json) {
  for (const char* key : {"load_ms", "plan_ms", "compile_ms", "groups", "kernels_compiled", "peak_rss_mib"}) {
    EXPECT_GT(NumberOf(json, key), 0) << key;
  }
  EXPECT_GE(NumberOf(json, "first_output_clock_us") - NumberOf(json, "main_clock_us"),
            1e3 * (NumberOf(json, "load_ms") + NumberOf(json, "plan_ms")) - 1);
  EXPECT_GE(NumberOf(json, "cache_hits"), 0);
  EXPECT_TRUE(ListOf(json, "interpreted_ops").empty());
  EXPECT_TRUE(ListOf(json, "back_end_failures").empty());
  EXPECT_GE(NumberOf(json, "background_cpu_ms"), 0);
  EXPECT_LE(NumberOf(json, "late_weights_packed"), NumberOf(json, "late_weights"));
  EXPECT_GE(NumberOf(json, "unpacked_launches"), 0);
  EXPECT_EQ(StringOf(json, "packing_failure"), "");
  EXPECT_EQ(NumberOf(json, "fast_kernels") + NumberOf(json, "optimized_kernels"), NumberOf(json, "kernels_compiled"));
}

std::string HashOf(const Struct& json) { return StringOf(ListOf(json, "outputs")[0].struct_value(), "hash"); }

TEST(Run, JsonHasEveryField) {
  const TemporaryFolder folder;
  const Struct json = RunSkeinJson({"run", WritePerceptron(folder), "--shape", "batch=5", "--repeat", "3"});
  CheckWhole(json);
  CheckBinding(json, 3);
  const auto dims = ListOf(ListOf(json, "outputs")[0].struct_value(), "dims");
  ASSERT_EQ(dims.size(), 2u);
  EXPECT_EQ(dims[0].number_value(), 5);
  EXPECT_EQ(dims[1].number_value(), 3);
  EXPECT_FALSE(json.fields().contains("bindings"));
}

TEST(Run, PackFirst) {
  const TemporaryFolder folder;
  const Struct json = RunSkeinJson({"run", WritePerceptron(folder), "--pack-first"});
  CheckWhole(json);
  EXPECT_EQ(NumberOf(json, "late_weights"), 0);
}

TEST(Run, SymbolsThatAreNotGivenAreOne) {
  const TemporaryFolder folder;
  const Struct json = RunSkeinJson({"run", WritePerceptron(folder)});
  EXPECT_EQ(ListOf(ListOf(json, "outputs")[0].struct_value(), "dims")[0].number_value(), 1);
  CheckBinding(json, 1);
}

TEST(Run, SeveralShapesAreOneProgram) {
  const TemporaryFolder folder;
  const std::string file = WritePerceptron(folder);
  const Struct one = RunSkeinJson({"run", file, "--shape", "batch=2"});
  const Struct three = RunSkeinJson({"run", file, "--shape", "batch=2", "--shape", "batch=17", "--shape", "batch=0"});
  CheckWhole(three);
  EXPECT_EQ(NumberOf(three, "kernels_compiled"), NumberOf(one, "kernels_compiled"));
  EXPECT_FALSE(three.fields().contains("median_ms"));
  const auto bindings = ListOf(three, "bindings");
  ASSERT_EQ(bindings.size(), 3u);
  const int batch[] = {2, 17, 0};
  for (int i = 0; i < 3; ++i) {
    const Struct& binding = bindings[i].struct_value();
    CheckBinding(binding, 1);
    EXPECT_EQ(StringOf(binding, "shape"), "batch=" + std::to_string(batch[i]));
    EXPECT_EQ(ListOf(ListOf(binding, "outputs")[0].struct_value(), "dims")[0].number_value(), batch[i]);
  }
  EXPECT_EQ(HashOf(bindings[0].struct_value()), HashOf(one)) << "inputs drawn from one seed are the same";
}

TEST(Run, ReadsNpyAndWritesNpy) {
  const TemporaryFolder folder;
  const std::vector<float> x = {0.5f, -0.25f, 0.125f, 0.0f, -1.0f, 0.5f, 0.25f, -0.125f};
  const std::string input = folder.Write("x.npy", NpyText("<f4", "(2, 4)", Bytes(x)));
  const std::string output = folder.path() + "/made/here";
  const Outcome outcome =
      RunSkein({"run", WritePerceptron(folder), "--input", "x=" + input, "--output", output, "--no-fuse"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<float> y = ReadNpyElements<float>(output + "/y.npy", "(2, 3)");
  const std::vector<double> expected = Perceptron(x);
  ASSERT_EQ(y.size(), expected.size());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-6) << i;
}

TEST(Run, ReadsTensorProtos) {
  const TemporaryFolder folder;
  const std::vector<float> x = {1, -2, 0.5f, 0.25f};
  const std::string npy = folder.Write("x.npy", NpyText("<f4", "(1, 4)", Bytes(x)));
  onnx::TensorProto proto;
  proto.set_data_type(kFloat);
  proto.add_dims(1);
  proto.add_dims(4);
  proto.set_raw_data(Bytes(x));
  const std::string pb = folder.Write("x.pb", proto.SerializeAsString());
  const std::string file = WritePerceptron(folder);
  EXPECT_EQ(HashOf(RunSkeinJson({"run", file, "--input", "x=" + npy})),
            HashOf(RunSkeinJson({"run", file, "--input", "x=" + pb})));
}

TEST(Run, WritesAFolderPerShape) {
  const TemporaryFolder folder;
  const std::string output = folder.path() + "/out";
  const Outcome outcome =
      RunSkein({"run", WritePerceptron(folder), "--shape", "batch=1", "--shape", "batch=3", "--output", output});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(ReadNpyElements<float>(output + "/0/y.npy", "(1, 3)").size(), 3u);
  EXPECT_EQ(ReadNpyElements<float>(output + "/1/y.npy", "(3, 3)").size(), 9u);
}

// Outputs that no kernel writes, whatever their names and types.
TEST(Run, WritesOutputsThatAreInputsOrConstants) {
  const TemporaryFolder folder;
  ModelBuilder model;
  model.Input("x", kBoolean, {"n"}).Output("a/b", kBoolean).Output("a_b", kInt64).Output("x2", kBoolean);
  model.Node("Identity", {"x"}, {"a/b"});
  model.Node("Not", {"x"}, {"x2"});
  model.Ints("a_b", {7, -8});
  const std::string file = folder.Write("plain.onnx", model.model().SerializeAsString());
  // A 7 in a boolean file is true.
  const std::string x = folder.Write("x.npy", NpyText("|b1", "(3,)", std::string("\x00\x07\x01", 3)));
  const std::string output = folder.path() + "/out";
  const Outcome outcome = RunSkein({"run", file, "--input", "x=" + x, "--output", output});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  using BoolBytes = std::vector<uint8_t>;
  EXPECT_EQ(ReadNpyElements<uint8_t>(output + "/a_b.npy", "(3,)"), (BoolBytes{0, 1, 1}));
  EXPECT_EQ(ReadNpyElements<int64_t>(output + "/a_b_.npy", "(2,)"), (std::vector<int64_t>{7, -8}));
  EXPECT_EQ(ReadNpyElements<uint8_t>(output + "/x2.npy", "(3,)"), (BoolBytes{1, 0, 0}));
}

// What must not change a bit: fusing, threads, tier, instruction set.
TEST(Run, EveryWayGivesTheSameBits) {
  const TemporaryFolder folder;
  const std::string file = WritePerceptron(folder);
  const Struct plain = RunSkeinJson({"run", file, "--shape", "batch=37"});
  const std::vector<std::vector<std::string>> kWays = {
      {"--no-fuse"}, {"--threads", "2"}, {"--tier", "fast"}, {"--tier", "optimized"}, {"--max-isa", "avx2"},
      {"--max-isa", "avx2", "--tier", "fast", "--no-fuse", "--threads", "3"}};
  for (const std::vector<std::string>& way : kWays) {
    std::vector<std::string> arguments = {"run", file, "--shape", "batch=37"};
    arguments.insert(arguments.end(), way.begin(), way.end());
    EXPECT_EQ(HashOf(RunSkeinJson(arguments)), HashOf(plain)) << ::testing::PrintToString(way);
  }
  const Struct unfused = RunSkeinJson({"run", file, "--shape", "batch=37", "--no-fuse"});
  EXPECT_GT(NumberOf(unfused, "groups"), NumberOf(plain, "groups"));
  EXPECT_GT(NumberOf(unfused, "bytes_moved"), NumberOf(plain, "bytes_moved"));
  EXPECT_NE(HashOf(RunSkeinJson({"run", file, "--shape", "batch=37", "--seed", "2"})), HashOf(plain));
}

TEST(Run, GroupTimesAddUp) {
  const TemporaryFolder folder;
  const Struct json = RunSkeinJson({"run", WritePerceptron(folder), "--groups"});
  const auto times = ListOf(json, "group_times");
  EXPECT_EQ(static_cast<double>(times.size()), NumberOf(json, "groups"));
  EXPECT_GT(NumberOf(json, "dot_groups_ms"), 0);
  EXPECT_GT(NumberOf(json, "other_groups_ms"), 0);
}

TEST(Run, DrawnIndicesLieInWhatTheyIndex) {
  const TemporaryFolder folder;
  const std::string output = folder.path() + "/out";
  const Outcome outcome = RunSkein({"run", WriteLookup(folder), "--shape", "n=200", "--output", output});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  bool last_row = false;
  for (float v : ReadNpyElements<float>(output + "/y.npy", "(200, 2)")) last_row = last_row || v == -9;
  EXPECT_TRUE(last_row) << "200 draws from 5 rows";
}

TEST(Run, AnIndexOutOfRangeNamesNodeAndValue) {
  const TemporaryFolder folder;
  const std::string file = WriteLookup(folder);
  for (const char* way : {"--no-fuse", "--groups"}) {
    const std::string ids = folder.Write("ids.npy", NpyText("<i8", "(3,)", Bytes<int64_t>({4, -5, 7})));
    const Outcome outcome = RunSkein({"run", file, "--input", "ids=" + ids, way});
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find("the_Gather"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("index 7"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("5"), std::string::npos) << outcome.err;
  }
  // Negative ones count from the end, as ONNX says, down to -5.
  const std::string ids = folder.Write("ids.npy", NpyText("<i8", "(2,)", Bytes<int64_t>({4, -5})));
  EXPECT_EQ(RunSkein({"run", file, "--input", "ids=" + ids}).exit_code, 0);
}

TEST(Run, WhatIsInterpretedIsReported) {
  const TemporaryFolder folder;
  ModelBuilder model;
  // There are kernels for products in f32 only.
  constexpr int kDouble = onnx::TensorProto::DOUBLE;
  model.Input("x", kDouble, {"n", "n"}).Output("y", kDouble);
  model.Node("MatMul", {"x", "x"}, {"y"});
  const std::string file = folder.Write("double.onnx", model.model().SerializeAsString());
  const Struct json = RunSkeinJson({"run", file, "--shape", "n=10"});
  ASSERT_EQ(ListOf(json, "interpreted_ops").size(), 1u);
  EXPECT_NE(StringsOf(json, "interpreted_ops")[0].find("the_MatMul"), std::string::npos);
  EXPECT_EQ(NumberOf(json, "generated_bytes_share"), 0);
}

TEST(Run, MissingWeightsAreAnErrorOrDrawn) {
  const std::string file = SKEIN_SOURCE_DIR "/tests/graphs/bert-base.onnx";
  const Outcome missing = RunSkein({"run", file});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("bert-base"), std::string::npos) << missing.err;
  const Struct json =
      RunSkeinJson({"run", file, "--random-weights", "7", "--shape", "batch=1,seq=3", "--shape", "batch=2,seq=2"});
  CheckWhole(json);
  for (const auto& binding : ListOf(json, "bindings")) {
    EXPECT_EQ(NumberOf(binding.struct_value(), "generated_bytes_share"), 1);
    EXPECT_EQ(NumberOf(binding.struct_value(), "generated_flops_share"), 1);
  }
}

struct BadTensor {
  std::string text;
  std::string named;
};

TEST(Run, DamagedNpyFilesAreRefused) {
  const TemporaryFolder folder;
  const std::string file = WritePerceptron(folder), data = Bytes<float>({1, 2, 3, 4});
  const std::string good = NpyText("<f4", "(1, 4)", data);
  std::string version = good, long_header = good;
  version[6] = 9;
  long_header[9] = 0x7f;
  const BadTensor kBad[] = {
      {"", "no .npy file"},
      {"PK\x03\x04 something else entirely", "no .npy file"},
      {good.substr(0, 11), "no .npy file"},
      {good.substr(0, 60), "inside its header"},
      {long_header, "inside its header"},
      {version, "version 9"},
      {good.substr(0, good.size() - 1), "15 bytes"},
      {NpyText(">f4", "(1, 4)", data), ">f4"},
      {NpyText("<c8", "(1, 2)", data), "<c8"},
      {NpyText("<f4", "(1, 4)", data, "True"), "Fortran"},
      {NpyText("<f4", "(1, 4)", data, "Perhaps"), "fortran_order"},
      {NpyText("<f4", "(1, four)", data), "(1, four)"},
      {NpyText("<f4", "(1, -4)", data), "(1, -4)"},
      {NpyText("<f4", "(1, 4", data), "shape"},
      {NpyText("<f4", "(4294967296, 4294967296)", data), "too large"},
      {NpyText("<f4", "(99999999999999999999,)", data), "99999999999999999999"},
      {NpyText("<f4", "(4,)", data), "f32[4]"},
      {NpyText("<f4", "(2, 2)", data), "'x'"},
      {NpyText("<i4", "(1, 4)", data), "i32[1, 4]"},
  };
  for (const BadTensor& bad : kBad) {
    const std::string input = folder.Write("x.npy", bad.text);
    const Outcome outcome = RunSkein({"run", file, "--input", "x=" + input});
    EXPECT_EQ(outcome.exit_code, 2) << bad.named << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(bad.named), std::string::npos) << bad.named << ": " << outcome.err;
  }
  const std::string proto = folder.Write("x.pb", "\x08\x01\xff\xff\xff");
  const Outcome outcome = RunSkein({"run", file, "--input", "x=" + proto});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("x.pb"), std::string::npos) << outcome.err;
}

TEST(Verify, PassesAndSaysWhatItChecked) {
  const TemporaryFolder folder;
  const std::string file = WritePerceptron(folder);
  const Outcome outcome = RunSkein({"verify", file, "--shape", "batch=3", "--shape", "batch=64"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("PASS"), std::string::npos) << outcome.out;
  const Struct json = RunSkeinJson({"verify", file, "--shape", "batch=3"});
  EXPECT_TRUE(json.fields().at("passed").bool_value());
  const auto bindings = ListOf(json, "bindings");
  ASSERT_EQ(bindings.size(), 1u);
  EXPECT_GT(NumberOf(bindings[0].struct_value(), "groups_checked"), 0);
  const Struct output = ListOf(bindings[0].struct_value(), "outputs")[0].struct_value();
  EXPECT_EQ(StringOf(output, "name"), "y");
  for (const char* key : {"ulp", "absolute", "relative"}) EXPECT_LT(NumberOf(output, key), 16) << key;
  EXPECT_GT(NumberOf(output, "cosine"), 0.999999);
}

// Outputs that are all NaN prove nothing, so they are no pass.
TEST(Verify, ProvingNothingIsExitCode1) {
  const TemporaryFolder folder;
  const std::string x = folder.Write("x.npy", NpyText("<f4", "(2,)", Bytes<float>({kNaN, kNaN})));
  const Outcome outcome = RunSkein({"verify", WriteUnary(folder, "Tanh"), "--input", "x=" + x});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_NE(outcome.out.find("FAIL"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("the_Tanh"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace skein
