// What operators become, functions, external data, dims, drawn weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "frontends/onnx/import.h"
#include "frontends/onnx/mapped_file.h"
#include "frontends/onnx/tensor_file.h"
#include "ir/graph_interpreter.h"
#include "ir/op.h"
#include "tests/frontends/model_builder.h"

namespace skein {
namespace {

Graph Import(const ModelBuilder& m, const std::string& folder = "",
             const ImportOptions& options = {}) {
  absl::StatusOr<Graph> graph = m.Import(folder, options);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *std::move(graph) : Graph();
}

std::string OutputType(const Graph& graph) {
  return graph.outputs().empty() ? "" : graph.type(graph.outputs()[0].value).ToString();
}

// The names of the ops that output 0 needs, in order, without constants and movement.
std::vector<std::string> Ops(const Graph& graph) {
  std::vector<bool> live(graph.size(), false);
  live[graph.outputs()[0].value.node.index] = true;
  std::vector<std::string> ops;
  for (int i = graph.size() - 1; i >= 0; --i) {
    if (!live[i]) continue;
    const Node& node = graph.node(NodeId(i));
    for (Value v : node.operands) live[v.node.index] = true;
    OpClass c = Def(node.op).op_class;
    if (c != OpClass::kSource && c != OpClass::kMovement) {
      ops.insert(ops.begin(), std::string(Name(node.op)));
    }
  }
  return ops;
}

// Runs the graph, whose inputs are all f32 with constant dims, on `inputs`.
std::vector<double> RunOn(const Graph& graph, const std::vector<std::vector<double>>& inputs) {
  std::vector<RefTensor> tensors(inputs.size());
  std::vector<std::pair<Value, const RefTensor*>> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    tensors[i].element = ElementType::kF32;
    for (DimExpr d : graph.type(graph.inputs()[i].value).dims) {
      tensors[i].dims.push_back(d.constant());
    }
    tensors[i].value = inputs[i];
    given.emplace_back(graph.inputs()[i].value, &tensors[i]);
  }
  std::vector<Value> wanted = {graph.outputs()[0].value};
  auto results = Interpret(graph, {}, given, wanted);
  EXPECT_TRUE(results.ok()) << results.status();
  return results.ok() ? (*results)[0].value : std::vector<double>();
}

// --- spelling of composites ---

TEST(OnnxImport, LayerNormalizationIsSpelledAsExportersDo) {
  ModelBuilder composite;
  composite.Input("x", kFloat, {"b", "4"}).Output("y");
  composite.Floats("scale", {4}, {1, 2, 3, 4});
  composite.Floats("bias", {4}, {1, 1, 1, 1});
  composite.Node("LayerNormalization", {"x", "scale", "bias"}, {"y"});

  ModelBuilder by_hand(14);
  by_hand.Input("x", kFloat, {"b", "4"}).Output("y");
  by_hand.Floats("scale", {4}, {1, 2, 3, 4});
  by_hand.Floats("bias", {4}, {1, 1, 1, 1});
  by_hand.Floats("two", {}, {2});
  by_hand.Floats("epsilon", {1}, {1e-5f});
  ModelBuilder::SetInts(&by_hand.Node("ReduceMean", {"x"}, {"mean"}), "axes", {-1});
  by_hand.Node("Sub", {"x", "mean"}, {"centre"});
  by_hand.Node("Pow", {"centre", "two"}, {"square"});
  ModelBuilder::SetInts(&by_hand.Node("ReduceMean", {"square"}, {"variance"}), "axes", {-1});
  by_hand.Node("Add", {"variance", "epsilon"}, {"sum"});
  by_hand.Node("Sqrt", {"sum"}, {"deviation"});
  by_hand.Node("Div", {"centre", "deviation"}, {"normal"});
  by_hand.Node("Mul", {"normal", "scale"}, {"scaled"});
  by_hand.Node("Add", {"scaled", "bias"}, {"y"});
  Graph a = Import(composite), b = Import(by_hand);
  EXPECT_THAT(Ops(a), testing::ElementsAre("reduce", "div", "sub", "mul", "reduce", "div", "add",
                                           "sqrt", "div", "mul", "add"));
  EXPECT_EQ(Ops(a), Ops(b));
}

TEST(OnnxImport, GeluIsSpelledAsExportersDo) {
  ModelBuilder composite(20);
  composite.Input("x", kFloat, {"2"}).Output("y");
  composite.Node("Gelu", {"x"}, {"y"});
  Graph graph = Import(composite);
  EXPECT_THAT(Ops(graph), testing::ElementsAre("div", "erf", "add", "mul", "mul"));
  std::vector<double> y = RunOn(graph, {{1.5, -0.5}});
  EXPECT_NEAR(y[0], 1.5 * 0.5 * (1 + std::erf(1.5 / std::sqrt(2.0))), 1e-7);
  EXPECT_NEAR(y[1], -0.5 * 0.5 * (1 + std::erf(-0.5 / std::sqrt(2.0))), 1e-7);
}

TEST(OnnxImport, SoftmaxSubtractsTheMaximum) {
  ModelBuilder m;
  m.Input("x", kFloat, {"b", "s"}).Output("y");
  m.Node("Softmax", {"x"}, {"y"});
  EXPECT_THAT(Ops(Import(m)), testing::ElementsAre("reduce", "sub", "exp", "reduce", "div"));
}

// Before opset 13 the axes from `axis` on are one.
TEST(OnnxImport, OldSoftmaxCoversAllAxesFromItsOwn) {
  for (int opset : {11, 13}) {
    ModelBuilder m(opset);
    m.Input("x", kFloat, {"1", "2", "2"}).Output("y");
    ModelBuilder::SetInt(&m.Node("Softmax", {"x"}, {"y"}), "axis", 1);
    std::vector<double> y = RunOn(Import(m), {{0, 0, 0, 0}});
    EXPECT_NEAR(y[0], opset == 11 ? 0.25 : 0.5, 1e-12);
  }
}

TEST(OnnxImport, SmallPowersAreProducts) {
  for (auto [exponent, ops] :
       std::vector<std::pair<float, std::vector<std::string>>>{{1, {}},
                                                               {2, {"mul"}},
                                                               {3, {"mul", "mul"}},
                                                               {0.5f, {"sqrt"}},
                                                               {-1, {"reciprocal"}},
                                                               {2.5f, {"pow"}}}) {
    ModelBuilder m;
    m.Input("x", kFloat, {"3"}).Output("y");
    m.Floats("e", {1}, {exponent});
    m.Node("Pow", {"x", "e"}, {"y"});
    EXPECT_EQ(Ops(Import(m)), ops) << exponent;
  }
}

TEST(OnnxImport, MeanOverASymbolicExtent) {
  ModelBuilder m;
  m.Input("x", kFloat, {"b", "s"}).Output("y");
  ModelBuilder::SetInt(&m.Node("ReduceMean", {"x"}, {"y"}), "keepdims", 0);
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[]");
  EXPECT_THAT(graph.ToString(), testing::HasSubstr("expr = [b*s]"));
}

// --- shapes ---

TEST(OnnxImport, UnnamedDimsAreNamedAfterTheirPlace) {
  ModelBuilder m;
  m.Input("x", kFloat, {"", "past + 1", "4"}).Output("y");
  m.Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(OutputType(Import(m)), "f32[x.0, past + 1, 4]");
}

TEST(OnnxImport, DimsThatMustAgreeAreAssumedOnce) {
  ModelBuilder m;
  m.Input("x", kFloat, {"n", "3"}).Input("z", kFloat, {"m", "3"}).Output("y");
  m.Node("Add", {"x", "z"}, {"s"});
  m.Node("Mul", {"s", "z"}, {"y"});
  Graph graph = Import(m);
  ASSERT_EQ(graph.guards().size(), 1u);
  EXPECT_THAT(graph.guards()[0].reason, testing::HasSubstr("the_Add"));
}

TEST(OnnxImport, BroadcastAgainstOneIsNoAssumption) {
  ModelBuilder m;
  m.Input("x", kFloat, {"n", "1"}).Input("z", kFloat, {"k"}).Output("y");
  m.Node("Add", {"x", "z"}, {"y"});
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[n, k]");
  EXPECT_TRUE(graph.guards().empty());
}

// Shape -> Gather -> Concat -> Reshape, with the -1 solved symbolically.
TEST(OnnxImport, ReshapeSolvesTheMissingDim) {
  ModelBuilder m;
  m.Input("x", kFloat, {"b", "s", "768"}).Output("y");
  m.Ints("first", {0});
  m.Ints("rest", {-1, 12, 64});
  m.Node("Shape", {"x"}, {"shape"});
  m.Node("Gather", {"shape", "first"}, {"batch"});
  ModelBuilder::SetInt(&m.Node("Concat", {"batch", "rest"}, {"target"}), "axis", 0);
  m.Node("Reshape", {"x", "target"}, {"y"});
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[b, s, 12, 64]");
  EXPECT_TRUE(graph.guards().empty());
}

TEST(OnnxImport, ReshapeAssumesThatASizeDivides) {
  ModelBuilder m;
  m.Input("x", kFloat, {"n"}).Output("y");
  m.Ints("target", {-1, 4});
  m.Node("Reshape", {"x", "target"}, {"y"});
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[floordiv(n, 4), 4]");
  ASSERT_EQ(graph.guards().size(), 1u);
  EXPECT_THAT(graph.guards()[0].reason, testing::HasSubstr("4 divides n"));
}

TEST(OnnxImport, SliceOfASymbolicAxis) {
  ModelBuilder m;
  m.Input("x", kFloat, {"s"}).Output("y");
  m.Ints("start", {-3});
  m.Ints("end", {INT64_MAX});
  m.Node("Slice", {"x", "start", "end"}, {"y"});
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[3]");
  ASSERT_EQ(graph.guards().size(), 1u);  // s >= 3
  EXPECT_THAT(graph.guards()[0].reason, testing::HasSubstr("the_Slice"));
}

TEST(OnnxImport, SliceBackwards) {
  ModelBuilder m;
  m.Input("x", kFloat, {"5"}).Output("y");
  m.Ints("start", {INT64_MAX});
  m.Ints("end", {INT64_MIN});
  m.Ints("axis", {0});
  m.Ints("step", {-2});
  m.Node("Slice", {"x", "start", "end", "axis", "step"}, {"y"});
  EXPECT_THAT(RunOn(Import(m), {{1, 2, 3, 4, 5}}), testing::ElementsAre(5, 3, 1));
}

// NaN is the largest and the smallest of all, and zeros are equal, as numpy has it.
TEST(OnnxImport, ArgReductionsFindTheFirstOrLastOfTheBest) {
  auto place = [](const std::string& op, bool last, const std::vector<double>& x) {
    ModelBuilder m;
    m.Input("x", kFloat, {std::to_string(x.size())}).Output("y");
    ModelBuilder::SetInt(&m.Node(op, {"x"}, {"i"}), "select_last_index", last);
    ModelBuilder::SetInt(&m.Node("Cast", {"i"}, {"y"}), "to", kFloat);
    return RunOn(Import(m), {x})[0];
  };
  const double inf = HUGE_VAL;
  EXPECT_EQ(place("ArgMax", false, {1, 5, -inf, 5, 2}), 1);
  EXPECT_EQ(place("ArgMax", true, {1, 5, -inf, 5, 2}), 3);
  EXPECT_EQ(place("ArgMin", false, {1, -inf, 5, -inf, 2}), 1);
  EXPECT_EQ(place("ArgMin", true, {1, -inf, 5, -inf, 2}), 3);
  EXPECT_EQ(place("ArgMax", false, {-inf, -inf}), 0);
  for (const char* op : {"ArgMax", "ArgMin"}) {
    EXPECT_EQ(place(op, false, {-0.0, 0.0, 0.0}), 0);
    EXPECT_EQ(place(op, true, {0.0, 0.0, -0.0}), 2);
    EXPECT_EQ(place(op, false, {inf, NAN, -inf, NAN, 1}), 1);
    EXPECT_EQ(place(op, true, {inf, NAN, -inf, NAN, 1}), 3);
  }
}

// --- products ---

TEST(OnnxImport, LeadingDimsOfAProductAreRows) {
  ModelBuilder m;
  m.Input("x", kFloat, {"b", "s", "4"}).Output("y");
  m.Floats("w", {4, 2}, std::vector<float>(8, 1));
  m.Node("MatMul", {"x", "w"}, {"y"});
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[b, s, 2]");
  EXPECT_THAT(graph.ToString(), testing::HasSubstr("f32[b*s, 2]"));
}

TEST(OnnxImport, ProductOfVectors) {
  ModelBuilder m;
  m.Input("x", kFloat, {"3"}).Output("y");
  m.Floats("w", {3}, {1, 2, 3});
  m.Node("MatMul", {"x", "w"}, {"y"});
  Graph graph = Import(m);
  EXPECT_EQ(OutputType(graph), "f32[]");
  EXPECT_THAT(RunOn(graph, {{1, 1, 2}}), testing::ElementsAre(9));
}

TEST(OnnxImport, BatchesOfAProductRepeat) {
  ModelBuilder m;
  m.Input("x", kFloat, {"b", "1", "2", "3"}).Input("z", kFloat, {"h", "3", "5"}).Output("y");
  m.Node("MatMul", {"x", "z"}, {"y"});
  EXPECT_EQ(OutputType(Import(m)), "f32[b, h, 2, 5]");
}

// --- gather ---

TEST(OnnxImport, OnlyUnknownIndicesAreNormalized) {
  ModelBuilder known;
  known.Input("x", kFloat, {"5"}).Output("y");
  known.Ints("i", {4, 0, 2});
  known.Node("Gather", {"x", "i"}, {"y"});
  EXPECT_THAT(Ops(Import(known)), testing::ElementsAre("gather"));

  ModelBuilder unknown;
  unknown.Input("x", kFloat, {"5"}).Input("i", kInt64, {"3"}).Output("y");
  unknown.Node("Gather", {"x", "i"}, {"y"});
  EXPECT_THAT(Ops(Import(unknown)), testing::ElementsAre("less", "add", "select", "gather"));
}

TEST(OnnxImport, NegativeIndexCountsFromTheEnd) {
  ModelBuilder m;
  m.Input("x", kFloat, {"5"}).Output("y");
  m.Ints("i", {-1, 0, -2});
  m.Node("Gather", {"x", "i"}, {"y"});
  EXPECT_THAT(RunOn(Import(m), {{1, 2, 3, 4, 5}}), testing::ElementsAre(5, 1, 4));
}

// --- functions, branches, dead nodes ---

TEST(OnnxImport, FunctionsExpandWithTheirAttributes) {
  ModelBuilder m;
  m.Input("x", kFloat, {"2"}).Output("y");
  m.model().add_opset_import()->set_domain("local");
  m.model().mutable_opset_import(1)->set_version(1);
  onnx::NodeProto& call = m.Node("Leak", {"x"}, {"y"});
  call.set_domain("local");
  ModelBuilder::Attribute(&call, "slope", onnx::AttributeProto::FLOAT)->set_f(0.5f);
  onnx::FunctionProto* f = m.model().add_functions();
  f->set_name("Leak");
  f->set_domain("local");
  f->add_input("a");
  f->add_input("unused");
  f->add_output("b");
  f->add_attribute("slope");
  f->add_opset_import()->set_version(18);
  onnx::NodeProto& body = ModelBuilder::AddNode(f->add_node(), "LeakyRelu", {"a"}, {"b"});
  ModelBuilder::Attribute(&body, "alpha", onnx::AttributeProto::FLOAT)->set_ref_attr_name("slope");
  Graph graph = Import(m);
  EXPECT_THAT(RunOn(graph, {{-4, 4}}), testing::ElementsAre(-2, 4));
  EXPECT_THAT(graph.source_names, testing::ElementsAre("the_Leak/the_LeakyRelu"));
}

TEST(OnnxImport, KnownConditionTakesItsBranch) {
  for (int condition : {0, 1}) {
    ModelBuilder m;
    m.Input("x", kFloat, {"2"}).Output("y");
    m.Tensor("c", kBoolean, {}).add_int32_data(condition);
    onnx::NodeProto& node = m.Node("If", {"c"}, {"y"});
    for (const char* branch : {"then_branch", "else_branch"}) {
      onnx::GraphProto* g =
          ModelBuilder::Attribute(&node, branch, onnx::AttributeProto::GRAPH)->mutable_g();
      ModelBuilder::AddNode(g->add_node(), branch[0] == 't' ? "Neg" : "Abs", {"x"}, {"r"});
      g->add_output()->set_name("r");
    }
    EXPECT_THAT(RunOn(Import(m), {{-3, 3}}),
                condition ? testing::ElementsAre(3, -3) : testing::ElementsAre(3, 3));
  }
}

TEST(OnnxImport, NodesThatNothingNeedsMayBeUnknown) {
  ModelBuilder m;
  m.Input("x", kFloat, {"2"}).Output("y");
  m.Node("Frobnicate", {"x"}, {"nothing"});
  m.Node("Relu", {"x"}, {"y"});
  EXPECT_THAT(Import(m).source_names, testing::ElementsAre("the_Frobnicate", "the_Relu"));
}

TEST(OnnxImport, InitializersThatAreAlsoInputsAreConstants) {
  ModelBuilder m;
  m.Input("x", kFloat, {"2"}).Input("w", kFloat, {"2"}).Output("y");
  m.Floats("w", {2}, {1, 2});
  m.Node("Add", {"x", "w"}, {"y"});
  EXPECT_EQ(Import(m).inputs().size(), 1u);
}

TEST(OnnxImport, FixedInputsAreKnown) {
  ModelBuilder m;
  m.Input("x", kFloat, {"6"}).Input("shape", kInt64, {"2"}).Output("y");
  m.Node("Reshape", {"x", "shape"}, {"y"});
  ImportOptions options;
  std::vector<int64_t> shape = {2, 3};
  options.fixed_inputs["shape"] = IntsLiteral(ElementType::kI64, shape);
  Graph graph = Import(m, "", options);
  EXPECT_EQ(OutputType(graph), "f32[2, 3]");
  EXPECT_EQ(graph.inputs().size(), 1u);
  options.fixed_inputs["shape"] = IntsLiteral(ElementType::kI64, std::vector<int64_t>{6});
  EXPECT_FALSE(m.Import("", options).ok());  // declared with two elements
  options.fixed_inputs = {{"nobody", IntsLiteral(ElementType::kI64, shape)}};
  EXPECT_FALSE(m.Import("", options).ok());
}

// --- weights ---

TEST(OnnxImport, ExternalDataIsMappedNotCopied) {
  TemporaryFolder folder;
  std::vector<float> data(4096);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
  std::string bytes(64, '\0');
  bytes.append(reinterpret_cast<const char*>(data.data()), data.size() * 4);
  folder.Write("w.data", bytes);
  ModelBuilder m;
  m.Input("x", kFloat, {"2048"}).Output("y");
  m.External("w", {2048}, "w.data", "64");
  m.External("v", {2048}, "./w.data", "8256");
  m.Node("Add", {"x", "w"}, {"h"});
  m.Node("Add", {"h", "v"}, {"y"});
  Graph graph = Import(m, folder.path());
  std::vector<LiteralRef> literals;
  for (int i = 0; i < graph.size(); ++i) {
    LiteralRef literal = graph.Constant(Value{NodeId(i)});
    if (literal != nullptr) literals.push_back(literal);
  }
  ASSERT_EQ(literals.size(), 2u);
  EXPECT_EQ(literals[0]->AsDouble(5), 5);
  EXPECT_EQ(literals[1]->AsDouble(5), 2053);
  EXPECT_EQ(literals[0]->owner, literals[1]->owner);  // one mapping
}

// A model with one missing weight per role.
ModelBuilder WithMissingWeights() {
  ModelBuilder m;
  m.Input("x", kFloat, {"b", "64"}).Input("c", kFloat, {"b", "4", "3"}).Output("y").Output("n");
  m.External("matrix", {64, 32}, "none");
  m.External("table", {100, 32}, "none");
  m.External("transposed", {8, 32}, "none");
  m.Node("MatMul", {"x", "matrix"}, {"h"});
  m.Tensor("indices", kInt64, {50}).set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto* entry = m.graph().mutable_initializer(3)->add_external_data();
  entry->set_key("location");
  entry->set_value("none");
  m.Node("Gather", {"table", "indices"}, {"rows"});
  ModelBuilder::SetInt(&m.Node("Gemm", {"rows", "transposed"}, {"g"}), "transB", 1);
  m.Node("ReduceSum", {"h"}, {"s"});
  m.Node("ReduceSum", {"g"}, {"t"});
  m.Node("Add", {"s", "t"}, {"y"});
  for (const char* name : {"scale", "bias", "mean", "variance"}) m.External(name, {4}, "none");
  m.Node("BatchNormalization", {"c", "scale", "bias", "mean", "variance"}, {"n"});
  return m;
}

// The large literals of that model, by their dims; the four vectors in the order of their use.
std::map<std::string, std::vector<LiteralRef>> Drawn(uint64_t seed) {
  TemporaryFolder folder;
  ImportOptions options;
  options.random_weights_seed = seed;
  Graph graph = Import(WithMissingWeights(), folder.path(), options);
  std::map<std::string, std::vector<LiteralRef>> result;
  for (int i = 0; i < graph.size(); ++i) {
    LiteralRef literal = graph.Constant(Value{NodeId(i)});
    if (literal == nullptr || literal->count() < 4) continue;
    result[graph.type(Value{NodeId(i)}).ToString()].push_back(literal);
  }
  return result;
}

double Deviation(const Literal& literal) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < literal.count(); ++i) {
    sum += literal.AsDouble(i);
    squares += literal.AsDouble(i) * literal.AsDouble(i);
  }
  double mean = sum / literal.count();
  EXPECT_NEAR(mean, 0, 0.1);
  return std::sqrt(squares / literal.count() - mean * mean);
}

