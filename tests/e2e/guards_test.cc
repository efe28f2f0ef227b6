// Sizes that break an assumption of the importer: the graph is built again for them, compiled once, and reported.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontends/onnx/import.h"
#include "onnx/onnx_pb.h"
#include "runtime/program.h"
#include "runtime/verify.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

// sum = x[p] + y[q], which the importer reads as p = q; numpy's rule also allows 1 for either.
std::string SumModel() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto* graph = model.mutable_graph();
  graph->set_name("sum");
  for (const auto& [name, dim] : {std::pair("x", "p"), std::pair("y", "q")}) {
    onnx::ValueInfoProto* input = graph->add_input();
    input->set_name(name);
    onnx::TypeProto::Tensor* type = input->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    type->mutable_shape()->add_dim()->set_dim_param(dim);
  }
  onnx::NodeProto* node = graph->add_node();
  node->set_name("/Sum");
  node->set_op_type("Add");
  node->add_input("x");
  node->add_input("y");
  node->add_output("sum");
  onnx::ValueInfoProto* output = graph->add_output();
  output->set_name("sum");
  output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  return model.SerializeAsString();
}

TEST(Guards, AFrontEndBuildsTheVariantOnce) {
  const std::string bytes = SumModel();
  const Graph graph = *ImportOnnxBytes(bytes, "");
  ASSERT_EQ(graph.guards().size(), 1u);
  CompileOptions options;
  int rebuilt = 0;
  options.rebuild = [&](const SymbolMap& fixed) {
    ++rebuilt;
    ImportOptions import;
    import.fixed_symbols = fixed;
    return ImportOnnxBytes(bytes, "", import);
  };
  const std::unique_ptr<Program> program = *Program::Compile(graph, options);
  auto run = [&](int64_t p, int64_t q) {
    std::vector<HostTensor> inputs = *DrawInputs(graph, {{"p", p}, {"q", q}}, 1);
    const auto outputs = RunProgram(*program, inputs);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ASSERT_EQ((*outputs)[0].count(), std::max(p, q));
    const auto* x = reinterpret_cast<const float*>(inputs[0].bytes.data());
    const auto* y = reinterpret_cast<const float*>(inputs[1].bytes.data());
    const auto* sum = reinterpret_cast<const float*>((*outputs)[0].bytes.data());
    for (int64_t i = 0; i < std::max(p, q); ++i) EXPECT_EQ(sum[i], x[p == 1 ? 0 : i] + y[q == 1 ? 0 : i]);
  };
  run(5, 5);
  EXPECT_EQ(program->stats().variants, 1);
  run(5, 1);
  const CompileStats stats = program->stats();
  EXPECT_EQ(stats.variants, 2);
  ASSERT_EQ(stats.failed_guards.size(), 1u);
  EXPECT_THAT(stats.failed_guards[0], testing::HasSubstr("q = 1"));
  EXPECT_THAT(stats.failed_guards[0], testing::HasSubstr("/Sum"));
  run(5, 1);
  run(7, 7);
  EXPECT_EQ(rebuilt, 1);
  run(1, 6);
  EXPECT_EQ(program->stats().variants, 3);

  std::vector<HostTensor> inputs = *DrawInputs(graph, {{"p", 5}, {"q", 1}}, 1);
  std::vector<HostTensor> outputs;
  outputs.emplace_back(ElementType::kF32, std::vector<int64_t>{5});
  const auto report = VerifyProgram(*program, graph, Views(inputs), Views(outputs));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->passed) << report->ToString();
  EXPECT_EQ(report->outputs.size(), 1u);

  std::vector<HostTensor> neither = *DrawInputs(graph, {{"p", 5}, {"q", 6}}, 1);
  const absl::Status status = RunProgram(*program, neither).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/Sum"));
}

TEST(Guards, AVariantHasTheSameInputsAndOutputs) {
  const Graph graph = *ImportOnnxBytes(SumModel(), "");
  CompileOptions options;
  options.rebuild = [](const SymbolMap&) -> absl::StatusOr<Graph> {
    return ParseGraph("%0 = input() {name = \"x\"} : f32[3]\noutput \"sum\" = %0\n");
  };
  const std::unique_ptr<Program> program = *Program::Compile(graph, options);
  std::vector<HostTensor> inputs = *DrawInputs(graph, {{"p", 5}, {"q", 1}}, 1);
  const absl::Status status = RunProgram(*program, inputs).status();
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("other inputs or outputs"));
}

}  // namespace
}  // namespace skein
