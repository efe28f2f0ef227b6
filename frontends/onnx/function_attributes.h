// Bodies of model-local functions, with the attributes of a call filled in.
#ifndef SKEIN_FRONTENDS_ONNX_FUNCTION_ATTRIBUTES_H_
#define SKEIN_FRONTENDS_ONNX_FUNCTION_ATTRIBUTES_H_

#include <string>

#include "onnx/onnx_pb.h"

namespace skein {

// The nodes of `function`, where every attribute that refers to one of the function's
// (ref_attr_name) has the value that `call` gives, or the function's default; without either it is
// left out. Also inside sub-graphs.
google::protobuf::RepeatedPtrField<onnx::NodeProto> WithAttributes(
    const onnx::FunctionProto& function, const onnx::NodeProto& call);

// Makes every input called `name` an absent one.
void RemoveInput(const std::string& name,
                 google::protobuf::RepeatedPtrField<onnx::NodeProto>* nodes);

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_FUNCTION_ATTRIBUTES_H_
