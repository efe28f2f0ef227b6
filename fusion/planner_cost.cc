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
  if (!sizes.empty()) return NominalValue(Product(type.dims), sizes);
  double elements = 1;
  for (DimExpr dim : type.dims) elements *= NominalValue(dim);
  return elements;
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
  absl::flat_hash_map<Value, int> others;          // numbers of values that are no first results
  std::vector<int> numbers(g.size(), -1);          // of first results
  std::vector<Numbers> accesses_by(g.size());      // by node that reads, computed or recomputed, once it has been asked
  std::vector<uint8_t> asked(g.size(), false);
  auto bytes_of = [&](Value v) { return sizes.empty() ? graph.BytesOf(v) : NominalBytes(g.type(v), sizes); };
  auto number_of = [&](Value v) {
    int& number = v.result == 0 ? numbers[v.node.index] : others.try_emplace(v, -1).first->second;
    if (number < 0) {
      number = static_cast<int>(values_.size());
      values_.emplace_back().bytes = bytes_of(v);
    }
    return number;
  };
  auto find = [&](NodeId by) {
    const Node& node = g.node(by);
    Numbers& found = accesses_by[by.index];
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Value v = node.operands[i];
      if (graph.IsInlined(v) || (!graph.IsMemory(v.node) && !graph.IsComputed(v.node))) continue;
      const int value = number_of(v);
      if (std::any_of(found.begin(), found.end(), [&](int a) { return accesses_[a].value == value; })) continue;
      const bool narrows = (node.op == Op::slice || node.op == Op::gather) && i == 0;
      const double all = values_[value].bytes;
      const double bytes = narrows ? NominalBytes({g.type(v).element, node.results[0].dims}, sizes) : all;
      found.push_back(static_cast<int>(accesses_.size()));
      accesses_.push_back({value, v.node, all, bytes, 0});
    }
  };
  auto add = [&](NodeId reader, NodeId by) {  // what node `by`, a part of computed node `reader`, reads
    if (!asked[by.index]) find(by);
    asked[by.index] = true;
    for (int a : accesses_by[by.index]) {
      accesses_of_[reader.index].push_back(a);
      values_of_[reader.index].push_back(accesses_[a].value);
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
  touched_.resize(values_.size());
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
    Access& access = accesses_[a];
    if (access.counted == round_ || included_[access.producer.index] == round_) continue;
    access.counted = round_;
    Touched& touched = touched_[access.value];
    const double before = touched.round == round_ ? touched.bytes : 0;
    touched = {round_, std::min(access.all, before + access.bytes)};
    bytes += touched.bytes - before;
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
