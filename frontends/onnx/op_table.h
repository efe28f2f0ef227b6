// The operators that can be imported, one function each, grouped as the source files are.
#ifndef SKEIN_FRONTENDS_ONNX_OP_TABLE_H_
#define SKEIN_FRONTENDS_ONNX_OP_TABLE_H_

#include <span>
#include <string_view>
#include <vector>

#include "frontends/onnx/node_import.h"

namespace skein {

inline constexpr int kAnyCount = INT32_MAX;

struct OnnxOp {
  std::string_view name;       // "domain.Name" where the domain is not ai.onnx
  int min_inputs, max_inputs;  // the first min_inputs are there when `import` is called
  // Sets every output that the node has through NodeImport::Out, or fails.
  void (*import)(NodeImport& n);
};

std::span<const OnnxOp> PointwiseOps();   // import_pointwise.cc
std::span<const OnnxOp> ActivationOps();  // import_activation.cc
std::span<const OnnxOp> MovementOps();    // import_movement.cc
std::span<const OnnxOp> SliceOps();       // import_slice.cc
std::span<const OnnxOp> GatherOps();      // import_gather.cc
std::span<const OnnxOp> ReduceOps();      // import_reduce.cc
std::span<const OnnxOp> ArgReduceOps();   // import_arg_reduce.cc
std::span<const OnnxOp> MatMulOps();      // import_matmul.cc
std::span<const OnnxOp> NormOps();        // import_norm.cc
std::span<const OnnxOp> ShapeOps();       // import_shape.cc
std::span<const OnnxOp> QuantizeOps();    // import_quantize.cc

// All of them, by group.
std::vector<std::span<const OnnxOp>> OnnxOpGroups();

// Null if there is no such operator.
const OnnxOp* FindOnnxOp(std::string_view domain, std::string_view name);

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_OP_TABLE_H_