TEST(OnnxWeights, AreDrawnByTheirRole) {
  auto drawn = Drawn(1);
  ASSERT_EQ(drawn["f32[64, 32]"].size(), 1u);
  EXPECT_NEAR(Deviation(*drawn["f32[64, 32]"][0]), 1 / std::sqrt(64.0), 0.01);
  EXPECT_NEAR(Deviation(*drawn["f32[100, 32]"][0]), 0.5, 0.03);
  // Transposed on the way: the fan-in is the second dim.
  EXPECT_NEAR(Deviation(*drawn["f32[8, 32]"][0]), 1 / std::sqrt(32.0), 0.03);
  const Literal& indices = *drawn["i64[50]"].at(0);
  int64_t largest = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_GE(indices.AsInt64(i), 0);
    EXPECT_LT(indices.AsInt64(i), 100);
    largest = std::max(largest, indices.AsInt64(i));
  }
  EXPECT_GT(largest, 50);
  ASSERT_EQ(drawn["f32[4]"].size(), 4u);
  for (int i = 0; i < 4; ++i) {  // scale and variance
    EXPECT_GT(drawn["f32[4]"][0]->AsDouble(i), 0);
    EXPECT_GT(drawn["f32[4]"][3]->AsDouble(i), 0);
  }
}

TEST(OnnxWeights, DependOnTheSeedAlone) {
  auto first = Drawn(1), again = Drawn(1), other = Drawn(2);
  const Literal &a = *first["f32[64, 32]"][0], &b = *again["f32[64, 32]"][0];
  EXPECT_EQ(memcmp(a.data, b.data, a.bytes()), 0);
  EXPECT_NE(memcmp(a.data, other["f32[64, 32]"][0]->data, a.bytes()), 0);
}

