#include "cli/tensors.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "absl/strings/str_join.h"
#include "frontends/onnx/tensor_file.h"
#include "ir/numeric.h"
#include "ir/op.h"

namespace skein {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 36;  // of a tensor that a flag or a file asks for

struct NpyType {
  const char* descr;
  ElementType element;
};
constexpr NpyType kNpyTypes[] = {
    {"|b1", ElementType::kBool}, {"|i1", ElementType::kI8},   {"<i2", ElementType::kI16},
    {"<i4", ElementType::kI32},  {"<i8", ElementType::kI64},  {"|u1", ElementType::kU8},
    {"<u2", ElementType::kU16},  {"<u4", ElementType::kU32},  {"<u8", ElementType::kU64},
    {"<f2", ElementType::kF16},  {"<f4", ElementType::kF32},  {"<f8", ElementType::kF64},
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return InvalidArgument("cannot read ", path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The text behind 'key': in the header's Python dictionary.
std::string HeaderField(const std::string& header, const std::string& key) {
  size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) return "";
  at += key.size() + 3;
  while (at < header.size() && header[at] == ' ') ++at;
  const char close = header[at] == '(' ? ')' : header[at] == '\'' ? '\'' : ',';
  size_t end = header.find(close, at + 1);
  return header.substr(at, end == std::string::npos ? end : end - at + (close == ',' ? 0 : 1));
}

absl::StatusOr<OwnedTensor> ReadNpy(const std::string& path) {
  SKEIN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  if (bytes.size() < 12 || bytes.compare(0, 6, "\x93NUMPY") != 0) return InvalidArgument(path, " is no .npy file");
  const bool wide = bytes[6] >= 2;
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  const size_t start = (wide ? 12 : 10) + static_cast<size_t>(length);
  if (start > bytes.size()) return InvalidArgument(path, " ends inside its header");
  const std::string header = bytes.substr(wide ? 12 : 10, length);
  std::string descr = HeaderField(header, "descr");
  std::optional<ElementType> element;
  for (const NpyType& t : kNpyTypes) {
    if (descr == absl::StrCat("'", t.descr, "'")) element = t.element;
  }
  if (!element) return InvalidArgument(path, " has elements of type ", descr, ", which Skein does not read");
  if (HeaderField(header, "fortran_order").rfind("True", 0) == 0) {
    return InvalidArgument(path, " is in Fortran order; save it in C order");
  }
  std::vector<int64_t> dims;
  int64_t count = 1, value = -1;
  for (char c : HeaderField(header, "shape")) {
    if (c >= '0' && c <= '9') {
      value = (value < 0 ? 0 : value) * 10 + (c - '0');
      if (value > kMostElements) return InvalidArgument(path, " has a dim that is too large");
    } else if (value >= 0) {
      dims.push_back(value);
      if (value > 0 && count > kMostElements / value) return InvalidArgument(path, " is too large");
      count *= value;
      value = -1;
    }
  }
  if (static_cast<int64_t>(bytes.size() - start) < BytesFor(*element, count)) {
    return InvalidArgument(path, " holds ", bytes.size() - start, " bytes of data, its shape takes ",
                           BytesFor(*element, count));
  }
  OwnedTensor tensor(*element, dims);
  std::memcpy(tensor.view().data, bytes.data() + start, tensor.bytes());
  return tensor;
}

// What integers of an input are for: the smallest extent that they select in, or being tested for zero.
struct IntegerUse {
  std::optional<DimExpr> index_extent;
  bool tested = false;
};

IntegerUse FindIntegerUse(const Graph& graph, Value input) {
  IntegerUse use;
  const auto users = graph.Users();
  std::set<Value> seen;
  std::vector<Value> work = {input};
  while (!work.empty()) {
    Value v = work.back();
    work.pop_back();
    if (!seen.insert(v).second) continue;
    for (NodeId id : users[v.node.index]) {
      const Node& node = graph.node(id);
      if (node.op == Op::gather) {
        const Dims& map = node.attributes.DimList("map");
        for (size_t j = 1; j < node.operands.size(); ++j) {
          if (node.operands[j] != v) continue;
          for (size_t d = 0; d < map.size(); ++d) {
            if (map[d] == DimExpr::Value(static_cast<int>(j) - 1)) {
              use.index_extent = graph.type(node.operands[0]).dims[d];
            }
          }
        }
        if (node.operands[0] != v) continue;
      }
      if (IsBool(node.results[0].element)) {
        use.tested = use.tested || node.op == Op::cast;
        continue;  // a compare with a bound is part of normalizing an index
      }
      if (IsInteger(node.results[0].element)) work.push_back({id, 0});
    }
  }
  return use;
}

absl::StatusOr<std::vector<int64_t>> DimsOf(const Dims& dims, const SymbolValues& binding, const std::string& name) {
  std::vector<int64_t> result;
  int64_t count = 1;
  for (DimExpr d : dims) {
    SKEIN_ASSIGN_OR_RETURN(int64_t v, Evaluate(d, binding));
    if (v < 0) return InvalidArgument("dim ", d.ToString(), " of input '", name, "' would be ", v);
    if (v > 0 && count > kMostElements / v) {
      return InvalidArgument("input '", name, "' with dims ", ToString(dims), " would be too large");
    }
    count *= v;
    result.push_back(v);
  }
  return result;
}

void Draw(std::mt19937_64* random, const TensorView& t, int64_t count, int64_t below) {
  std::normal_distribution<double> normal;
  for (int64_t i = 0; i < count; ++i) {
    if (IsFloat(t.element)) {
      WriteFromDouble(t.element, t.data, i, normal(*random));
    } else {
      WriteFromInt64(t.element, t.data, i, static_cast<int64_t>((*random)() % static_cast<uint64_t>(below)));
    }
  }
}

}  // namespace

void OwnedTensor::Free::operator()(void* p) const { std::free(p); }

OwnedTensor::OwnedTensor(ElementType element, std::vector<int64_t> dims) {
  int64_t count = 1;
  for (int64_t d : dims) count *= d;
  bytes_ = BytesFor(element, count);
  memory_.reset(std::aligned_alloc(64, (bytes_ + 127) / 64 * 64));
  view_ = {element, std::move(dims), memory_.get()};
}

absl::StatusOr<OwnedTensor> ReadTensor(const std::string& path) {
  if (path.size() > 3 && path.compare(path.size() - 3, 3, ".pb") == 0) {
    SKEIN_ASSIGN_OR_RETURN(LiteralRef literal, ReadOnnxTensorFile(path));
    OwnedTensor tensor(literal->element, literal->dims);
    std::memcpy(tensor.view().data, literal->data, tensor.bytes());
    return tensor;
  }
  return ReadNpy(path);
}

absl::Status WriteNpy(const std::string& path, const TensorView& tensor) {
  TensorView out = tensor;
  int64_t count = 1;
  for (int64_t d : tensor.dims) count *= d;
  const char* descr = nullptr;
  for (const NpyType& t : kNpyTypes) {
    if (t.element == tensor.element) descr = t.descr;
  }
  std::vector<float> widened;
  if (descr == nullptr) {  // NumPy has no bf16 and no 4-bit integers: written as f32
    for (int64_t i = 0; i < count; ++i) widened.push_back(static_cast<float>(ReadAsDouble(tensor.element, tensor.data, i)));
    descr = "<f4";
    out = {ElementType::kF32, tensor.dims, widened.data()};
  }
  std::string header = absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (",
                                    absl::StrJoin(out.dims, ", "), out.dims.size() == 1 ? ",), }" : "), }");
  header.append(63 - (header.size() + 10) % 64, ' ');
  header += '\n';
  const uint16_t length = static_cast<uint16_t>(header.size());
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.write(reinterpret_cast<const char*>(&length), 2);
  file << header;
  file.write(static_cast<const char*>(out.data), BytesFor(out.element, count));
  file.flush();
  if (!file) return InvalidArgument("cannot write ", path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<OwnedTensor>> MakeInputs(const Graph& graph, const Flags& flags, SymbolValues binding) {
  for (const auto& [name, file] : flags.inputs) {
    bool known = false;
    for (const Graph::Named& in : graph.inputs()) known = known || in.name == name;
    if (!known) return InvalidArgument("the graph has no input '", name, "' (given by --input)");
  }
  std::vector<OwnedTensor> tensors(graph.inputs().size());
  // Files first: their dims say what symbols are.
  std::set<std::string> symbols;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Graph::Named& in = graph.inputs()[i];
    const TensorType& type = graph.type(in.value);
    for (DimExpr d : type.dims) {
      VisitLeaves(d, [&](DimExpr leaf) { symbols.insert(std::string(leaf.symbol())); });
    }
    auto it = flags.inputs.find(in.name);
    if (it == flags.inputs.end()) continue;
    SKEIN_ASSIGN_OR_RETURN(tensors[i], ReadTensor(it->second));
    const TensorView view = tensors[i].view();
    if (view.element != type.element || view.dims.size() != type.dims.size()) {
      return InvalidArgument("input '", in.name, "' is ", type.ToString(), ", but ", it->second, " holds ",
                             skein::Name(view.element), "[", absl::StrJoin(view.dims, ", "), "]");
    }
    for (size_t d = 0; d < view.dims.size(); ++d) {
      if (type.dims[d].kind() == DimKind::kSymbol) {
        binding.try_emplace(std::string(type.dims[d].symbol()), view.dims[d]);
      }
    }
  }
  for (const auto& [name, value] : binding) {
    if (!symbols.contains(name)) {
      return InvalidArgument("no input of the graph has a dim '", name, "' (given by --shape)");
    }
  }
  for (const std::string& name : symbols) binding.try_emplace(name, 1);
  std::mt19937_64 random(flags.input_seed);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].view().data != nullptr) continue;
    const Graph::Named& in = graph.inputs()[i];
    const TensorType& type = graph.type(in.value);
    SKEIN_ASSIGN_OR_RETURN(std::vector<int64_t> dims, DimsOf(type.dims, binding, in.name));
    tensors[i] = OwnedTensor(type.element, dims);
    int64_t count = 1, below = 2;
    for (int64_t d : dims) count *= d;
    if (IsInteger(type.element)) {
      IntegerUse use = FindIntegerUse(graph, in.value);
      if (use.index_extent) {
        SKEIN_ASSIGN_OR_RETURN(below, Evaluate(*use.index_extent, binding));
      } else if (!use.tested) {
        below = 16;  // counts, positions
      }
    }
    Draw(&random, tensors[i].view(), count, std::max<int64_t>(below, 1));
  }
  return tensors;
}

absl::StatusOr<std::vector<OwnedTensor>> MakeOutputs(Program& program, const std::vector<OwnedTensor>& inputs) {
  SKEIN_ASSIGN_OR_RETURN(std::vector<TensorView> types, program.OutputTypes(Views(inputs)));
  std::vector<OwnedTensor> outputs;
  for (const TensorView& t : types) outputs.emplace_back(t.element, t.dims);
  return outputs;
}

std::vector<TensorView> Views(const std::vector<OwnedTensor>& tensors) {
  std::vector<TensorView> views;
  for (const OwnedTensor& t : tensors) views.push_back(t.view());
  return views;
}

}  // namespace skein
