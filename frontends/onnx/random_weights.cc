#include "frontends/onnx/random_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "base/hash.h"
#include "frontends/onnx/tensor_literal.h"

namespace skein {
namespace {

// --- roles ---

struct WeightRole {
  enum Kind {
    kNormal,    // mean 0, deviation `scale`
    kPositive,  // uniform in [0.5, 1.5)
    kIndex,     // uniform integers in [0, range)
  } kind = kNormal;
  double scale = 0.3;
  int64_t range = 2;
};

int64_t ProductFrom(const std::vector<int64_t>& dims, size_t first) {
  int64_t product = 1;
  for (size_t i = first; i < dims.size(); ++i) product *= std::max<int64_t>(dims[i], 1);
  return product;
}

int64_t IntAttribute(const onnx::NodeProto& node, std::string_view name, int64_t otherwise) {
  for (const onnx::AttributeProto& a : node.attribute()) {
    if (a.name() == name) return a.i();
  }
  return otherwise;
}

WeightRole FanIn(int64_t fan_in) {
  return {WeightRole::kNormal, 1 / std::sqrt(static_cast<double>(std::max<int64_t>(fan_in, 1)))};
}

// The extent along `axis` of the initializer `name`, if there is one.
std::optional<int64_t> ExtentOf(const onnx::GraphProto& graph, const std::string& name,
                                int64_t axis) {
  for (const onnx::TensorProto& t : graph.initializer()) {
    if (t.name() != name) continue;
    if (axis < 0) axis += t.dims_size();
    if (axis < 0 || axis >= t.dims_size()) return std::nullopt;
    return t.dims(static_cast<int>(axis));
  }
  return std::nullopt;
}

bool EndsWith(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// What this use says of the operand, whose dims here are `dims`.
std::optional<WeightRole> RoleInUse(const onnx::GraphProto& graph, const onnx::NodeProto& node,
                                    int operand, const std::vector<int64_t>& dims) {
  const std::string& op = node.op_type();
  size_t rank = dims.size();
  if (op == "MatMul" || op == "FusedMatMul" || op == "MatMulInteger") {
    if (operand == 0 && rank >= 1) return FanIn(dims[rank - 1]);
    if (operand == 1 && rank >= 1) return FanIn(dims[rank >= 2 ? rank - 2 : 0]);
  }
  if (op == "Gemm" && operand <= 1 && rank == 2) {
    bool transposed = IntAttribute(node, operand == 0 ? "transA" : "transB", 0) != 0;
    return FanIn(dims[(operand == 0) != transposed ? 1 : 0]);
  }
  if ((op == "Conv" || op == "ConvInteger") && operand == 1) return FanIn(ProductFrom(dims, 1));
  if (EndsWith(op, "Normalization")) {
    bool positive = operand == 1 || (op == "BatchNormalization" && operand == 4);
    return positive ? WeightRole{WeightRole::kPositive} : WeightRole{WeightRole::kNormal, 0.1};
  }
  if ((op == "QuantizeLinear" || op == "DequantizeLinear") && operand == 1) {
    return WeightRole{WeightRole::kPositive};
  }
  if ((op == "Div" && operand == 1) || op == "Sqrt" || op == "Log" || op == "Reciprocal") {
    return WeightRole{WeightRole::kPositive};
  }
  if (op == "Gather" || op == "GatherElements") {
    if (operand == 0) return WeightRole{WeightRole::kNormal, 0.5};
    int64_t axis = IntAttribute(node, "axis", 0);
    std::optional<int64_t> extent = ExtentOf(graph, node.input(0), axis);
    return WeightRole{WeightRole::kIndex, 0, std::max<int64_t>(extent.value_or(1), 1)};
  }
  return std::nullopt;
}

struct Use {
  const onnx::NodeProto* node;
  int operand;
};
using Uses = absl::flat_hash_map<std::string, std::vector<Use>>;

Uses UsesOf(const onnx::GraphProto& graph) {
  Uses uses;
  for (const onnx::NodeProto& node : graph.node()) {
    for (int i = 0; i < node.input_size(); ++i) uses[node.input(i)].push_back({&node, i});
  }
  return uses;
}

// `dims` as the transpose `node` leaves them.
std::vector<int64_t> Transposed(const onnx::NodeProto& node, const std::vector<int64_t>& dims) {
  std::vector<int64_t> moved(dims.rbegin(), dims.rend());
  for (const onnx::AttributeProto& a : node.attribute()) {
    if (a.name() != "perm" || a.ints_size() != static_cast<int>(dims.size())) continue;
    for (size_t j = 0; j < dims.size(); ++j) {
      int64_t from = a.ints(static_cast<int>(j));
      if (from >= 0 && from < static_cast<int64_t>(dims.size())) moved[j] = dims[from];
    }
  }
  return moved;
}

std::optional<WeightRole> RoleByUses(const onnx::GraphProto& graph, const Uses& uses,
                                     const std::string& name, const std::vector<int64_t>& dims,
                                     int depth) {
  auto found = uses.find(name);
  if (found == uses.end()) return std::nullopt;
  std::optional<WeightRole> embedding;
  for (auto [node, operand] : found->second) {
    const std::string& op = node->op_type();
    std::optional<WeightRole> role = RoleInUse(graph, *node, operand, dims);
    bool through = op == "Identity" || op == "Cast" || op == "Transpose";
    if (!role && through && depth < 4 && node->output_size() > 0) {
      role = RoleByUses(graph, uses, node->output(0),
                        op == "Transpose" ? Transposed(*node, dims) : dims, depth + 1);
    }
    if (!role) continue;
    // A table that is also a product's matrix (tied embeddings) must suit the product.
    bool table = (op == "Gather" || op == "GatherElements") && operand == 0;
    if (!table) return role;
    embedding = role;
  }
  return embedding;
}

// --- drawing ---

constexpr int64_t kBlockElements = 1 << 16;

// Finalizer of SplitMix64 (Steele, Lea, Flood 2014): a good hash of a counter.
inline uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline uint64_t Draw(uint64_t seed, int64_t i) {
  return Mix(seed + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u);
}

// Four uniform 16-bit numbers summed: mean 131070, deviation sqrt(4/12) * 65536.
inline float Normal(uint64_t bits) {
  int32_t sum = static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                     (bits >> 32 & 0xffff) + (bits >> 48));
  return static_cast<float>(sum - 131070) * (1.0f / 37837.23f);
}

uint16_t ToBf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16);
}