// --- tensor files ---

TEST(OnnxTensorFile, ReadsTypedAndRawData) {
  onnx::TensorProto t;
  t.set_data_type(kInt64);
  t.add_dims(2);
  t.add_int64_data(-7);
  t.add_int64_data(9);
  auto typed = ReadOnnxTensorBytes(t.SerializeAsString());
  ASSERT_TRUE(typed.ok()) << typed.status();
  EXPECT_EQ((*typed)->AsInt64(0), -7);
  t.clear_int64_data();
  int64_t raw[] = {1, -2};
  t.set_raw_data(raw, sizeof(raw));
  auto from_raw = ReadOnnxTensorBytes(t.SerializeAsString());
  ASSERT_TRUE(from_raw.ok()) << from_raw.status();
  EXPECT_EQ((*from_raw)->AsInt64(1), -2);
}

TEST(OnnxTensorFile, BoolsAreZeroOrOne) {
  onnx::TensorProto t;
  t.set_data_type(kBoolean);
  t.add_dims(3);
  t.set_raw_data(std::string("\x00\x07\xff", 3));
  auto literal = ReadOnnxTensorBytes(t.SerializeAsString());
  ASSERT_TRUE(literal.ok());
  const uint8_t* data = static_cast<const uint8_t*>((*literal)->data);
  EXPECT_THAT(std::vector<uint8_t>(data, data + 3), testing::ElementsAre(0, 1, 1));
}

