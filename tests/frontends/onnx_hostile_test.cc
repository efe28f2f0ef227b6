// Truncated, corrupted and hostile files: each gives an error that names the place, none crashes,
// hangs or takes memory without bound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <random>

#include "frontends/onnx/tensor_file.h"
#include "tests/frontends/model_builder.h"

namespace skein {
namespace {

using Build = std::function<void(ModelBuilder&)>;

struct Case {
  const char* name;
  std::vector<const char*> expected;  // parts of the message
  Build build;
  int opset = 18;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// x -> op -> y, both float [2, 3].
void OneNode(ModelBuilder& m, const std::string& op, const std::vector<std::string>& inputs) {
  m.Input("x", kFloat, {"2", "3"}).Output("y");
  m.Node(op, inputs, {"y"});
}

onnx::FunctionProto& AddFunction(ModelBuilder& m, const std::string& name) {
  onnx::FunctionProto* f = m.model().add_functions();
  f->set_name(name);
  f->set_domain("local");
  f->add_input("a");
  f->add_output("b");
  f->add_opset_import()->set_version(18);
  onnx::OperatorSetIdProto* local = f->add_opset_import();
  local->set_domain("local");
  local->set_version(1);
  return *f;
}

void Call(onnx::NodeProto* node, const std::string& function, const std::string& input,
          const std::string& output) {
  ModelBuilder::AddNode(node, function, {input}, {output}).set_domain("local");
}

const Case kCases[] = {
    // --- the file as a whole ---
    {"NoGraph", {"no graph"}, [](ModelBuilder& m) { m.model().clear_graph(); }},
    {"NoOutputs", {"no outputs"}, [](ModelBuilder& m) { m.Input("x", kFloat, {"2"}); }},
    {"OpsetZero", {"opset version 0"}, [](ModelBuilder& m) { OneNode(m, "Relu", {"x"}); }, 0},
    {"OpsetOfUnknownDomain",
     {"the_Gelu", "no opset", "com.microsoft"},
     [](ModelBuilder& m) {
       OneNode(m, "Gelu", {"x"});
       m.graph().mutable_node(0)->set_domain("com.microsoft");
     }},
    // --- names and order ---
    {"MissingInput",
     {"the_Relu", "Relu", "'nowhere'"},
     [](ModelBuilder& m) { OneNode(m, "Relu", {"nowhere"}); }},
    {"SelfReference",
     {"the_Add", "'y'", "cycle"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "y"});
     }},
    {"CycleOfTwo",
     {"the_Relu", "'b'", "the_Neg", "cycle"},
     [](ModelBuilder& m) {
       m.Output("y");
       m.Node("Relu", {"b"}, {"y"});
       m.Node("Neg", {"y"}, {"b"});
     }},
    {"OutOfOrder",
     {"the_Relu", "'h'", "not in order"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"h"});
       m.Node("Neg", {"x"}, {"h"});
     }},
    {"OutputNobodyMakes",
     {"output 'z'", "'z'"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       m.Output("z");
     }},
    {"SameNameTwice",
     {"the_Neg", "'y'", "defined twice"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       m.Node("Neg", {"x"}, {"y"});
     }},
    {"OutputShadowsInput",
     {"the_Relu", "'x'", "defined twice"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2"}).Output("x");
       m.Node("Relu", {"x"}, {"x"});
     }},
    {"TwoInputsOfOneName",
     {"input 'x'", "defined twice"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       m.Input("x", kFloat, {"2"});
     }},
    {"TwoInitializersOfOneName",
     {"initializer 'w'", "defined twice"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.Floats("w", {1}, {1});
       m.Floats("w", {1}, {2});
     }},
    {"TwoOutputsOfOneName",
     {"output 'y'", "listed twice"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       m.Output("y");
     }},
    {"RequiredInputEmpty",
     {"the_Add", "input 1 is missing"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", ""});
     }},
    {"TooFewInputs",
     {"the_MatMul", "input 1 is missing"},
     [](ModelBuilder& m) { OneNode(m, "MatMul", {"x"}); }},
    {"TooManyInputs",
     {"the_Relu", "2 inputs"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x", "x"});
     }},
    // --- operators and types ---
    {"UnknownOperator",
     {"the_Frobnicate", "'Frobnicate'", "ai.onnx"},
     [](ModelBuilder& m) { OneNode(m, "Frobnicate", {"x"}); }},
    {"UnknownDomain",
     {"the_Relu", "'Relu'", "'org.nowhere'"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       m.graph().mutable_node(0)->set_domain("org.nowhere");
     }},
    {"UnknownElementType",
     {"input 'x'", "77"},
     [](ModelBuilder& m) { m.Input("x", 77, {"2"}).Output("x"); }},
    {"StringInput",
     {"input 'x'", "string"},
     [](ModelBuilder& m) { m.Input("x", onnx::TensorProto::STRING, {"2"}).Output("x"); }},
    {"InputIsNoTensor",
     {"input 'x'", "not a tensor"},
     [](ModelBuilder& m) { m.Output("x").graph().add_input()->set_name("x"); }},
    {"InputWithoutShape",
     {"input 'x'", "no shape"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       m.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
     }},
    {"OutputDeclaredAsAnotherType",
     {"output 'y'", "i64", "f32[2, 3]"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2", "3"}).Output("y", kInt64);
       m.Node("Relu", {"x"}, {"y"});
     }},
    {"OperandTypesDiffer",
     {"the_Add", "f32", "i64"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "n"});
       m.Ints("n", {1, 2, 3});
     }},
    {"LogicOnFloats",
     {"the_And", "f32"},
     [](ModelBuilder& m) {
       OneNode(m, "And", {"x", "x"});
     }},
    {"WhereOnFloats",
     {"the_Where", "f32"},
     [](ModelBuilder& m) {
       OneNode(m, "Where", {"x", "x", "x"});
     }},
    {"SqrtOfIntegers",
     {"the_Sqrt", "i64"},
     [](ModelBuilder& m) {
       m.Output("y").Ints("n", {1, 2, 3});
       m.Node("Sqrt", {"n"}, {"y"});
     }},
    // --- attributes ---
    {"AttributeOfWrongType",
     {"the_Softmax", "'axis'", "STRING", "INT"},
     [](ModelBuilder& m) {
       OneNode(m, "Softmax", {"x"});
       ModelBuilder::SetString(m.graph().mutable_node(0), "axis", "one");
     }},
    {"AxisOutOfRange",
     {"the_Softmax", "axis 5"},
     [](ModelBuilder& m) {
       OneNode(m, "Softmax", {"x"});
       ModelBuilder::SetInt(m.graph().mutable_node(0), "axis", 5);
     }},
    {"AxisFarOutOfRange",
     {"the_Gather", "axis -9223372036854775808"},
     [](ModelBuilder& m) {
       OneNode(m, "Gather", {"x", "n"});
       m.Ints("n", {0});
       ModelBuilder::SetInt(m.graph().mutable_node(0), "axis", INT64_MIN);
     }},
    {"AxisNamedTwice",
     {"the_ReduceSum", "twice"},
     [](ModelBuilder& m) {
       OneNode(m, "ReduceSum", {"x", "axes"});
       m.Ints("axes", {0, -2});
     }},
    {"PermutationTwice",
     {"the_Transpose", "(1, 1)"},
     [](ModelBuilder& m) {
       OneNode(m, "Transpose", {"x"});
       ModelBuilder::SetInts(m.graph().mutable_node(0), "perm", {1, 1});
     }},
    {"PermutationTooLong",
     {"the_Transpose"},
     [](ModelBuilder& m) {
       OneNode(m, "Transpose", {"x"});
       ModelBuilder::SetInts(m.graph().mutable_node(0), "perm", {0, 1, 2, 3});
     }},
    {"CastToNothing", {"the_Cast", "'to'"}, [](ModelBuilder& m) { OneNode(m, "Cast", {"x"}); }},
    {"CastToUnknownType",
     {"the_Cast", "'to'"},
     [](ModelBuilder& m) {
       OneNode(m, "Cast", {"x"});
       ModelBuilder::SetInt(m.graph().mutable_node(0), "to", 1LL << 40);
     }},
    // --- shapes ---
    {"NegativeDim",
     {"input 'x'", "-4"},
     [](ModelBuilder& m) { m.Input("x", kFloat, {"-4"}).Output("x"); }},
    {"HugeInput",
     {"input 'x'", "larger than any memory"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"4611686018427387904", "4611686018427387904"}).Output("x");
     }},
    {"HugeInitializer",
     {"initializer 'w'", "larger than any memory"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.Tensor("w", kFloat, {int64_t{1} << 40, int64_t{1} << 40});
     }},
    {"NegativeInitializerDim",
     {"initializer 'w'", "-1"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.Tensor("w", kFloat, {-1});
     }},
    {"InitializerTooShort",
     {"initializer 'w'", "1 values", "3"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.Floats("w", {3}, {1});
     }},
    {"RawDataOfWrongLength",
     {"initializer 'w'", "5 bytes", "12"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.Tensor("w", kFloat, {3}).set_raw_data("12345");
     }},
    {"ExpandToTheSky",
     {"the_Expand", "larger than any memory"},
     [](ModelBuilder& m) {
       OneNode(m, "Expand", {"x", "n"});
       m.Ints("n", {int64_t{1} << 40, int64_t{1} << 40, 2, 3});
     }},
    {"ConstantOfHugeShape",
     {"the_ConstantOfShape", "larger than any memory"},
     [](ModelBuilder& m) {
       OneNode(m, "ConstantOfShape", {"n"});
       m.Ints("n", {INT64_MAX, INT64_MAX});
     }},
    {"TileByMuch",
     {"the_Tile", "larger than any memory"},
     [](ModelBuilder& m) {
       OneNode(m, "Tile", {"x", "n"});
       m.Ints("n", {INT64_MAX, 2});
     }},
    {"TooManyDims",
     {"the_Reshape", "dims"},
     [](ModelBuilder& m) {
       OneNode(m, "Reshape", {"x", "n"});
       std::vector<int64_t> ones(1000, 1);
       ones[0] = 6;
       m.Ints("n", ones);
     }},
    {"ReshapeToOtherCount",
     {"the_Reshape", "f32[2, 3]", "[4, 2]"},
     [](ModelBuilder& m) {
       OneNode(m, "Reshape", {"x", "n"});
       m.Ints("n", {4, 2});
     }},
    {"ReshapeTwoInferred",
     {"the_Reshape", "more than one -1"},
     [](ModelBuilder& m) {
       OneNode(m, "Reshape", {"x", "n"});
       m.Ints("n", {-1, -1});
     }},
    {"ReshapeNotDivisible",
     {"the_Reshape"},
     [](ModelBuilder& m) {
       OneNode(m, "Reshape", {"x", "n"});
       m.Ints("n", {-1, 4});
     }},
    {"ReshapeByData",
     {"the_Reshape", "data-dependent shape"},
     [](ModelBuilder& m) {
       OneNode(m, "Reshape", {"x", "n"});
       m.Input("n", kInt64, {"2"});
     }},
    {"ShapesDoNotBroadcast",
     {"the_Add", "2", "3"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.Floats("w", {2}, {1, 2});
     }},
    {"MatMulOfWrongExtents",
     {"the_MatMul", "3", "2"},
     [](ModelBuilder& m) {
       OneNode(m, "MatMul", {"x", "x"});
     }},
    {"MatMulOfScalars",
     {"the_MatMul", "f32[]"},
     [](ModelBuilder& m) {
       OneNode(m, "MatMul", {"x", "s"});
       m.Floats("s", {}, {1});
     }},
    {"GemmOfVectors",
     {"the_Gemm", "expected matrices"},
     [](ModelBuilder& m) {
       OneNode(m, "Gemm", {"x", "w"});
       m.Floats("w", {3}, {1, 2, 3});
     }},
    {"ConcatOfOtherRanks",
     {"the_Concat", "cannot concatenate"},
     [](ModelBuilder& m) {
       OneNode(m, "Concat", {"x", "w"});
       ModelBuilder::SetInt(m.graph().mutable_node(0), "axis", 0);
       m.Floats("w", {3}, {1, 2, 3});
     }},
    {"SplitOfOtherSum",
     {"the_Split", "2", "6"},
     [](ModelBuilder& m) {
       OneNode(m, "Split", {"x", "n"});
       m.graph().mutable_node(0)->add_output("z");
       m.Ints("n", {1, 5});
     }},
    {"SliceWithStepZero",
     {"the_Slice", "step of 0"},
     [](ModelBuilder& m) {
       OneNode(m, "Slice", {"x", "a", "b", "a", "a"});
       m.Ints("a", {0});
       m.Ints("b", {1});
     }},
    {"SliceListsDiffer",
     {"the_Slice", "1 starts, 2 ends"},
     [](ModelBuilder& m) {
       OneNode(m, "Slice", {"x", "a", "b"});
       m.Ints("a", {0});
       m.Ints("b", {1, 1});
     }},
    {"PadByTheSky",
     {"the_Pad"},
     [](ModelBuilder& m) {
       OneNode(m, "Pad", {"x", "n"});
       m.Ints("n", {INT64_MAX, 0, INT64_MAX, 0});
     }},
    {"PadCutsAll",
     {"the_Pad"},
     [](ModelBuilder& m) {
       OneNode(m, "Pad", {"x", "n"});
       m.Ints("n", {-2, 0, -2, 0});
     }},
    {"ConstantIndexOutOfRange",
     {"the_Gather", "index 7"},
     [](ModelBuilder& m) {
       OneNode(m, "Gather", {"x", "n"});
       m.Ints("n", {7});
     }},
    {"GatherNdTupleTooLong",
     {"the_GatherND", "do not fit"},
     [](ModelBuilder& m) {
       OneNode(m, "GatherND", {"x", "n"});
       m.Ints("n", {0, 0, 0, 0});
     }},
    {"RangeOfStepZero",
     {"the_Range", "step"},
     [](ModelBuilder& m) {
       m.Output("y");
       for (const char* name : {"a", "b", "c"}) m.Tensor(name, kInt64, {}).add_int64_data(0);
       m.Node("Range", {"a", "b", "c"}, {"y"});
     }},
    {"FloatRangeWithoutEnd",
     {"the_Range", "elements"},
     [](ModelBuilder& m) {
       m.Output("y").Floats("a", {}, {0});
       m.Floats("b", {}, {1e30f});
       m.Floats("c", {}, {1e-30f});
       m.Node("Range", {"a", "b", "c"}, {"y"});
     }},
    // --- functions and branches ---
    {"FunctionCallsItself",
     {"the_F/the_F", "local.F", "calls itself"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2"}).Output("y");
       Call(m.graph().add_node(), "F", "x", "y");
       Call(AddFunction(m, "F").add_node(), "F", "a", "b");
     }},
    {"FunctionsCallEachOther",
     {"calls itself"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2"}).Output("y");
       Call(m.graph().add_node(), "F", "x", "y");
       Call(AddFunction(m, "F").add_node(), "G", "a", "b");
       Call(AddFunction(m, "G").add_node(), "F", "a", "b");
     }},
    {"FunctionsExplode",
     {"more than"},
     [](ModelBuilder& m) {  // each calls the one before twice: 2^40 nodes
       m.Input("x", kFloat, {"2"}).Output("y");
       Call(m.graph().add_node(), "F40", "x", "y");
       ModelBuilder::AddNode(AddFunction(m, "F0").add_node(), "Neg", {"a"}, {"b"});
       for (int i = 1; i <= 40; ++i) {
         onnx::FunctionProto& f = AddFunction(m, "F" + std::to_string(i));
         Call(f.add_node(), "F" + std::to_string(i - 1), "a", "c");
         Call(f.add_node(), "F" + std::to_string(i - 1), "c", "b");
       }
     }},
    {"FunctionsNestTooDeep",
     {"too deep"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2"}).Output("y");
       Call(m.graph().add_node(), "F5000", "x", "y");
       ModelBuilder::AddNode(AddFunction(m, "F0").add_node(), "Neg", {"a"}, {"b"});
       for (int i = 1; i <= 5000; ++i) {
         Call(AddFunction(m, "F" + std::to_string(i)).add_node(), "F" + std::to_string(i - 1), "a",
              "b");
       }
     }},
    {"FunctionDefinedTwice",
     {"function 'local.F'", "twice"},
     [](ModelBuilder& m) {
       OneNode(m, "Relu", {"x"});
       AddFunction(m, "F");
       AddFunction(m, "F");
     }},
    {"FunctionOutputNobodyMakes",
     {"local.F", "'b'"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2"}).Output("y");
       Call(m.graph().add_node(), "F", "x", "y");
       AddFunction(m, "F");
     }},
    {"UnknownOperatorInFunction",
     {"the_F/the_Frobnicate", "Frobnicate"},
     [](ModelBuilder& m) {
       m.Input("x", kFloat, {"2"}).Output("y");
       Call(m.graph().add_node(), "F", "x", "y");
       ModelBuilder::AddNode(AddFunction(m, "F").add_node(), "Frobnicate", {"a"}, {"b"});
     }},
    {"IfOnData",
     {"the_If", "condition"},
     [](ModelBuilder& m) {
       m.Input("c", kBoolean, {}).Output("y");
       m.Node("If", {"c"}, {"y"});
     }},
    {"IfWithoutBranch",
     {"the_If", "then_branch"},
     [](ModelBuilder& m) {
       m.Output("y").Tensor("c", kBoolean, {}).add_int32_data(1);
       m.Node("If", {"c"}, {"y"});
     }},
    // --- external data (the folder is empty but for 'w.data', 24 bytes, and links) ---
    {"ParentFolder",
     {"initializer 'w'", "leaves the model's folder"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "../w.data");
     }},
    {"ParentFolderInTheMiddle",
     {"initializer 'w'", "leaves the model's folder"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "a/../../w.data");
     }},
    {"AbsolutePath",
     {"initializer 'w'", "leaves the model's folder"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "/etc/passwd");
     }},
    {"LinkOutOfTheFolder",
     {"initializer 'w'", "through a link"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "link.data");
     }},
    {"LinkedFolder",
     {"initializer 'w'", "through a link"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "linked/passwd");
     }},
    {"EmptyLocation",
     {"initializer 'w'", "location is empty"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "");
     }},
    {"LocationWithZeroByte",
     {"initializer 'w'", "zero byte"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, std::string("w.data\0x", 8));
     }},
    {"NoSuchFile",
     {"initializer 'w'", "missing.data"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "missing.data");
     }},
    {"LocationIsAFolder",
     {"initializer 'w'", "not a regular file"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "sub");
     }},
    {"LocationIsAPipe",
     {"initializer 'w'", "not a regular file"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "pipe");
     }},
    {"OffsetPastTheEnd",
     {"initializer 'w'", "24 bytes at 8"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "w.data", "8", "24");
     }},
    {"OffsetOverflows",
     {"initializer 'w'", "9223372036854775807"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "w.data", "9223372036854775807", "24");
     }},
    {"OffsetIsNoNumber",
     {"initializer 'w'", "offset"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "w.data", "8; rm", "24");
     }},
    {"LengthDoesNotFit",
     {"initializer 'w'", "length 20"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "w.data", "0", "20");
     }},
    {"NegativeOffset",
     {"initializer 'w'", "'-8'"},
     [](ModelBuilder& m) {
       OneNode(m, "Add", {"x", "w"});
       m.External("w", {2, 3}, "w.data", "-8", "24");
     }},
};

