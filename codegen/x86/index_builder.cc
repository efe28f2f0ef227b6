#include "codegen/x86/index_builder.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <span>

namespace skein::x86 {
namespace {

bool IsScale(int64_t value) { return value == 1 || value == 2 || value == 4 || value == 8; }

// A term as coefficient * rest.
std::pair<int64_t, DimExpr> SplitCoefficient(DimExpr term) {
  if (term.kind() != DimKind::kMul || !term.operands()[0].IsConst()) return {1, term};
  const std::span<const DimExpr> rest = term.operands().subspan(1);
  return {term.operands()[0].constant(), rest.size() == 1 ? rest[0] : skein::Product(rest)};
}

// The terms of a sum; of one term where `e` is none, which has to outlive the result.
std::span<const DimExpr> TermsOf(const DimExpr& e) {
  if (e.kind() == DimKind::kAdd) return e.operands();
  return {&e, e.IsConst(0) ? size_t{0} : size_t{1}};
}

}  // namespace

IndexBuilder::IndexBuilder(const LoopNest& nest, ProgramBuilder* builder,
                           std::vector<VariableNote>* notes)
    : nest_(nest),
      builder_(builder),
      notes_(notes),
      scratch_(LayOutScratch(nest)),
      at_depth_(1) {
  loops_.resize(nest.loop_count);
  values_.resize(nest.value_count());
  arguments_ = Load(builder->Parameter(0), 8);
  buffers_ = Load(builder->Parameter(0), 0);
}

void IndexBuilder::BindLoop(const Inst& loop, Variable v, int depth) {
  loops_[loop.loop] = {v, depth};
  if (notes_ != nullptr) notes_->push_back({v, DimExpr::Coord(loop.loop, loop.extent)});
}

int IndexBuilder::DepthOf(DimExpr e) const {
  if (!HasCoords(e)) return 0;
  switch (e.kind()) {
    case DimKind::kCoord:
      return loops_[e.index()].depth;
    case DimKind::kValue:
      return values_[e.index()].depth;
    default:
      return DepthOf(e.operands());
  }
}

int IndexBuilder::DepthOf(std::span<const DimExpr> terms) const {
  int depth = 0;
  for (DimExpr term : terms) depth = std::max(depth, DepthOf(term));
  return depth;
}

std::pair<IndexBuilder::Terms, IndexBuilder::Terms> IndexBuilder::SplitAtDepth(
    std::span<const DimExpr> terms, int depth) const {
  std::pair<Terms, Terms> split;
  for (DimExpr term : terms) (DepthOf(term) < depth ? split.first : split.second).push_back(term);
  return split;
}

Variable IndexBuilder::Load(Variable base, int64_t offset) {
  Operation& load = builder_->Append(Action::kLoadGeneral, 0);
  load.index = true;
  load.address.base = base;
  load.address.displacement = static_cast<int32_t>(offset);
  return load.result;
}

Variable IndexBuilder::Find(std::span<const DimExpr> terms, int buffer, int depth) const {
  if (depth >= static_cast<int>(at_depth_.size())) return {};
  for (const Known& known : at_depth_[depth].known) {
    if (known.buffer == buffer && std::ranges::equal(known.terms, terms)) return known.variable;
  }
  return {};
}

void IndexBuilder::Remember(std::span<const DimExpr> terms, int buffer, int depth, Variable v) {
  at_depth_.resize(builder_->depth() + 1);
  at_depth_[depth].known.push_back({buffer, Terms(terms.begin(), terms.end()), v});
  if (notes_ == nullptr) return;
  DimExpr sum = 0;
  for (DimExpr term : terms) sum = sum + term;
  notes_->push_back({v, sum, buffer});
}

Variable IndexBuilder::Evaluate(DimExpr e) {
  switch (e.kind()) {
    case DimKind::kConst:
      return builder_->Immediate(e.constant());
    case DimKind::kCoord:
      return loops_[e.index()].variable;
    case DimKind::kValue:
      return values_[e.index()].variable;
    case DimKind::kAdd:
      return EvaluateSum(e.operands());
    default:
      break;
  }
  const int depth = DepthOf(e);
  Variable v = Find({&e, 1}, -1, depth);
  if (v.valid()) return v;
  v = EvaluateNew(e, depth);
  Remember({&e, 1}, -1, depth, v);
  return v;
}

Variable IndexBuilder::EvaluateSum(std::span<const DimExpr> terms) {
  if (terms.size() == 1) return Evaluate(terms[0]);
  const int depth = DepthOf(terms);
  Variable v = Find(terms, -1, depth);
  if (v.valid()) return v;
  v = Sum(terms, depth);
  Remember(terms, -1, depth, v);
  return v;
}

Variable IndexBuilder::EvaluateNew(DimExpr e, int depth) {
  switch (e.kind()) {
    case DimKind::kSymbol:
      return Load(arguments_, 8 * int64_t{ArgumentNumber(e.symbol())});
    case DimKind::kMul:
      return Product(e, depth);
    case DimKind::kFloorDiv:
    case DimKind::kMod:
      return Divide(e, depth);
    case DimKind::kLess:
      return Operate({.action = Action::kGeneralCompare, .opcode = Opcode::kLess}, e, depth);
    case DimKind::kEqual:
      return Operate({.action = Action::kGeneralCompare, .opcode = Opcode::kEqual}, e, depth);
    case DimKind::kMin:
      return General(Opcode::kMin, Evaluate(e.operands()[0]), Evaluate(e.operands()[1]), depth);
    case DimKind::kMax:
      return General(Opcode::kMax, Evaluate(e.operands()[0]), Evaluate(e.operands()[1]), depth);
    default:
      return Operate({.action = Action::kGeneralSelect}, e, depth);
  }
}

// On the operands of `e`.
Variable IndexBuilder::Operate(Operation operation, DimExpr e, int depth) {
  operation.index = true;
  for (DimExpr operand : e.operands()) operation.AddOperand(Evaluate(operand));
  return builder_->Emit(operation, depth);
}

// Towards -infinity, so that a remainder has the divisor's sign; x/0 = 0.
Variable IndexBuilder::Divide(DimExpr e, int depth) {
  const DimExpr dividend = e.operands()[0], divisor = e.operands()[1];
  const bool modulo = e.kind() == DimKind::kMod;
  const Variable a = Evaluate(dividend), b = Evaluate(divisor);
  if (divisor.IsConst() && std::has_single_bit(static_cast<uint64_t>(divisor.constant())) && divisor.constant() > 0) {
    const int power = std::countr_zero(static_cast<uint64_t>(divisor.constant()));
    return modulo ? General(Opcode::kAnd, a, builder_->Immediate(divisor.constant() - 1), depth)
                  : General(Opcode::kSar, a, builder_->Immediate(power), depth);
  }
  const Variable result = General(modulo ? Opcode::kIntRem : Opcode::kIntDiv, a, b, depth);
  if (dividend.range().lo >= 0 && divisor.range().lo >= 0) return result;
  // Truncated too far up if there is a remainder whose sign is not the divisor's.
  const Variable remainder = modulo ? result : General(Opcode::kIntRem, a, b, depth);
  const Variable signs = General(Opcode::kXor, remainder, b, depth);
  const Variable differ = General(Opcode::kSar, signs, builder_->Immediate(63), depth);
  Operation select{.action = Action::kGeneralSelect, .index = true};
  select.AddOperand(remainder);
  select.AddOperand(modulo ? General(Opcode::kAnd, differ, b, depth) : differ);
  select.AddOperand(builder_->Immediate(0));
  return General(Opcode::kAdd, result, builder_->Emit(select, depth), depth);
}

Variable IndexBuilder::General(Opcode op, Variable a, Variable b, int depth) {
  if (builder_->info(a).constant != ConstantKind::kNone && IsCommutative(op)) std::swap(a, b);
  Operation& operation = builder_->Append(Action::kGeneral, depth);
  operation.opcode = op;
  operation.index = true;
  operation.AddOperand(a);
  operation.AddOperand(b);
  return operation.result;
}

Variable IndexBuilder::Lea(const Address& address, int depth) {
  Operation& lea = builder_->Append(Action::kLea, depth);
  lea.index = true;
  lea.address = address;
  return lea.result;
}

Variable IndexBuilder::Sum(std::span<const DimExpr> terms, int depth) {
  int64_t constant = 0;
  if (terms.back().IsConst()) {
    constant = terms.back().constant();
    terms = terms.first(terms.size() - 1);
  }
  // The part that is known further out is an expression of its own, shared and hoisted.
  const auto [outer, inner] = SplitAtDepth(terms, depth);
  Variable sum;
  if (!outer.empty()) sum = EvaluateSum(outer);
  for (DimExpr term : inner) {
    auto [coefficient, rest] = SplitCoefficient(term);
    if (sum.valid() && IsScale(coefficient)) {
      sum = Lea({sum, Evaluate(rest), static_cast<int>(coefficient)}, depth);
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

Variable IndexBuilder::Base(BufferId buffer, std::span<const DimExpr> terms) {
  const int depth = DepthOf(terms);
  Variable v = Find(terms, buffer.index, depth);
  if (v.valid()) return v;
  if (terms.empty()) {
    v = Pointer(buffer);
  } else {
    // A constant, which is here only if it fits no displacement, counts with the inner terms.
    const size_t constants = terms.back().IsConst() ? 1 : 0;
    auto [outer, inner] = SplitAtDepth(terms.first(terms.size() - constants), depth);
    if (constants > 0) inner.push_back(terms.back());
    const int bytes = static_cast<int>(BytesFor(nest_.buffers[buffer.index].element, 1));
    v = Lea({Base(buffer, outer), EvaluateSum(inner), bytes}, depth);
  }
  Remember(terms, buffer.index, depth, v);
  return v;
}

Address IndexBuilder::Locate(BufferId buffer, DimExpr element, int64_t offset) {
  std::span<const DimExpr> terms = TermsOf(element);
  int64_t constant = offset;
  if (!terms.empty() && terms.back().IsConst()) {
    constant += terms.back().constant();
    terms = terms.first(terms.size() - 1);
  }
  if (std::abs(constant) >= (int64_t{1} << 27)) {  // no displacement
    element = element + DimExpr(offset);
    terms = TermsOf(element);
    constant = 0;
  }
  at_depth_.resize(builder_->depth() + 1);
  // Pieces of a vector and rows of a tile differ in nothing but the constant.
  Address address;
  bool found = false;
  for (const Located& located : at_depth_.back().located) {
    if (located.buffer != buffer.index || !std::ranges::equal(located.terms, terms)) continue;
    address = located.address;
    found = true;
    break;
  }
  if (!found) {
    address = LocateNew(buffer, terms);
    at_depth_.back().located.push_back({buffer.index, Terms(terms.begin(), terms.end()), address});
  }
  address.displacement = static_cast<int32_t>(constant * BytesFor(nest_.buffers[buffer.index].element, 1));
  return address;
}

Address IndexBuilder::LocateNew(BufferId buffer, std::span<const DimExpr> terms) {
  const int64_t bytes = BytesFor(nest_.buffers[buffer.index].element, 1);
  const auto [outer, inner] = SplitAtDepth(terms, builder_->depth());
  Address address;
  address.base = Base(buffer, outer);
  if (inner.empty()) return address;
  if (inner.size() == 1) {
    const auto [coefficient, rest] = SplitCoefficient(inner[0]);
    if (IsScale(coefficient * bytes)) {
      address.index = Evaluate(rest);
      address.scale = static_cast<int>(coefficient * bytes);
      return address;
    }
  }
  address.index = EvaluateSum(inner);
  address.scale = static_cast<int>(bytes);
  return address;
}

}  // namespace skein::x86
