#include "fusion/planner_cost.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "ir/op.h"

namespace skein {

namespace {

double EvaluateNominally(DimExpr e, const SymbolValues& sizes) {
  constexpr int64_t kNominal = 128;
  SymbolValues symbols;
  VisitLeaves(e, [&](DimExpr leaf) {
    if (leaf.kind() != DimKind::kSymbol) return;
    const std::string name(leaf.symbol());
    auto it = sizes.find(name);
    symbols[name] = it == sizes.end() ? kNominal : it->second;
  });
  absl::StatusOr<int64_t> v = Evaluate(e, symbols);
  return v.ok() ? static_cast<double>(*v) : 0;
}

}  // namespace

double NominalValue(DimExpr e, const SymbolValues& sizes) {
  if (e.IsConst()) return static_cast<double>(e.constant());
  if (!sizes.empty()) return EvaluateNominally(e, sizes);
  // The same few products are asked for by every node; expressions are never freed.
  thread_local absl::flat_hash_map<DimExpr, double> known;
  auto [it, fresh] = known.try_emplace(e, 0);
  if (fresh) it->second = EvaluateNominally(e, sizes);
  return it->second;
}

double NominalElements(const TensorType& type, const SymbolValues& sizes) {
  return NominalValue(Product(type.dims), sizes);
}

double NominalBytes(const TensorType& type, const SymbolValues& sizes) {
  return NominalElements(type, sizes) * BitWidth(type.element) / 8;
}

Traffic::Traffic(const PlanGraph& graph, const SymbolValues& sizes, double launch) : graph_(graph), launch_(launch) {
  const Graph& g = graph.graph();
  accesses_of_.resize(g.size());
  values_of_.resize(g.size());
  written_.resize(g.size());
  included_.resize(g.size());
  absl::flat_hash_map<Value, int> numbers;
  absl::flat_hash_map<std::pair<NodeId, Value>, int> known;
  auto bytes_of = [&](Value v) { return sizes.empty() ? graph.BytesOf(v) : NominalBytes(g.type(v), sizes); };
  auto add = [&](NodeId reader, NodeId by) {  // what node `by`, a part of computed node `reader`, reads
    const Node& node = g.node(by);
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Value v = node.operands[i];
      const Op op = g.op(v);
      if (graph.IsInlined(v) || (op != Op::input && op != Op::constant && !graph.IsComputed(v.node))) continue;
      auto [number, fresh] = numbers.emplace(v, static_cast<int>(values_.size()));
      if (fresh) {
        ReadValue& value = values_.emplace_back();
        value.producer = v.node;
        value.bytes = bytes_of(v);
      }
      auto [access, first] = known.emplace(std::pair(by, v), static_cast<int>(accesses_.size()));
      if (first) {
        const bool narrows = (node.op == Op::slice || node.op == Op::gather) && i == 0;
        const double all = values_[number->second].bytes;
        accesses_.push_back({number->second, narrows ? NominalBytes({g.type(v).element, node.results[0].dims}, sizes) : all});
      }
      accesses_of_[reader.index].push_back(access->second);
      values_of_[reader.index].push_back(number->second);
    }
  };
  for (NodeId id : graph.computed()) {
    add(id, id);
    for (NodeId by : graph.RecomputedFor(id)) add(id, by);
    for (Numbers* list : {&accesses_of_[id.index], &values_of_[id.index]}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    for (int value : values_of_[id.index]) values_[value].readers.push_back(id);
    for (size_t r = 0; r < g.node(id).results.size(); ++r) {
      const Value v{id, static_cast<int32_t>(r)};
      if (r == 0 || graph.IsUsed(v)) written_[id.index] += bytes_of(v);
    }
  }
  counted_.resize(accesses_.size());
  touched_.resize(values_.size());
  touched_round_.resize(values_.size());
}

double Traffic::Written(NodeId id) const {
  const auto readers = graph_.ReadersOf(id);
  const bool outside = graph_.IsOutput(id) || std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
                         return included_[reader.index] != round_;
                       });
  return outside ? written_[id.index] : 0;
}

double Traffic::Read(NodeId id) const {
  double bytes = 0;
  for (int a : accesses_of_[id.index]) {
    const Access& access = accesses_[a];
    const ReadValue& value = values_[access.value];
    if (counted_[a] == round_ || included_[value.producer.index] == round_) continue;
    counted_[a] = round_;
    const double before = touched_round_[access.value] == round_ ? touched_[access.value] : 0;
    const double after = std::min(value.bytes, before + access.bytes);
    bytes += after - before;
    touched_[access.value] = after;
    touched_round_[access.value] = round_;
  }
  return bytes;
}

template <typename ForEachNode>
double Traffic::CostOf(ForEachNode for_each) const {
  ++round_;
  for_each([&](NodeId id) { included_[id.index] = round_; });
  double written = 0, read = 0;
  for_each([&](NodeId id) {
    written += Written(id);
    read += Read(id);
  });
  return launch_ + (written > 0 ? written + read : 0);  // nothing is read for results without elements
}

double Traffic::Cost(std::span<const NodeId> nodes) const {
  return CostOf([&](auto visit) {
    for (NodeId id : nodes) visit(id);
  });
}

double Traffic::Cost(std::initializer_list<const NodeSet*> parts) const {
  return CostOf([&](auto visit) {
    for (const NodeSet* part : parts) {
      for (NodeId id : *part) visit(id);
    }
  });
}

}  // namespace skein
