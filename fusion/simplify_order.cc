// Rules of simplify on order: what is the same for a whole row is computed before it is repeated, and operands that may
// change places stand in an order that does not depend on how the user wrote them.
#include "fusion/simplifier.h"

#include <algorithm>

#include "fusion/emitter.h"

namespace skein {

// f(broadcast(a), broadcast(b), c) = broadcast(f(a, b, c)) for operands of equal shape and splats c: what is
// the same for a whole row is computed once a row.
Simplifier::Found Simplifier::SharedBroadcast(Op op, std::span<const Value> x, const Attributes& attributes) {
  if (Def(op).op_class != OpClass::kPointwise) return kNone;
  std::optional<Dims> narrow;
  for (Value v : x) {
    if (Splat(v)) continue;
    if (g_.op(v) != Op::broadcast) return kNone;
    const Dims& dims = g_.type(NodeOf(v).operands[0]).dims;
    if (narrow && *narrow != dims) return kNone;
    narrow = dims;
  }
  if (!narrow) return kNone;
  const Dims wide = g_.type(x[0]).dims;
  std::vector<Value> operands;
  for (Value v : x) {
    if (std::optional<double> c = Splat(v)) {
      TensorType type{g_.type(v).element, *narrow};
      Value scalar = g_.AddScalar(type.element, *c);
      if (type.rank() > 0) {
        SKEIN_ASSIGN_OR_RETURN(scalar, Make(Op::reshape, {scalar}, {{"dims", Dims(type.rank(), DimExpr(1))}}));
        SKEIN_ASSIGN_OR_RETURN(scalar, Make(Op::broadcast, {scalar}, {{"dims", type.dims}}));
      }
      operands.push_back(scalar);
    } else {
      operands.push_back(NodeOf(v).operands[0]);
    }
  }
  SKEIN_ASSIGN_OR_RETURN(Value f, Make(op, operands, attributes));
  SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::broadcast, {f}, {{"dims", wide}}));
  return std::optional(v);
}

// Commutative operations have their operands in structural order, so that spelling does not matter.
Simplifier::Found Simplifier::OrderOperands(Op op, std::span<const Value> x, const Attributes& attributes) {
  if (!IsCommutative(op) || op == Op::mul) return kNone;  // Product orders factors
  Values sorted(x.begin(), x.end());
  SortByStructure(&sorted);
  if (std::equal(sorted.begin(), sorted.end(), x.begin())) return kNone;
  SKEIN_ASSIGN_OR_RETURN(Value v, g_.Add(op, sorted, attributes));
  SKEIN_ASSIGN_OR_RETURN(v, AsIndex(v));
  return std::optional(v);
}

// A hash of how a value is computed, a few operations deep: names, file order and what lies further back do not
// enter, so that equal layers at different depths are ordered alike.
// What mentions a symbol is "?", because symbols have the user's names.
void Simplifier::AppendSizes(std::span<const DimExpr> dims, std::string* text) {
  *text += '[';
  for (DimExpr d : dims) {
    if (HasSymbols(d)) {
      *text += "?,";
    } else if (d.IsConst()) {
      absl::StrAppend(text, d.constant(), ",");
    } else {
      absl::StrAppend(text, d.ToString(), ",");
    }
  }
  *text += ']';
}

Hash128 Simplifier::Structure(Value v, int depth) {
  const auto known = structure_.find({v.node, depth});
  if (known != structure_.end()) return known->second;
  const Node& node = NodeOf(v);
  std::string text = absl::StrCat(static_cast<int>(node.results[0].element));
  AppendSizes(node.results[0].dims, &text);
  if (depth == 0) return structure_[{v.node, depth}] = StableHash(text);  // a weight is one however it is stored
  absl::StrAppend(&text, ForStrCat(Name(node.op)));
  if (node.op == Op::constant) {
    if (std::optional<double> c = Splat(v)) absl::StrAppend(&text, *c);
  } else if (node.op != Op::input) {
    for (const auto& [name, value] : node.attributes.entries()) {
      text += name;
      if (const Dims* dims = std::get_if<Dims>(&value)) {
        AppendSizes(*dims, &text);
      } else {
        text += Attributes({{name, value}}).ToString();
      }
    }
  }
  std::vector<std::string> operands;
  for (Value v : node.operands) operands.push_back(absl::StrCat(Structure(v, depth - 1).Hex(), v.result));
  if (IsCommutative(node.op)) std::sort(operands.begin(), operands.end());
  for (const std::string& operand : operands) text += operand;
  return structure_[{v.node, depth}] = StableHash(text);
}

void Simplifier::SortByStructure(Values* values) {
  if (values->size() < 2) return;
  const auto before = [this](Value a, Value b) {
    // Wide values first: a broadcast (per-row) factor joins last and stays out of inner expressions.
    const bool a_broadcast = g_.op(a) == Op::broadcast, b_broadcast = g_.op(b) == Op::broadcast;
    if (a_broadcast != b_broadcast) return b_broadcast;
    if (a == b) return false;
    return Structure(a) < Structure(b);
  };
  if (values->size() > 2) {
    std::stable_sort(values->begin(), values->end(), before);
  } else if (before((*values)[1], (*values)[0])) {
    std::swap((*values)[0], (*values)[1]);
  }
}

}  // namespace skein
