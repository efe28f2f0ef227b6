// The five exported graphs of tests/graphs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "frontends/onnx/import.h"
#include "ir/op.h"

namespace skein {
namespace {

Graph ImportGraph(const std::string& name) {
  ImportOptions options;
  options.random_weights_seed = 7;
  absl::StatusOr<Graph> graph =
      ImportOnnx(std::string(SKEIN_SOURCE_DIR "/tests/graphs/") + name + ".onnx", options);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *std::move(graph) : Graph();
}

std::vector<std::string> OutputTypes(const Graph& graph) {
  std::vector<std::string> result;
  for (const Graph::Named& output : graph.outputs()) {
    result.push_back(output.name + " " + graph.type(output.value).ToString());
  }
  return result;
}

std::vector<std::string> GuardConditions(const Graph& graph) {
  std::vector<std::string> result;
  for (const Guard& guard : graph.guards()) result.push_back(guard.condition.ToString());
  return result;
}

// How often each op occurs among what the outputs need, shape arithmetic left out.
std::map<std::string, int> LiveOps(const Graph& graph) {
  std::vector<bool> live(graph.size(), false);
  for (const Graph::Named& output : graph.outputs()) live[output.value.node.index] = true;
  std::map<std::string, int> counts;
  for (int i = graph.size() - 1; i >= 0; --i) {
    const Node& node = graph.node(NodeId(i));
    if (!live[i] || graph.Known(Value{NodeId(i)})) continue;
    ++counts[std::string(Name(node.op))];
    for (Value v : node.operands) live[v.node.index] = true;
  }
  return counts;
}

TEST(OnnxGraphs, BertShapesStaySymbolic) {
  Graph graph = ImportGraph("bert-base");
  EXPECT_THAT(OutputTypes(graph), testing::ElementsAre("last_hidden_state f32[batch, seq, 768]",
                                                       "pooled f32[batch, 768]"));
  // The position table has 512 rows, and the first token is picked.
  EXPECT_THAT(GuardConditions(graph),
              testing::UnorderedElementsAre("less(seq, 513)", "less(0, seq)"));
  EXPECT_TRUE(Verify(graph).ok()) << Verify(graph);
}

// Two exporters of one model: the same primitives but for the score scale (once on q and k, once on
// the scores), softmax's NaN guard, and movement.
TEST(OnnxGraphs, BertExportsAreTheSamePrimitives) {
  std::map<std::string, int> dynamo = LiveOps(ImportGraph("bert-base"));
  std::map<std::string, int> script = LiveOps(ImportGraph("bert-base-legacy"));
  for (const char* op : {"dot", "reduce", "sub", "exp", "div", "sqrt", "erf", "tanh", "add"}) {
    EXPECT_EQ(dynamo[op], script[op]) << op;
  }
  EXPECT_EQ(dynamo["dot"], 12 * 8 + 1);
  EXPECT_EQ(dynamo["reduce"], 25 * 2 + 12 * 2);
  EXPECT_EQ(dynamo["mul"], script["mul"] + 12);
  EXPECT_EQ(dynamo["is_nan"], 12);
  EXPECT_EQ(script["is_nan"], 0);
  EXPECT_EQ(dynamo["pow"] + script["pow"], 0);
}

TEST(OnnxGraphs, BertLegacy) {
  Graph graph = ImportGraph("bert-base-legacy");
  EXPECT_THAT(OutputTypes(graph), testing::ElementsAre("last_hidden_state f32[batch, seq, 768]",
                                                       "pooled f32[batch, 768]"));
  EXPECT_TRUE(Verify(graph).ok()) << Verify(graph);
}

TEST(OnnxGraphs, Gpt2) {
  Graph graph = ImportGraph("gpt2-prefill");
  EXPECT_THAT(OutputTypes(graph), testing::ElementsAre("logits f32[batch, seq, 50257]"));
  EXPECT_THAT(GuardConditions(graph),
              testing::UnorderedElementsAre("less(seq, 1025)", "less(0, seq)"));
}

TEST(OnnxGraphs, LlamaPrefill) {
  Graph graph = ImportGraph("llama-prefill");
  EXPECT_THAT(OutputTypes(graph), testing::ElementsAre("logits f32[batch, seq, 32000]"));
  EXPECT_THAT(GuardConditions(graph), testing::IsEmpty());
}

TEST(OnnxGraphs, LlamaDecodeAddsOneToThePast) {
  Graph graph = ImportGraph("llama-decode");
  std::vector<std::string> types = OutputTypes(graph);
  ASSERT_EQ(types.size(), 13u);
  EXPECT_EQ(types[0], "logits f32[batch, 1, 32000]");
  EXPECT_EQ(types[12], "present.5.value f32[batch, 4, past + 1, 64]");
  EXPECT_EQ(graph.type(graph.inputs()[1].value).ToString(), "i64[batch, past + 1]");
  EXPECT_THAT(GuardConditions(graph), testing::IsEmpty());
}

TEST(OnnxGraphs, EveryNodeIsASource) {
  Graph graph = ImportGraph("bert-base");
  EXPECT_EQ(graph.source_names.size(), 543u);
  EXPECT_EQ(graph.source_names[1], "node_sym_size_int_3");
  for (int i = 0; i < graph.size(); ++i) {
    if (graph.node(NodeId(i)).op == Op::input) continue;
    ASSERT_FALSE(graph.origins(NodeId(i)).empty()) << "%" << i;
  }
}

TEST(OnnxGraphs, MissingWeightsAreAnErrorWithoutASeed) {
  absl::StatusOr<Graph> graph = ImportOnnx(SKEIN_SOURCE_DIR "/tests/graphs/bert-base.onnx");
  ASSERT_TRUE(absl::IsInvalidArgument(graph.status()));
  EXPECT_THAT(std::string(graph.status().message()),
              testing::HasSubstr("m.embeddings.word_embeddings.weight"));
}

}  // namespace
}  // namespace skein
