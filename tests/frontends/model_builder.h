// Small ONNX models made by tests.
#ifndef SKEIN_TESTS_FRONTENDS_MODEL_BUILDER_H_
#define SKEIN_TESTS_FRONTENDS_MODEL_BUILDER_H_

#include <cstring>
#include <string>
#include <vector>

#include "frontends/onnx/import.h"
#include "onnx/onnx_pb.h"

namespace skein {

inline constexpr int kFloat = onnx::TensorProto::FLOAT;
inline constexpr int kInt64 = onnx::TensorProto::INT64;
inline constexpr int kBoolean = onnx::TensorProto::BOOL;

class ModelBuilder {
 public:
  explicit ModelBuilder(int opset = 18) {
    model_.set_ir_version(8);
    model_.add_opset_import()->set_version(opset);
    graph().set_name("test");
  }

  onnx::ModelProto& model() { return model_; }
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  // A dim is a number or, if it does not start with a digit or '-', a dim_param; "" has neither.
  ModelBuilder& Input(const std::string& name, int type, const std::vector<std::string>& dims) {
    SetType(graph().add_input(), name, type, dims);
    return *this;
  }
  ModelBuilder& Output(const std::string& name, int type = 0) {
    onnx::ValueInfoProto* output = graph().add_output();
    output->set_name(name);
    if (type != 0) output->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    return *this;
  }
  onnx::NodeProto& Node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs) {
    return AddNode(graph().add_node(), op, inputs, outputs);
  }
  static onnx::NodeProto& AddNode(onnx::NodeProto* node, const std::string& op,
                                  const std::vector<std::string>& inputs,
                                  const std::vector<std::string>& outputs) {
    node->set_op_type(op);
    node->set_name("the_" + op);
    for (const std::string& input : inputs) node->add_input(input);
    for (const std::string& output : outputs) node->add_output(output);
    return *node;
  }
  onnx::TensorProto& Ints(const std::string& name, const std::vector<int64_t>& values) {
    onnx::TensorProto& t = Tensor(name, kInt64, {static_cast<int64_t>(values.size())});
    for (int64_t v : values) t.add_int64_data(v);
    return t;
  }
  onnx::TensorProto& Floats(const std::string& name, const std::vector<int64_t>& dims,
                            const std::vector<float>& values) {
    onnx::TensorProto& t = Tensor(name, kFloat, dims);
    for (float v : values) t.add_float_data(v);
    return t;
  }
  onnx::TensorProto& Tensor(const std::string& name, int type, const std::vector<int64_t>& dims) {
    onnx::TensorProto* t = graph().add_initializer();
    t->set_name(name);
    t->set_data_type(type);
    for (int64_t d : dims) t->add_dims(d);
    return *t;
  }
  onnx::TensorProto& External(const std::string& name, const std::vector<int64_t>& dims,
                              const std::string& location, const std::string& offset = "",
                              const std::string& length = "") {
    onnx::TensorProto& t = Tensor(name, kFloat, dims);
    t.set_data_location(onnx::TensorProto::EXTERNAL);
    AddEntry(&t, "location", location);
    if (!offset.empty()) AddEntry(&t, "offset", offset);
    if (!length.empty()) AddEntry(&t, "length", length);
    return t;
  }

  absl::StatusOr<Graph> Import(const std::string& folder = "",
                               const ImportOptions& options = {}) const {
    return ImportOnnxBytes(model_.SerializeAsString(), folder, options);
  }

  static onnx::AttributeProto* Attribute(onnx::NodeProto* node, const std::string& name,
                                         onnx::AttributeProto::AttributeType type) {
    onnx::AttributeProto* a = node->add_attribute();
    a->set_name(name);
    a->set_type(type);
    return a;
  }
  static void SetInt(onnx::NodeProto* node, const std::string& name, int64_t value) {
    Attribute(node, name, onnx::AttributeProto::INT)->set_i(value);
  }
  static void SetInts(onnx::NodeProto* node, const std::string& name,
                      const std::vector<int64_t>& values) {
    onnx::AttributeProto* a = Attribute(node, name, onnx::AttributeProto::INTS);
    for (int64_t v : values) a->add_ints(v);
  }
  static void SetString(onnx::NodeProto* node, const std::string& name, const std::string& value) {
    Attribute(node, name, onnx::AttributeProto::STRING)->set_s(value);
  }

 private:
  static void AddEntry(onnx::TensorProto* t, const std::string& key, const std::string& value) {
    onnx::StringStringEntryProto* entry = t->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  static void SetType(onnx::ValueInfoProto* info, const std::string& name, int type,
                      const std::vector<std::string>& dims) {
    info->set_name(name);
    onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape();
    for (const std::string& d : dims) {
      onnx::TensorShapeProto::Dimension* dim = tensor->mutable_shape()->add_dim();
      if (d.empty()) continue;
      if (isdigit(d[0]) || d[0] == '-') {
        dim->set_dim_value(std::stoll(d));
      } else {
        dim->set_dim_param(d);
      }
    }
  }

  onnx::ModelProto model_;
};

// An empty folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  std::string Write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

}  // namespace skein

#endif  // SKEIN_TESTS_FRONTENDS_MODEL_BUILDER_H_
