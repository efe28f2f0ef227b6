#include "cli/tensors.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
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

// The text behind 'key': in the header's Python dictionary; empty if it is not there or not closed.
std::string HeaderField(const std::string& header, const std::string& key) {
  size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) return "";
  at += key.size() + 3;
  while (at < header.size() && header[at] == ' ') ++at;
  const char close = header[at] == '(' ? ')' : header[at] == '\'' ? '\'' : ',';
  const size_t end = header.find(close, at + 1);
  if (end == std::string::npos) return "";
  return header.substr(at, close == ',' ? end - at : end - at + 1);
}

// "(2, 3)", "(2,)" or "()" -> dims; nullopt for any other text.
std::optional<std::vector<int64_t>> ParseNpyShape(std::string_view text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return std::nullopt;
  std::vector<int64_t> dims;
  for (absl::string_view part : absl::StrSplit(ForStrCat(text.substr(1, text.size() - 2)), ',')) {
    part = absl::StripAsciiWhitespace(part);
    int64_t dim;
    if (part.empty()) continue;
    if (!absl::SimpleAtoi(part, &dim) || dim < 0) return std::nullopt;
    dims.push_back(dim);
  }
  return dims;
}

// The number of elements, or nullopt if there are more than any file or memory holds.
std::optional<int64_t> CountElements(std::span<const int64_t> dims) {
  int64_t count = 1;
  for (int64_t d : dims) {
    if (d > kMostElements || (d > 0 && count > kMostElements / d)) return std::nullopt;
    count *= d;
  }
  return count;
}

