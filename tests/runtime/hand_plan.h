// A planner of a page, for tests of the runtime alone: every pointwise or gather node is a group of its own.
#ifndef SKEIN_TESTS_RUNTIME_HAND_PLAN_H_
#define SKEIN_TESTS_RUNTIME_HAND_PLAN_H_

#include <map>
#include <utility>
#include <vector>

#include "fusion/plan.h"
#include "ir/loop_nest.h"
#include "ir/op.h"
#include "runtime/program.h"

namespace skein {

// out[i] = node(in[i]...), in tiles of 256 elements; a gather reads data[index[i]] of a rank-1 table.
inline Group HandGroup(const Graph& graph, NodeId id) {
  constexpr int kTile = 256;
  const Node& node = graph.node(id);
  Group group;
  group.outputs = {Value{id, 0}};
  group.nodes = {id};
  group.kind = "hand";
  auto nest = std::make_shared<LoopNest>();
  LoopBuilder b(nest.get());
  const DimExpr count = b.AddArgument();
  const DimExpr table = b.AddArgument();
  group.arguments = {Product(node.results[0].dims), 0};
  std::map<Value, BufferId> buffers;
  for (Value v : node.operands) {
    if (buffers.contains(v)) continue;
    const bool is_table = node.op == Op::gather && v == node.operands[0];
    if (is_table) group.arguments[1] = Product(graph.type(v).dims);
    buffers[v] = b.AddBuffer(BufferKind::kInput, graph.type(v).element, is_table ? table : count);
    group.inputs.push_back(v);
    group.bytes_read = group.bytes_read + Product(graph.type(v).dims) * BytesFor(graph.type(v).element, 1);
  }
  const TensorType& type = node.results[0];
  group.bytes_written = Product(type.dims) * BytesFor(type.element, 1);
  group.flops = Product(type.dims);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, type.element, count);
  const DimExpr tile = b.BeginLoop(LoopKind::kParallel, CeilDiv(count, kTile));
  const DimExpr i = tile * kTile + b.BeginVectorLoop(Min(kTile, count - tile * kTile), 64);
  if (node.op == Op::gather) {
    ValueId index = b.Convert(ElementType::kI64, b.Load(buffers[node.operands[1]], i));
    b.Store(out, i, b.Gather(buffers[node.operands[0]], 0, b.ClampIndex(index, table, 0)));
    group.gather_sites = {id};
  } else {
    std::vector<ValueId> x;
    for (Value v : node.operands) x.push_back(b.Load(buffers[v], i));
    b.Store(out, i, Def(node.op).lower(b, node, x));
  }
  b.EndLoop();
  b.EndLoop();
  group.hash = nest->Hash();
  group.nest = std::move(nest);
  return group;
}

inline absl::StatusOr<Plan> HandPlan(const Graph& graph, const PlanOptions&) {
  Plan plan;
  plan.graph = graph;
  for (int i = 0; i < graph.size(); ++i) {
    if (Def(graph.node(NodeId(i)).op).op_class != OpClass::kSource) plan.groups.push_back(HandGroup(graph, NodeId(i)));
  }
  return plan;
}

inline CompileOptions HandOptions() {
  CompileOptions options;
  options.planner = HandPlan;
  return options;
}

template <typename T>
TensorView View(ElementType t, std::vector<T>& data) {
  return {t, {static_cast<int64_t>(data.size())}, data.data()};
}
inline TensorView View(std::vector<float>& data) { return View(ElementType::kF32, data); }

}  // namespace skein

#endif  // SKEIN_TESTS_RUNTIME_HAND_PLAN_H_
