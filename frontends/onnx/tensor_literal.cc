#include "frontends/onnx/tensor_literal.h"

#include <cstring>

#include "absl/strings/numbers.h"
#include "frontends/onnx/tensor_file.h"

namespace skein {
namespace {

// Numbers of onnx.proto; the later ones are not in the headers of Debian's ONNX 1.12.
constexpr int kUint4 = 21, kInt4 = 22;

// Below this, copying is cheaper than keeping the whole model alive.
constexpr int64_t kCopyBytes = 4096;

template <typename Stored, typename Field>
absl::StatusOr<std::vector<uint8_t>> FromField(const Field& field, int64_t count,
                                               std::string_view name) {
  if (field.size() != count) {
    return InvalidArgument(std::string(name), " has ", field.size(), " values, the dims ask for ",
                           count);
  }
  std::vector<uint8_t> bytes(count * sizeof(Stored));
  for (int64_t i = 0; i < count; ++i) {
    Stored value = static_cast<Stored>(field.Get(static_cast<int>(i)));
    memcpy(bytes.data() + i * sizeof(Stored), &value, sizeof(Stored));
  }
  return bytes;
}

// The data of the typed fields; onnx.proto says which field holds which type.
absl::StatusOr<std::vector<uint8_t>> TypedData(const onnx::TensorProto& t, const TensorHeader& h) {
  switch (h.element) {
    case ElementType::kF32:
      return FromField<float>(t.float_data(), h.count, "float_data");
    case ElementType::kF64:
      return FromField<double>(t.double_data(), h.count, "double_data");
    case ElementType::kI64:
      return FromField<int64_t>(t.int64_data(), h.count, "int64_data");
    case ElementType::kU64:
      return FromField<uint64_t>(t.uint64_data(), h.count, "uint64_data");
    case ElementType::kU32:
      return FromField<uint32_t>(t.uint64_data(), h.count, "uint64_data");
    case ElementType::kI32:
      return FromField<int32_t>(t.int32_data(), h.count, "int32_data");
    case ElementType::kI16:
      return FromField<int16_t>(t.int32_data(), h.count, "int32_data");
    case ElementType::kU16:
    case ElementType::kF16:
    case ElementType::kBF16:
      return FromField<uint16_t>(t.int32_data(), h.count, "int32_data");
    case ElementType::kI8:
      return FromField<int8_t>(t.int32_data(), h.count, "int32_data");
    case ElementType::kU8:
    case ElementType::kBool:
      return FromField<uint8_t>(t.int32_data(), h.count, "int32_data");
    case ElementType::kI4:  // two a byte, one byte an int32
    case ElementType::kU4:
      return FromField<uint8_t>(t.int32_data(), h.bytes, "int32_data");
  }
  return Internal("element type without a field");
}

bool Misaligned(const void* data, ElementType t) {
  return reinterpret_cast<uintptr_t>(data) % ((BitWidth(t) + 7) / 8) != 0;
}

absl::StatusOr<int64_t> EntryValue(const std::string& key, const std::string& text) {
  int64_t value;
  if (!absl::SimpleAtoi(text, &value) || value < 0) {
    return InvalidArgument("external data: ", key, " '", text, "' is no size");
  }
  return value;
}

}  // namespace

absl::StatusOr<ElementType> ElementTypeOf(int onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT:
      return ElementType::kF32;
    case onnx::TensorProto::UINT8:
      return ElementType::kU8;
    case onnx::TensorProto::INT8:
      return ElementType::kI8;
    case onnx::TensorProto::UINT16:
      return ElementType::kU16;
    case onnx::TensorProto::INT16:
      return ElementType::kI16;
    case onnx::TensorProto::INT32:
      return ElementType::kI32;
    case onnx::TensorProto::INT64:
      return ElementType::kI64;
    case onnx::TensorProto::BOOL:
      return ElementType::kBool;
    case onnx::TensorProto::FLOAT16:
      return ElementType::kF16;
    case onnx::TensorProto::DOUBLE:
      return ElementType::kF64;
    case onnx::TensorProto::UINT32:
      return ElementType::kU32;
    case onnx::TensorProto::UINT64:
      return ElementType::kU64;
    case onnx::TensorProto::BFLOAT16:
      return ElementType::kBF16;
    case kUint4:
      return ElementType::kU4;
    case kInt4:
      return ElementType::kI4;
    case onnx::TensorProto::STRING:
      return Unimplemented("element type string");
    case onnx::TensorProto::COMPLEX64:
    case onnx::TensorProto::COMPLEX128:
      return Unimplemented("element type complex");
    default:
      break;
  }
  if (onnx_type >= 17 && onnx_type <= 24) return Unimplemented("element type number ", onnx_type);
  return InvalidArgument("element type number ", onnx_type, " does not exist");
}