absl::StatusOr<OwnedTensor> ReadNpy(const std::string& path) {
  SKEIN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  if (bytes.size() < 12 || bytes.compare(0, 6, "\x93NUMPY") != 0) return InvalidArgument(path, " is no .npy file");
  const int version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3) return InvalidArgument(path, " has .npy version ", version, "; Skein reads 1 to 3");
  const bool wide = version >= 2;
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
  const std::string order = HeaderField(header, "fortran_order"), shape = HeaderField(header, "shape");
  if (order == "True") return InvalidArgument(path, " is in Fortran order; save it in C order");
  if (order != "False") return InvalidArgument(path, " has no fortran_order in its header");
  const std::optional<std::vector<int64_t>> dims = ParseNpyShape(shape);
  if (!dims) return InvalidArgument(path, " has the shape '", shape, "' in its header, which is none");
  const std::optional<int64_t> count = CountElements(*dims);
  if (!count) return InvalidArgument(path, " has the shape ", shape, ", which is too large");
  const int64_t held = static_cast<int64_t>(bytes.size() - start), needed = BytesFor(*element, *count);
  if (held < needed) return InvalidArgument(path, " holds ", held, " bytes of data, its shape takes ", needed);
  SKEIN_ASSIGN_OR_RETURN(OwnedTensor tensor, OwnedTensor::Make(*element, *dims));
  std::memcpy(tensor.view().data, bytes.data() + start, static_cast<size_t>(needed));
  if (IsBool(*element)) {  // kernels rely on 0 and 1
    auto* flag = static_cast<uint8_t*>(tensor.view().data);
    for (int64_t i = 0; i < *count; ++i) flag[i] = flag[i] != 0;
  }
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
  for (DimExpr d : dims) {
    SKEIN_ASSIGN_OR_RETURN(int64_t v, Evaluate(d, binding));
    if (v < 0) return InvalidArgument("dim ", d.ToString(), " of input '", name, "' would be ", v);
    result.push_back(v);
  }
  if (!CountElements(result)) {
    return InvalidArgument("input '", name, "' would have dims [", absl::StrJoin(result, ", "), "], too large");
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

absl::StatusOr<OwnedTensor> OwnedTensor::Make(ElementType element, std::vector<int64_t> dims) {
  const std::string type = absl::StrCat(ForStrCat(Name(element)), "[", absl::StrJoin(dims, ", "), "]");
  const std::optional<int64_t> count = CountElements(dims);
  if (!count) return InvalidArgument("a tensor ", type, " is too large");
  OwnedTensor tensor;
  tensor.bytes_ = BytesFor(element, *count);
  // Memory that is promised and not there ends the process when it is touched, so that is asked first.
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  if (machine > 0 && tensor.bytes_ > machine) {
    return InvalidArgument("a tensor ", type, " takes ", tensor.bytes_, " bytes; the machine has ", machine);
  }
  tensor.memory_.reset(std::aligned_alloc(64, static_cast<size_t>((tensor.bytes_ + 127) / 64 * 64)));
  if (tensor.memory_ == nullptr) return InvalidArgument("no memory for a tensor ", type);
  tensor.view_ = {element, std::move(dims), tensor.memory_.get()};
  return tensor;
}

absl::StatusOr<OwnedTensor> ReadTensor(const std::string& path) {
  if (path.size() > 3 && path.compare(path.size() - 3, 3, ".pb") == 0) {
    SKEIN_ASSIGN_OR_RETURN(LiteralRef literal, ReadOnnxTensorFile(path));
    SKEIN_ASSIGN_OR_RETURN(OwnedTensor tensor, OwnedTensor::Make(literal->element, literal->dims));
    if (tensor.bytes() > 0) std::memcpy(tensor.view().data, literal->data, static_cast<size_t>(tensor.bytes()));
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

absl::StatusOr<SymbolValues> CompleteBinding(const Graph& graph, SymbolValues binding) {
  std::set<std::string> symbols;
  for (const Graph::Named& in : graph.inputs()) {
    for (DimExpr d : graph.type(in.value).dims) {
      VisitLeaves(d, [&](DimExpr leaf) { symbols.insert(std::string(leaf.symbol())); });
    }
  }
  for (const auto& [name, value] : binding) {
    if (!symbols.contains(name)) {
      return InvalidArgument("no input of the graph has a dim '", name, "' (given by --shape); there is ",
                             symbols.empty() ? "none" : absl::StrJoin(symbols, ", "));
    }
  }
  for (const std::string& name : symbols) binding.try_emplace(name, 1);
  return binding;
}

absl::StatusOr<std::vector<OwnedTensor>> MakeInputs(const Graph& graph, const Flags& flags, SymbolValues binding) {
  for (const auto& [name, file] : flags.inputs) {
    bool known = false;
    for (const Graph::Named& in : graph.inputs()) known = known || in.name == name;
    if (!known) return InvalidArgument("the graph has no input '", name, "' (given by --input)");
  }
  std::vector<OwnedTensor> tensors(graph.inputs().size());
  // Files first: their dims say what symbols are.
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Graph::Named& in = graph.inputs()[i];
    const TensorType& type = graph.type(in.value);
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
  SKEIN_ASSIGN_OR_RETURN(binding, CompleteBinding(graph, std::move(binding)));
  std::mt19937_64 random(flags.input_seed);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].view().data != nullptr) continue;
    const Graph::Named& in = graph.inputs()[i];
    const TensorType& type = graph.type(in.value);
    SKEIN_ASSIGN_OR_RETURN(std::vector<int64_t> dims, DimsOf(type.dims, binding, in.name));
    absl::StatusOr<OwnedTensor> tensor = OwnedTensor::Make(type.element, dims);
    if (!tensor.ok()) return Annotate(tensor.status(), absl::StrCat("input '", in.name, "'"));
    tensors[i] = *std::move(tensor);
    const int64_t count = *CountElements(dims);
    int64_t below = 2;
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
  for (const TensorView& t : types) {
    SKEIN_ASSIGN_OR_RETURN(OwnedTensor tensor, OwnedTensor::Make(t.element, t.dims));
    outputs.push_back(std::move(tensor));
  }
  return outputs;
}

std::vector<TensorView> Views(const std::vector<OwnedTensor>& tensors) {
  std::vector<TensorView> views;
  for (const OwnedTensor& t : tensors) views.push_back(t.view());
  return views;
}

}  // namespace skein