class OnnxHostile : public testing::TestWithParam<Case> {};

TEST_P(OnnxHostile, NamesThePlace) {
  TemporaryFolder folder;
  folder.Write("w.data", std::string(24, '\0'));
  namespace fs = std::filesystem;
  fs::create_symlink("/etc/passwd", folder.path() + "/link.data");
  fs::create_directory_symlink("/etc", folder.path() + "/linked");
  fs::create_directory(folder.path() + "/sub");
  ASSERT_EQ(mkfifo((folder.path() + "/pipe").c_str(), 0600), 0);

  ModelBuilder m(GetParam().opset);
  GetParam().build(m);
  std::string path = folder.Write("model.onnx", m.model().SerializeAsString());
  ImportOptions options;
  options.max_nodes = 100'000;
  absl::StatusOr<Graph> graph = ImportOnnx(path, options);
  ASSERT_FALSE(graph.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(graph.status()) || absl::IsUnimplemented(graph.status()))
      << graph.status();
  std::string message(graph.status().message());
  EXPECT_THAT(message, testing::HasSubstr("model.onnx"));
  for (const char* part : GetParam().expected) EXPECT_THAT(message, testing::HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(Files, OnnxHostile, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

// A small model with a little of everything.
std::string Valid() {
  ModelBuilder m;
  m.Input("x", kFloat, {"batch", "4"}).Input("i", kInt64, {"batch"}).Output("y", kFloat);
  m.Floats("w", {4, 4}, std::vector<float>(16, 0.5f));
  m.Ints("shape", {0, 2, -1});
  m.Node("MatMul", {"x", "w"}, {"h"});
  m.Node("Softmax", {"h"}, {"s"});
  m.Node("Gather", {"w", "i"}, {"g"});
  m.Node("Add", {"s", "g"}, {"a"});
  m.Node("Reshape", {"a", "shape"}, {"r"});
  ModelBuilder::SetInts(&m.Node("Transpose", {"r"}, {"y"}), "perm", {2, 0, 1});
  return m.model().SerializeAsString();
}

TEST(OnnxCorrupted, EveryTruncationIsHandled) {
  std::string bytes = Valid();
  ASSERT_TRUE(ImportOnnxBytes(bytes, "").ok());
  for (size_t length = 0; length < bytes.size(); ++length) {
    absl::StatusOr<Graph> graph = ImportOnnxBytes(std::string_view(bytes).substr(0, length), "");
    // A cut between two fields leaves a smaller model that may be whole.
    EXPECT_TRUE(graph.ok() || !graph.status().message().empty());
  }
}

TEST(OnnxCorrupted, FlippedBytesAreHandled) {
  std::string valid = Valid();
  std::mt19937 random(1);
  int failed = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = valid;
    int flips = 1 + round % 4;
    for (int i = 0; i < flips; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    failed += !ImportOnnxBytes(bytes, "").ok();
  }
  EXPECT_GT(failed, 2000);
}

TEST(OnnxCorrupted, GarbageIsHandled) {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(ImportOnnxBytes(bytes, "").ok());
    (void)ReadOnnxTensorBytes(bytes);
  }
}

// Protobuf's parser limits the depth of messages; nothing of ours recurses deeper.
TEST(OnnxCorrupted, DeepNesting) {
  std::string graph;  // GraphProto { node { attribute { g { node { ... } } } } }
  auto wrap = [](int field, const std::string& inner) {
    std::string out(1, static_cast<char>(field << 3 | 2));
    for (size_t n = inner.size();; n >>= 7) {
      out += static_cast<char>((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
      if (n <= 0x7f) break;
    }
    return out + inner;
  };
  for (int i = 0; i < 2000; ++i) graph = wrap(1, wrap(5, wrap(6, graph)));
  absl::StatusOr<Graph> imported = ImportOnnxBytes(wrap(7, graph), "");
  ASSERT_TRUE(absl::IsInvalidArgument(imported.status()));
}

// Products of sums grow with every multiplication; the arithmetic of sizes must not run away.
TEST(OnnxCorrupted, ShapeArithmeticThatExplodes) {
  ModelBuilder m;
  m.Input("x", kFloat, {"a + b + c + d", "3"}).Output("y");
  m.Node("Shape", {"x"}, {"s0"});
  for (int i = 0; i < 30; ++i) {
    std::string from = "s" + std::to_string(i);
    m.Node("Mul", {from, from}, {"s" + std::to_string(i + 1)});
  }
  m.Node("Expand", {"x", "s30"}, {"y"});
  (void)m.Import();  // any answer, soon
}

// Each round gives dim 0 the product of two dims as long as it is.
TEST(OnnxCorrupted, DimsThatExplode) {
  ModelBuilder m;
  m.Input("x0", kFloat, {"a + b + c + d + e + f + g + h + i", "1"}).Output("y");
  m.Ints("flat", {-1, 1});
  for (int i = 0; i < 40; ++i) {
    std::string x = "x" + std::to_string(i), t = "t" + std::to_string(i);
    ModelBuilder::SetInts(&m.Node("Transpose", {x}, {t}), "perm", {1, 0});
    m.Node("Add", {x, t}, {x + "s"});
    m.Node("Reshape", {x + "s", "flat"}, {"x" + std::to_string(i + 1)});
  }
  m.Node("Relu", {"x40"}, {"y"});
  absl::StatusOr<Graph> graph = m.Import();
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(std::string(graph.status().message()), testing::HasSubstr("more than 500 parts"));
}

TEST(OnnxCorrupted, NestedDimParam) {
  ModelBuilder m;
  m.Input("x", kFloat, {std::string(900, '(') + "n" + std::string(900, ')')}).Output("y");
  m.Node("Relu", {"x"}, {"y"});
  EXPECT_TRUE(m.Import().ok());  // a strange name, but a name
}

TEST(OnnxCorrupted, RandomWeightsAreBounded) {
  ModelBuilder m;
  m.Input("x", kFloat, {"1"}).Output("y");
  m.External("w", {1 << 20, 1 << 20}, "none.data");
  m.Node("Add", {"x", "w"}, {"y"});
  ImportOptions options;
  options.random_weights_seed = 1;
  TemporaryFolder folder;
  absl::StatusOr<Graph> graph = m.Import(folder.path(), options);
  ASSERT_TRUE(absl::IsInvalidArgument(graph.status()));
  EXPECT_THAT(std::string(graph.status().message()), testing::HasSubstr("'w'"));
}

TEST(OnnxCorrupted, FilesThatAreNone) {
  TemporaryFolder folder;
  EXPECT_FALSE(ImportOnnx(folder.path()).ok());                 // a folder
  EXPECT_FALSE(ImportOnnx(folder.path() + "/none.onnx").ok());  // nothing
  EXPECT_FALSE(ImportOnnx(folder.Write("empty.onnx", "")).ok());
  EXPECT_FALSE(ImportOnnx("/dev/zero").ok());
}

}  // namespace
}  // namespace skein