// Truncates; what is below the smallest normal half becomes 0. Weights are never large.
uint16_t ToF16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 0xff;
  if (exponent < 113) return static_cast<uint16_t>(sign);
  if (exponent > 142) return static_cast<uint16_t>(sign | 0x7bff);
  return static_cast<uint16_t>(sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

float DrawFloat(const WeightRole& role, uint64_t bits) {
  if (role.kind == WeightRole::kPositive) {
    return 0.5f + static_cast<float>(bits >> 40) * (1.0f / (1 << 24));
  }
  return Normal(bits) * static_cast<float>(role.scale);
}

template <typename T, typename Convert>
void Fill(uint8_t* data, int64_t begin, int64_t end, uint64_t seed, Convert convert) {
  T* out = reinterpret_cast<T*>(data);
  for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(convert(Draw(seed, i)));
}

struct Job {
  ElementType element;
  WeightRole role;
  uint64_t seed;
  uint8_t* data;
  int64_t count;
};

void FillBlock(const Job& job, int64_t begin, int64_t end) {
  const WeightRole role = job.role;
  auto number = [&](uint64_t bits) { return DrawFloat(role, bits); };
  float scale = static_cast<float>(role.scale);
  // Integers that index stay in range; others take any small non-negative value.
  uint64_t range = role.kind == WeightRole::kIndex ? static_cast<uint64_t>(role.range) : 2;
  auto integer = [range](uint64_t bits) { return (bits >> 1) % range; };
  auto any = [](uint64_t bits) { return bits; };
  switch (job.element) {
    case ElementType::kF32:
      if (role.kind == WeightRole::kNormal) {  // nearly all of the work
        return Fill<float>(job.data, begin, end, job.seed,
                           [scale](uint64_t bits) { return Normal(bits) * scale; });
      }
      return Fill<float>(job.data, begin, end, job.seed, number);
    case ElementType::kF64:
      return Fill<double>(job.data, begin, end, job.seed, number);
    case ElementType::kF16:
      return Fill<uint16_t>(job.data, begin, end, job.seed,
                            [&](uint64_t bits) { return ToF16(number(bits)); });
    case ElementType::kBF16:
      return Fill<uint16_t>(job.data, begin, end, job.seed,
                            [&](uint64_t bits) { return ToBf16(number(bits)); });
    case ElementType::kBool:
      return Fill<uint8_t>(job.data, begin, end, job.seed, integer);
    case ElementType::kI64:
    case ElementType::kU64:
      return Fill<uint64_t>(job.data, begin, end, job.seed, integer);
    case ElementType::kI32:
    case ElementType::kU32:
      return Fill<uint32_t>(job.data, begin, end, job.seed, integer);
    case ElementType::kI16:
    case ElementType::kU16:
      return Fill<uint16_t>(job.data, begin, end, job.seed, integer);
    // Small integers are quantized weights: the whole range.
    case ElementType::kI8:
    case ElementType::kU8:
      if (role.kind == WeightRole::kIndex) {
        return Fill<uint8_t>(job.data, begin, end, job.seed, integer);
      }
      return Fill<uint8_t>(job.data, begin, end, job.seed, any);
    case ElementType::kI4:
    case ElementType::kU4:
      return Fill<uint8_t>(job.data, begin / 2, (end + 1) / 2, job.seed, any);
  }
}

void FillAll(const std::vector<Job>& jobs, int64_t total_bytes) {
  std::vector<std::pair<const Job*, int64_t>> blocks;
  for (const Job& job : jobs) {
    for (int64_t i = 0; i < job.count; i += kBlockElements) blocks.emplace_back(&job, i);
  }
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < blocks.size();) {
      auto [job, begin] = blocks[i];
      FillBlock(*job, begin, std::min(begin + kBlockElements, job->count));
    }
  };
  if (total_bytes < (8 << 20)) return work();
  std::thread helper(work);
  work();
  helper.join();
}