absl::StatusOr<TensorHeader> HeaderOf(const onnx::TensorProto& tensor) {
  TensorHeader header;
  SKEIN_ASSIGN_OR_RETURN(header.element, ElementTypeOf(tensor.data_type()));
  if (tensor.dims_size() > kMaxRank) {
    return InvalidArgument("has ", tensor.dims_size(), " dims; at most ", kMaxRank, " make sense");
  }
  header.dims.assign(tensor.dims().begin(), tensor.dims().end());
  // An extent of 0 makes the tensor empty, whatever the others are; they must be sane all the same.
  int64_t size = 1;
  bool empty = false;
  for (int64_t dim : header.dims) {
    if (dim < 0) return InvalidArgument("has the dim ", dim);
    empty |= dim == 0;
    if (dim > 0 && __builtin_mul_overflow(size, dim, &size)) size = kMaxTensorBytes;
    if (size >= kMaxTensorBytes) return InvalidArgument("is larger than any memory");
  }
  header.count = empty ? 0 : size;
  header.bytes = BytesFor(header.element, header.count);
  return header;
}

bool IsExternal(const onnx::TensorProto& tensor) {
  return tensor.data_location() == onnx::TensorProto::EXTERNAL;
}

absl::StatusOr<const char*> ExternalFiles::Find(const onnx::TensorProto& tensor, int64_t bytes,
                                                std::shared_ptr<const void>* owner) {
  std::string location;
  int64_t offset = 0, length = bytes;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") {
      SKEIN_ASSIGN_OR_RETURN(offset, EntryValue(entry.key(), entry.value()));
    }
    if (entry.key() == "length") {
      SKEIN_ASSIGN_OR_RETURN(length, EntryValue(entry.key(), entry.value()));
    }
  }
  if (length != bytes) {
    return InvalidArgument("external data: length ", length, ", the dims ask for ", bytes);
  }
  if (folder_.empty()) return InvalidArgument("external data, but the model has no folder");
  std::shared_ptr<const MappedFile>& file = by_location_[location];
  if (file == nullptr) {
    std::string path;
    SKEIN_ASSIGN_OR_RETURN(path, ResolveInside(folder_, location));
    std::shared_ptr<const MappedFile>& known = by_path_[path];
    if (known == nullptr) {
      SKEIN_ASSIGN_OR_RETURN(known, MappedFile::Open(path));
    }
    file = known;
  }
  if (offset > file->size() || length > file->size() - offset) {
    return InvalidArgument("external data: ", length, " bytes at ", offset, " of '", location,
                           "', which has ", file->size());
  }
  *owner = file;
  return file->data() + offset;
}

absl::StatusOr<LiteralRef> LiteralOf(const onnx::TensorProto& tensor,
                                     std::shared_ptr<const void> owner, ExternalFiles* files) {
  TensorHeader header;
  SKEIN_ASSIGN_OR_RETURN(header, HeaderOf(tensor));
  if (tensor.has_segment()) return Unimplemented("is stored in segments");
  const char* data = nullptr;
  if (IsExternal(tensor)) {
    if (files == nullptr) return InvalidArgument("external data, but there is no folder");
    SKEIN_ASSIGN_OR_RETURN(data, files->Find(tensor, header.bytes, &owner));
  } else if (tensor.has_raw_data()) {
    if (static_cast<int64_t>(tensor.raw_data().size()) != header.bytes) {
      return InvalidArgument("raw_data has ", tensor.raw_data().size(), " bytes, the dims ask for ",
                             header.bytes);
    }
    data = tensor.raw_data().data();
  } else {
    std::vector<uint8_t> bytes;
    SKEIN_ASSIGN_OR_RETURN(bytes, TypedData(tensor, header));
    if (IsBool(header.element)) {
      for (uint8_t& b : bytes) b = b != 0;
    }
    return MakeLiteral(header.element, header.dims, std::move(bytes));
  }
  // Anything but 0 and 1 in a bool would break the code that reads it as a mask.
  bool copy = owner == nullptr || header.bytes < kCopyBytes || IsBool(header.element) ||
              Misaligned(data, header.element);
  if (copy) {
    std::vector<uint8_t> bytes(header.bytes);
    if (!bytes.empty()) memcpy(bytes.data(), data, bytes.size());
    if (IsBool(header.element)) {
      for (uint8_t& b : bytes) b = b != 0;
    }
    return MakeLiteral(header.element, header.dims, std::move(bytes));
  }
  auto literal = std::make_shared<Literal>();
  literal->element = header.element;
  literal->dims = header.dims;
  literal->data = data;
  literal->owner = std::move(owner);
  return LiteralRef(std::move(literal));
}

absl::StatusOr<LiteralRef> ReadOnnxTensorBytes(std::string_view bytes) {
  onnx::TensorProto tensor;
  if (bytes.size() > INT32_MAX ||
      !tensor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("not a whole TensorProto");
  }
  absl::StatusOr<LiteralRef> literal = LiteralOf(tensor, nullptr, nullptr);
  if (!literal.ok()) return Annotate(literal.status(), "tensor '" + tensor.name() + "'");
  return literal;
}

absl::StatusOr<LiteralRef> ReadOnnxTensorFile(const std::string& path) {
  std::shared_ptr<const MappedFile> file;
  SKEIN_ASSIGN_OR_RETURN(file, MappedFile::Open(path));
  absl::StatusOr<LiteralRef> literal = ReadOnnxTensorBytes(file->bytes());
  if (!literal.ok()) return Annotate(literal.status(), path);
  return literal;
}

}  // namespace skein
