// TensorProto to Literal.
#ifndef SKEIN_FRONTENDS_ONNX_TENSOR_LITERAL_H_
#define SKEIN_FRONTENDS_ONNX_TENSOR_LITERAL_H_

#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "frontends/onnx/mapped_file.h"
#include "ir/graph.h"
#include "onnx/onnx_pb.h"

namespace skein {

// Dims beyond this are a broken file, not a tensor; the machinery after us copies dim lists freely.
inline constexpr int kMaxRank = 32;
// No machine addresses more bytes than this; a tensor that is larger comes from a broken file.
inline constexpr int64_t kMaxTensorBytes = int64_t{1} << 47;

// Errors: Unimplemented for strings, complex numbers and 8-bit floats, InvalidArgument for a number
// that is no type.
absl::StatusOr<ElementType> ElementTypeOf(int onnx_type);

struct TensorHeader {
  ElementType element;
  std::vector<int64_t> dims;
  int64_t count = 0, bytes = 0;
};
// Errors: InvalidArgument for negative dims, too many of them, or more than kMaxTensorBytes.
absl::StatusOr<TensorHeader> HeaderOf(const onnx::TensorProto& tensor);

// The external files of one model, each mapped once.
class ExternalFiles {
 public:
  explicit ExternalFiles(std::string folder) : folder_(std::move(folder)) {}
  // The bytes of a tensor whose data_location is EXTERNAL, at least `bytes` of them.
  // Errors: NotFound if the file does not exist; InvalidArgument if it lies outside the folder or
  // the offset or length do not fit.
  absl::StatusOr<const char*> Find(const onnx::TensorProto& tensor, int64_t bytes,
                                   std::shared_ptr<const void>* owner);

 private:
  std::string folder_;
  // As the model spells it, and as the system does: one is asked for every tensor, the other costs system calls.
  std::map<std::string, std::shared_ptr<const MappedFile>> by_location_, by_path_;
};

bool IsExternal(const onnx::TensorProto& tensor);

// `owner` keeps `tensor` alive; large data are not copied but shared with it. Null: all is copied.
// Errors: as above; InvalidArgument if the data do not fit the dims.
absl::StatusOr<LiteralRef> LiteralOf(const onnx::TensorProto& tensor,
                                     std::shared_ptr<const void> owner, ExternalFiles* files);

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_TENSOR_LITERAL_H_
