#include "frontends/onnx/function_attributes.h"

#include <map>

#include "google/protobuf/unknown_field_set.h"

namespace skein {
namespace {

using AttributeMap = std::map<std::string, onnx::AttributeProto>;

// FunctionProto.attribute_proto (since IR version 9), which the headers of ONNX 1.12 lack.
constexpr int kAttributeProtoField = 11;

AttributeMap DefaultsOf(const onnx::FunctionProto& function) {
  AttributeMap result;
  const google::protobuf::UnknownFieldSet& fields = function.unknown_fields();
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::UnknownField& field = fields.field(i);
    if (field.number() != kAttributeProtoField ||
        field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      continue;
    }
    onnx::AttributeProto attribute;
    if (attribute.ParseFromString(field.length_delimited())) {
      result[attribute.name()] = attribute;
    }
  }
  return result;
}

void Resolve(const AttributeMap& values, onnx::NodeProto* node) {
  auto* attributes = node->mutable_attribute();
  for (int i = 0; i < attributes->size();) {
    onnx::AttributeProto* attribute = attributes->Mutable(i);
    if (attribute->has_g()) {
      for (onnx::NodeProto& inner : *attribute->mutable_g()->mutable_node()) {
        Resolve(values, &inner);
      }
    }
    if (attribute->ref_attr_name().empty()) {
      ++i;
      continue;
    }
    auto value = values.find(attribute->ref_attr_name());
    if (value == values.end()) {
      attributes->DeleteSubrange(i, 1);
      continue;
    }
    std::string name = attribute->name();
    *attribute = value->second;
    attribute->set_name(name);
    ++i;
  }
}

}  // namespace

google::protobuf::RepeatedPtrField<onnx::NodeProto> WithAttributes(
    const onnx::FunctionProto& function, const onnx::NodeProto& call) {
  AttributeMap values = DefaultsOf(function);
  for (const onnx::AttributeProto& a : call.attribute()) values[a.name()] = a;
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes = function.node();
  for (onnx::NodeProto& node : nodes) Resolve(values, &node);
  return nodes;
}

void RemoveInput(const std::string& name,
                 google::protobuf::RepeatedPtrField<onnx::NodeProto>* nodes) {
  for (onnx::NodeProto& node : *nodes) {
    for (std::string& input : *node.mutable_input()) {
      if (input == name) input.clear();
    }
  }
}

}  // namespace skein
