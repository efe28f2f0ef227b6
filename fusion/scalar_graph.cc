// Scalar graphs of reducers, emitted on vectors.
#include "fusion/schedule.h"

namespace skein {
namespace {

// select(b < a, a, b) of the operands a and b.
std::optional<Opcode> ChosenByOrder(const Graph& combine, const Node& select) {
  const Value a = combine.inputs()[0].value, b = combine.inputs()[1].value;
  if (combine.size() != 4 || !IsFloat(combine.type(a).element) || select.operands[1] != a || select.operands[2] != b) {
    return std::nullopt;
  }
  const Node& order = combine.node(select.operands[0].node);
  if (order.op != Op::less || order.operands[0] != b || order.operands[1] != a) return std::nullopt;
  return Opcode::kMaxX86;
}

}  // namespace

std::vector<ValueId> EmitScalarGraph(LoopBuilder& b, const Graph& graph, std::span<const ValueId> inputs) {
  if (SingleOpcode(graph) == Opcode::kMaxX86) return {b.Binary(Opcode::kMaxX86, inputs[0], inputs[1])};
  absl::flat_hash_map<Value, ValueId> values;
  for (size_t i = 0; i < inputs.size(); ++i) values[graph.inputs()[i].value] = inputs[i];
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op == Op::input) continue;
    if (node.op == Op::constant) {
      const Literal& literal = **node.attributes.Get<LiteralRef>("literal");
      values[{NodeId(i), 0}] = b.Const(literal.element, literal.AsDouble(0));
      continue;
    }
    std::vector<ValueId> operands;
    int lanes = 1;
    for (Value v : node.operands) {
      operands.push_back(values.at(v));
      lanes = std::max(lanes, b.type(operands.back()).lanes);
    }
    for (ValueId& v : operands) v = b.Splat(v, lanes);
    values[{NodeId(i), 0}] = Def(node.op).lower(b, node, operands);
  }
  std::vector<ValueId> results;
  for (const Graph::Named& out : graph.outputs()) results.push_back(values.at(out.value));
  return results;
}

std::optional<Opcode> SingleOpcode(const Graph& combine) {
  if (combine.inputs().size() != 2 || combine.outputs().size() != 1) return std::nullopt;
  const Node& node = combine.node(combine.outputs()[0].value.node);
  if (node.op == Op::select) return ChosenByOrder(combine, node);
  if (combine.size() != 3) return std::nullopt;
  if (node.operands.size() != 2 || node.operands[0] != combine.inputs()[0].value ||
      node.operands[1] != combine.inputs()[1].value) {
    return std::nullopt;
  }
  switch (node.op) {
    case Op::add: return Opcode::kAdd;
    case Op::mul: return Opcode::kMul;
    case Op::minimum: return Opcode::kMin;
    case Op::maximum: return Opcode::kMax;
    case Op::bit_and: return Opcode::kAnd;
    case Op::bit_or: return Opcode::kOr;
    default: return std::nullopt;
  }
}

}  // namespace skein