TEST(OnnxTensorFile, ErrorsNameTheFile) {
  TemporaryFolder folder;
  std::string path = folder.Write("input_0.pb", "\x08\x02");  // a dim of 2 and no type
  auto literal = ReadOnnxTensorFile(path);
  ASSERT_FALSE(literal.ok());
  EXPECT_THAT(std::string(literal.status().message()), testing::HasSubstr("input_0.pb"));
}

TEST(MappedFile, ResolveInsideFollowsLinksThatStay) {
  TemporaryFolder folder;
  std::string path = folder.Write("w.data", "x");
  ASSERT_EQ(symlink("w.data", (folder.path() + "/link").c_str()), 0);
  auto resolved = ResolveInside(folder.path(), "link");
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_THAT(*resolved, testing::EndsWith("/w.data"));
  EXPECT_TRUE(absl::IsNotFound(ResolveInside(folder.path(), "none").status()));
}

TEST(SupportedOnnxOps, AreSortedAndUnique) {
  std::vector<std::string> ops = SupportedOnnxOps();
  EXPECT_TRUE(std::is_sorted(ops.begin(), ops.end()));
  EXPECT_EQ(std::adjacent_find(ops.begin(), ops.end()), ops.end());
  EXPECT_THAT(ops,
              testing::IsSupersetOf({"Add", "If", "LayerNormalization", "com.microsoft.Gelu"}));
}

}  // namespace
}  // namespace skein
