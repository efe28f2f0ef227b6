// TensorProto files, as in ONNX test data (input_0.pb).
#ifndef SKEIN_FRONTENDS_ONNX_TENSOR_FILE_H_
#define SKEIN_FRONTENDS_ONNX_TENSOR_FILE_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

// Errors: InvalidArgument naming the file, for a file that is not a whole TensorProto or whose data
// do not fit its dims; Unimplemented for strings, complex numbers and 8-bit floats.
absl::StatusOr<LiteralRef> ReadOnnxTensorFile(const std::string& path);
absl::StatusOr<LiteralRef> ReadOnnxTensorBytes(std::string_view bytes);

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_TENSOR_FILE_H_
