#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "ir/graph.h"

namespace skein {

GraphRewriter::GraphRewriter(const Graph& from, Graph* to) : from_(from), to_(to) {
  to_->source_names = from.source_names;
  map_.resize(from.size());
  to_->Reserve(from.size());
  // Guards first: what the old graph came to assume holds from the start of the new one.
  for (const Guard& guard : from.guards()) to_->AddGuard(guard.condition, guard.reason);
  for (const Graph::Named& input : from.inputs()) {
    Value copy = to_->AddInput(input.name, from.type(input.value));
    to_->AddOrigins(copy.node, from.origins(input.value.node));
    Set(input.value, copy);
  }
}

void GraphRewriter::Set(Value from, Value to) {
  auto& results = map_[from.node.index];
  if (from.result >= static_cast<int32_t>(results.size())) results.resize(from.result + 1);
  results[from.result] = to;
}

Value GraphRewriter::Get(Value from) const {
  const auto& results = map_[from.node.index];
  return from.result < static_cast<int32_t>(results.size()) ? results[from.result] : Value();
}

absl::StatusOr<NodeId> GraphRewriter::Copy(NodeId id) {
  // Operands that nobody has mapped yet are copied first, in the old order; no recursion, graphs
  // are deep.
  absl::InlinedVector<NodeId, 4> todo = {id};
  const auto& direct = from_.node(id).operands;
  if (!std::all_of(direct.begin(), direct.end(), [&](Value v) { return Get(v).valid(); })) {
    std::vector<NodeId> work = {id};
    absl::flat_hash_set<NodeId> seen = {id};
    while (!work.empty()) {
      NodeId next = work.back();
      work.pop_back();
      for (Value v : from_.node(next).operands) {
        if (Get(v).valid() || !seen.insert(v.node).second) continue;
        todo.push_back(v.node);
        work.push_back(v.node);
      }
    }
    std::sort(todo.begin(), todo.end());
  }
  NodeId copy;
  for (NodeId next : todo) {
    const Node& node = from_.node(next);
    absl::InlinedVector<Value, 3> operands;
    for (Value v : node.operands) operands.push_back(Get(v));
    Graph::OriginScope scope(to_, from_.origins(next));
    SKEIN_ASSIGN_OR_RETURN(copy, to_->AddCopy(from_, next, operands));
    for (size_t i = 0; i < node.results.size(); ++i) {
      Value old{next, static_cast<int32_t>(i)};
      if (!Get(old).valid()) Set(old, Value{copy, static_cast<int32_t>(i)});
    }
  }
  return copy;
}

absl::Status GraphRewriter::CopyOutputs() {
  for (const Graph::Named& output : from_.outputs()) {
    if (!Get(output.value).valid()) SKEIN_RETURN_IF_ERROR(Copy(output.value.node).status());
    to_->AddOutput(output.name, Get(output.value));
  }
  return absl::OkStatus();
}

}  // namespace skein
