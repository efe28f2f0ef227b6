#include "codegen/x86/index_builder.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

namespace skein::x86 {
namespace {

bool IsScale(int64_t value) { return value == 1 || value == 2 || value == 4 || value == 8; }

// A term as coefficient * rest.
std::pair<int64_t, DimExpr> SplitCoefficient(DimExpr term) {
  if (term.kind() != DimKind::kMul || !term.operands()[0].IsConst()) return {1, term};
  DimExpr rest = 1;
  for (DimExpr factor : term.operands().subspan(1)) rest = rest * factor;
  return {term.operands()[0].constant(), rest};
}

std::vector<DimExpr> Terms(DimExpr e) {
  if (e.kind() != DimKind::kAdd) return {e};
  return {e.operands().begin(), e.operands().end()};
}

}  // namespace

IndexBuilder::IndexBuilder(const LoopNest& nest, ProgramBuilder* builder)
    : nest_(nest),
      builder_(builder),
      scratch_(LayOutScratch(nest)),
      loops_(nest.loop_count),
      values_(nest.value_count()),
      known_(1) {
  arguments_ = Load(builder->Parameter(0), 8);
  buffers_ = Load(builder->Parameter(0), 0);
}

int IndexBuilder::DepthOf(DimExpr e) const {
  switch (e.kind()) {
    case DimKind::kConst:
    case DimKind::kSymbol:
      return 0;
    case DimKind::kCoord:
      return loops_[e.index()].depth;
    case DimKind::kValue:
      return values_[e.index()].depth;
    default: {
      int depth = 0;
      for (DimExpr operand : e.operands()) depth = std::max(depth, DepthOf(operand));
      return depth;
    }
  }
}

Variable IndexBuilder::Load(Variable base, int64_t offset) {
  return builder_->Emit({.action = Action::kLoadGeneral,
                         .address = {.base = base, .displacement = static_cast<int32_t>(offset)}},
                        RegisterClass::kGeneral, 0);
}

Variable IndexBuilder::Find(DimExpr e, int buffer, int depth) const {
  if (depth >= static_cast<int>(known_.size())) return {};
  for (const Known& known : known_[depth]) {
    if (known.key == e.node() && known.buffer == buffer) return known.variable;
  }
  return {};
}

Variable IndexBuilder::Evaluate(DimExpr e) {
  switch (e.kind()) {
    case DimKind::kConst:
      return builder_->Immediate(e.constant());
    case DimKind::kCoord:
      return loops_[e.index()].variable;
    case DimKind::kValue:
      return values_[e.index()].variable;
    default:
      break;
  }
  const int depth = DepthOf(e);
  Variable v = Find(e, -1, depth);
  if (v.valid()) return v;
  v = EvaluateNew(e, depth);
  known_.resize(builder_->depth() + 1);
  known_[depth].push_back({e.node(), -1, v});
  return v;
}

Variable IndexBuilder::EvaluateNew(DimExpr e, int depth) {
  switch (e.kind()) {
    case DimKind::kSymbol:
      return Load(arguments_,
                  8 * std::strtoll(std::string(e.symbol().substr(1)).c_str(), nullptr, 10));
    case DimKind::kAdd:
      return Sum(e, depth);
    case DimKind::kMul:
      return Product(e, depth);
    case DimKind::kFloorDiv:
      return Binary(Action::kFloorDiv, e, depth);
    case DimKind::kMod:
      return Binary(Action::kMod, e, depth);
    case DimKind::kLess:
      return Binary(Action::kGeneralLess, e, depth);
    case DimKind::kEqual:
      return Binary(Action::kGeneralEqual, e, depth);
    case DimKind::kMin:
      return General(Opcode::kMin, Evaluate(e.operands()[0]), Evaluate(e.operands()[1]), depth);
    case DimKind::kMax:
      return General(Opcode::kMax, Evaluate(e.operands()[0]), Evaluate(e.operands()[1]), depth);
    default: {  // kSelect
      Operation select{.action = Action::kGeneralSelect};
      for (DimExpr operand : e.operands()) select.AddOperand(Evaluate(operand));
      return builder_->Emit(select, RegisterClass::kGeneral, depth);
    }
  }
}

Variable IndexBuilder::Binary(Action action, DimExpr e, int depth) {
  Operation operation{.action = action};
  for (DimExpr operand : e.operands()) operation.AddOperand(Evaluate(operand));
  return builder_->Emit(operation, RegisterClass::kGeneral, depth);
}

Variable IndexBuilder::General(Opcode op, Variable a, Variable b, int depth) {
  if (builder_->info(a).constant != ConstantKind::kNone && op != Opcode::kSub) std::swap(a, b);
  Operation operation{.action = Action::kGeneral, .opcode = op};
  operation.AddOperand(a);
  operation.AddOperand(b);
  return builder_->Emit(operation, RegisterClass::kGeneral, depth);
}

Variable IndexBuilder::Sum(DimExpr e, int depth) {
  // The part that is known further out is an expression of its own, shared and hoisted.
  DimExpr outer = 0;
  std::vector<DimExpr> inner;
  int64_t constant = 0;
  for (DimExpr term : e.operands()) {
    if (term.IsConst()) {
      constant = term.constant();
    } else if (DepthOf(term) < depth) {
      outer = outer + term;
    } else {
      inner.push_back(term);
    }
  }
  Variable sum;
  if (!outer.IsConst(0)) sum = Evaluate(outer);
  for (DimExpr term : inner) {
    auto [coefficient, rest] = SplitCoefficient(term);
    if (sum.valid() && IsScale(coefficient)) {
      Operation lea{.action = Action::kLea,
                    .address = {sum, Evaluate(rest), static_cast<int>(coefficient)}};
      sum = builder_->Emit(lea, RegisterClass::kGeneral, depth);
    } else if (sum.valid() && coefficient == -1) {
      sum = General(Opcode::kSub, sum, Evaluate(rest), depth);
    } else {
      const Variable value = Evaluate(term);
      sum = sum.valid() ? General(Opcode::kAdd, sum, value, depth) : value;
    }
  }
  if (constant == 0) return sum;
  return General(Opcode::kAdd, sum, builder_->Immediate(constant), depth);
}

Variable IndexBuilder::Product(DimExpr e, int depth) {
  DimExpr outer = 1;
  std::vector<DimExpr> inner;
  int64_t constant = 1;
  for (DimExpr factor : e.operands()) {
    if (factor.IsConst()) {
      constant = factor.constant();
    } else if (DepthOf(factor) < depth) {
      outer = outer * factor;
    } else {
      inner.push_back(factor);
    }
  }
  Variable product;
  if (!outer.IsConst(1)) {
    product = Evaluate(outer * DimExpr(constant));
    constant = 1;
  }
  for (DimExpr factor : inner) {
    const Variable value = Evaluate(factor);
    product = product.valid() ? General(Opcode::kMul, product, value, depth) : value;
  }
  if (constant == 1) return product;
  return General(Opcode::kMul, product, builder_->Immediate(constant), depth);
}

Variable IndexBuilder::Pointer(BufferId buffer) {
  const Buffer& b = nest_.buffers[buffer.index];
  if (b.kind != BufferKind::kScratch) return Load(buffers_, 8 * int64_t{buffer.index});
  int number = 0;
  for (int i = 0; i < buffer.index; ++i) number += nest_.buffers[i].kind == BufferKind::kScratch;
  const DimExpr offset = scratch_.offsets[number];
  if (offset.IsConst(0)) return builder_->Parameter(3);
  return General(Opcode::kAdd, builder_->Parameter(3), Evaluate(offset), 0);
}

Variable IndexBuilder::Base(BufferId buffer, DimExpr element) {
  const int depth = DepthOf(element);
  Variable v = Find(element, buffer.index, depth);
  if (v.valid()) return v;
  if (element.IsConst(0)) {
    v = Pointer(buffer);
  } else {
    DimExpr outer = 0, inner = 0;
    for (DimExpr term : Terms(element)) {
      (DepthOf(term) < depth && !term.IsConst() ? outer : inner) =
          (DepthOf(term) < depth && !term.IsConst() ? outer : inner) + term;
    }
    const int bytes = static_cast<int>(BytesFor(nest_.buffers[buffer.index].element, 1));
    const Operation lea{.action = Action::kLea,
                        .address = {Base(buffer, outer), Evaluate(inner), bytes}};
    v = builder_->Emit(lea, RegisterClass::kGeneral, depth);
  }
  known_.resize(builder_->depth() + 1);
  known_[depth].push_back({element.node(), buffer.index, v});
  return v;
}

Address IndexBuilder::Locate(BufferId buffer, DimExpr element) {
  const int64_t bytes = BytesFor(nest_.buffers[buffer.index].element, 1);
  const int depth = builder_->depth();
  Address address;
  DimExpr outer = 0, inner = 0;
  for (DimExpr term : Terms(element)) {
    if (term.IsConst() && std::abs(term.constant()) < (int64_t{1} << 27)) {
      address.displacement = static_cast<int32_t>(term.constant() * bytes);
    } else if (DepthOf(term) < depth) {
      outer = outer + term;
    } else {
      inner = inner + term;
    }
  }
  address.base = Base(buffer, outer);
  if (inner.IsConst(0)) return address;
  const auto [coefficient, rest] = SplitCoefficient(inner);
  if (IsScale(coefficient * bytes)) {
    address.index = Evaluate(rest);
    address.scale = static_cast<int>(coefficient * bytes);
  } else {
    address.index = Evaluate(inner);
    address.scale = static_cast<int>(bytes);
  }
  return address;
}

}  // namespace skein::x86
