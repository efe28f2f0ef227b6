#include <limits>

#include "ir/graph.h"
#include "ir/op_helpers.h"

namespace skein {
namespace {

// One element of state, combined by `op`; map and finish hand it through.
ReducerRef Simple(std::string name, ElementType t, Op op, double initial) {
  auto reducer = std::make_shared<Reducer>();
  reducer->name = std::move(name);
  reducer->state = {t};
  reducer->initial = {initial};
  TensorType scalar{t, {}};
  for (Graph* g : {&reducer->map, &reducer->finish}) g->AddOutput("y", g->AddInput("x", scalar));
  Value a = reducer->combine.AddInput("a", scalar), b = reducer->combine.AddInput("b", scalar);
  auto y = reducer->combine.Add(op, {a, b});
  SKEIN_CHECK_MSG(y.ok(), y.status().ToString());
  reducer->combine.AddOutput("y", *y);
  return reducer;
}

// The largest value of t that a double holds or, beyond 53 bits, that saturates to it.
double Highest(ElementType t) {
  if (IsFloat(t)) return std::numeric_limits<double>::infinity();
  return IsUnsigned(t) ? static_cast<double>(AsUnsigned(SaturateTo(t, HUGE_VAL)))
                       : static_cast<double>(SaturateTo(t, HUGE_VAL));
}

double Lowest(ElementType t) {
  if (IsFloat(t)) return -std::numeric_limits<double>::infinity();
  return static_cast<double>(SaturateTo(t, -HUGE_VAL));
}

bool IsIdentity(const Graph& g) {
  return g.inputs().size() == 1 && g.outputs().size() == 1 &&
         g.outputs()[0].value == g.inputs()[0].value;
}

}  // namespace

ReducerRef SumReducer(ElementType t) { return Simple("sum", t, Op::add, 0); }
ReducerRef ProductReducer(ElementType t) { return Simple("product", t, Op::mul, 1); }
ReducerRef MaxReducer(ElementType t) { return Simple("max", t, Op::maximum, Lowest(t)); }
ReducerRef MinReducer(ElementType t) { return Simple("min", t, Op::minimum, Highest(t)); }

std::optional<Op> SimpleCombine(const Reducer& reducer) {
  const Graph& combine = reducer.combine;
  if (reducer.state.size() != 1 || !IsIdentity(reducer.map) || !IsIdentity(reducer.finish))
    return std::nullopt;
  if (combine.inputs().size() != 2 || combine.outputs().size() != 1) return std::nullopt;
  const Node& node = combine.node(combine.outputs()[0].value.node);
  bool simple =
      node.op == Op::add || node.op == Op::mul || node.op == Op::maximum || node.op == Op::minimum;
  if (!simple) return std::nullopt;
  Value a = combine.inputs()[0].value, b = combine.inputs()[1].value;
  bool of_inputs = (node.operands[0] == a && node.operands[1] == b) ||
                   (node.operands[0] == b && node.operands[1] == a);
  if (!of_inputs) return std::nullopt;
  return node.op;
}

}  // namespace skein
