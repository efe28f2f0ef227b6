// From a bit of the status word to a message with the index in it.
#include <algorithm>
#include <bit>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "ir/graph_interpreter.h"
#include "runtime/launch.h"

namespace skein {
namespace {

// The group's inputs that `roots` depend on: an embedding table is not converted to find its indices.
absl::flat_hash_set<Value> InputsBehind(const Graph& graph, std::span<const Value> roots, const Group& group) {
  absl::flat_hash_set<Value> seen(roots.begin(), roots.end()), found;
  std::vector<Value> work(roots.begin(), roots.end());
  while (!work.empty()) {
    const Value v = work.back();
    work.pop_back();
    if (std::find(group.inputs.begin(), group.inputs.end(), v) != group.inputs.end()) {
      found.insert(v);
      continue;
    }
    for (Value operand : graph.node(v.node).operands) {
      if (seen.insert(operand).second) work.push_back(operand);
    }
  }
  return found;
}

absl::StatusOr<std::vector<RefTensor>> ComputeIndices(const Binding& binding, int g, const Node& gather,
                                                      std::span<void* const> pointers) {
  const Variant& variant = *binding.variant;
  const Group& group = variant.plan.groups[g];
  const std::vector<Value> indices(gather.operands.begin() + 1, gather.operands.end());
  const absl::flat_hash_set<Value> needed = InputsBehind(variant.plan.graph, indices, group);
  std::vector<RefTensor> tensors;
  tensors.reserve(group.inputs.size());
  std::vector<std::pair<Value, const RefTensor*>> given;
  for (size_t i = 0; i < group.inputs.size(); ++i) {
    if (!needed.contains(group.inputs[i])) continue;
    const int value = variant.groups[g].buffers[i];
    tensors.push_back(FromRaw(variant.values[value].element, binding.dims[value], pointers[value]));
    given.emplace_back(group.inputs[i], &tensors.back());
  }
  return Interpret(variant.plan.graph, binding.symbol_map, given, indices, {.threads = 1, .track_error = false});
}

// "index 9 in dim 0, of extent 5": the first index outside, where an index is used as it is.
std::optional<std::string> FindOutside(const Binding& binding, int g, NodeId id, std::span<void* const> pointers) {
  const Graph& graph = binding.variant->plan.graph;
  const Node& gather = graph.node(id);
  absl::StatusOr<std::vector<RefTensor>> indices = ComputeIndices(binding, g, gather, pointers);
  if (!indices.ok()) return std::nullopt;
  const Dims& map = gather.attributes.DimList("map");
  const Dims& data_dims = graph.type(gather.operands[0]).dims;
  for (size_t d = 0; d < map.size(); ++d) {
    if (map[d].kind() != DimKind::kValue || map[d].index() >= static_cast<int>(indices->size())) continue;
    absl::StatusOr<int64_t> extent = Evaluate(data_dims[d], binding.symbol_map);
    if (!extent.ok()) continue;
    for (int64_t index : (*indices)[map[d].index()].exact) {
      if (index < 0 || index >= *extent) {
        return absl::StrCat("index ", index, " in dim ", d, ", of extent ", *extent);
      }
    }
  }
  return std::nullopt;
}

}  // namespace

absl::Status IndexError(const Binding& binding, int g, uint64_t status, std::span<void* const> pointers) {
  const Plan& plan = binding.variant->plan;
  const std::vector<NodeId>& sites = plan.groups[g].gather_sites;
  for (uint64_t bits = status; bits != 0; bits &= bits - 1) {
    const size_t site = static_cast<size_t>(std::countr_zero(bits));
    if (site >= sites.size()) break;
    if (std::optional<std::string> found = FindOutside(binding, g, sites[site], pointers)) {
      return absl::OutOfRangeError(absl::StrCat(OriginText(plan.graph, sites[site]), ": ", *found));
    }
  }
  const size_t site = static_cast<size_t>(std::countr_zero(status));
  const NodeId node = site < sites.size() ? sites[site] : plan.groups[g].outputs[0].node;
  return absl::OutOfRangeError(absl::StrCat(OriginText(plan.graph, node), ": an index is out of range"));
}

}  // namespace skein