// The role of `tensor` by its first telling user, else by its name and rank.
WeightRole RoleOf(const onnx::GraphProto& graph, const Uses& uses,
                  const onnx::TensorProto& tensor) {
  std::vector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  if (auto role = RoleByUses(graph, uses, tensor.name(), dims, 0)) return *role;
  std::string name = tensor.name();
  for (char& c : name) c = static_cast<char>(tolower(c));
  for (std::string_view word : {"var", "scale", "gamma", "std"}) {
    if (name.find(word) != std::string::npos) return {WeightRole::kPositive};
  }
  bool norm = name.find("norm") != std::string::npos || name.find(".ln") != std::string::npos;
  if (norm && EndsWith(name, "weight")) return {WeightRole::kPositive};
  if (dims.size() >= 2) return FanIn(dims[dims.size() - 2]);
  return {WeightRole::kNormal, 0.1};
}

}  // namespace

absl::StatusOr<std::map<std::string, LiteralRef>> DrawWeights(
    const onnx::GraphProto& graph, const std::vector<const onnx::TensorProto*>& tensors,
    uint64_t seed, int64_t max_bytes) {
  constexpr int64_t kAlign = 64;
  std::vector<TensorHeader> headers;
  int64_t total = 0;
  for (const onnx::TensorProto* tensor : tensors) {
    absl::StatusOr<TensorHeader> header = HeaderOf(*tensor);
    if (!header.ok()) {
      return Annotate(header.status(), "tensor '" + tensor->name() + "'");
    }
    total += (header->bytes + kAlign - 1) / kAlign * kAlign;
    if (total > max_bytes) {
      return InvalidArgument("tensor '", tensor->name(), "': drawn weights would take more than ",
                             max_bytes, " bytes");
    }
    headers.push_back(*std::move(header));
  }
  std::map<std::string, LiteralRef> result;
  if (tensors.empty()) return result;
  int64_t mapped = std::max(total, kAlign);
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for ", total, " bytes of weights"));
  }
  madvise(memory, mapped, MADV_HUGEPAGE);  // a hint: fewer page faults
  std::shared_ptr<const void> owner(
      memory, [mapped](const void* p) { munmap(const_cast<void*>(p), mapped); });
  Uses uses = UsesOf(graph);
  std::vector<Job> jobs;
  uint8_t* at = static_cast<uint8_t*>(memory);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorHeader& header = headers[i];
    const std::string& name = tensors[i]->name();
    jobs.push_back({header.element, RoleOf(graph, uses, *tensors[i]),
                    Mix(seed) ^ StableHash(name).lo, at, header.count});
    auto literal = std::make_shared<Literal>();
    literal->element = header.element;
    literal->dims = header.dims;
    literal->data = at;
    literal->owner = owner;
    result[name] = std::move(literal);
    at += (header.bytes + kAlign - 1) / kAlign * kAlign;
  }
  FillAll(jobs, total);
  return result;
}

}  // namespace skein
