// Emission of expressions: integer arithmetic and masks, on lanes where an expression depends on the lane coordinate.
#include "fusion/emitter.h"

namespace skein {
namespace {

constexpr auto kI64 = ElementType::kI64;

}  // namespace

ValueId Emitter::EmitIndex(DimExpr e) {
  const Demand key{Value{NodeId(-2), 0}, {e}};
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    auto it = scope->find(key);
    if (it != scope->end()) return it->second;
  }
  ValueId v = EmitIndexUncached(e);
  scopes_.back()[key] = v;
  return v;
}

// Low halves of 64-bit sums are sums of low halves, in half as many registers.
ValueId Emitter::EmitIndex32(ElementType element, DimExpr e) {
  std::optional<Affine> affine = AsAffine(e, lane_.coord);
  if (LaneFree(e) || !affine || !LaneFree(affine->base) || !affine->stride.IsConst(1)) {
    return b_->Convert(element, EmitIndex(e));
  }
  return b_->Add(b_->Splat(b_->Convert(element, b_->Index(e)), lane_.lanes), b_->Iota(element, lane_.lanes));
}

ValueId Emitter::EmitIndexUncached(DimExpr e) {
  if (LaneFree(e)) return b_->Index(e);
  const int lanes = lane_.lanes;
  auto lane_part = [&](DimExpr x) { return b_->Splat(EmitIndex(x), lanes); };
  switch (e.kind()) {
    case DimKind::kCoord:  // the lane coordinate itself: index of lane 0 + 0, 1, 2, ...
      return b_->Add(b_->Splat(b_->Index(e), lanes), b_->Iota(kI64, lanes));
    case DimKind::kValue:
      return ValueId(e.index());
    case DimKind::kAdd: {
      // Lane-free terms are one scalar.
      DimExpr free = 0;
      ValueId sum;
      for (DimExpr term : e.operands()) {
        if (LaneFree(term)) {
          free = free + term;
        } else {
          ValueId t = lane_part(term);
          sum = sum.valid() ? b_->Add(sum, t) : t;
        }
      }
      if (free.IsConst(0)) return sum;
      return b_->Add(sum, b_->Splat(b_->Index(free), lanes));
    }
    case DimKind::kMul: {
      DimExpr free = 1;
      ValueId product;
      for (DimExpr factor : e.operands()) {
        if (LaneFree(factor)) {
          free = free * factor;
        } else {
          ValueId t = lane_part(factor);
          product = product.valid() ? b_->Mul(product, t) : t;
        }
      }
      if (free.IsConst(1)) return product;
      return b_->Mul(product, b_->Splat(b_->Index(free), lanes));
    }
    case DimKind::kFloorDiv:
    case DimKind::kMod: {
      ValueId a = lane_part(e.operands()[0]), d = lane_part(e.operands()[1]);
      ValueId quotient = b_->Binary(Opcode::kIntDiv, a, d);
      ValueId remainder = b_->Sub(a, b_->Mul(quotient, d));
      ValueId zero = b_->ConstInt(kI64, 0, lanes);
      // Truncation to floor: one less where the remainder's sign differs from the divisor's.
      ValueId differs = b_->Binary(
          Opcode::kAnd, b_->Binary(Opcode::kNotEqual, remainder, zero),
          b_->Binary(Opcode::kLess, b_->Binary(Opcode::kXor, remainder, d), zero));
      ValueId undefined = b_->Binary(Opcode::kEqual, d, zero);
      if (e.kind() == DimKind::kFloorDiv) {
        ValueId floor = b_->Select(differs, b_->Sub(quotient, b_->ConstInt(kI64, 1, lanes)), quotient);
        return b_->Select(undefined, zero, floor);
      }
      ValueId mod = b_->Select(differs, b_->Add(remainder, d), remainder);
      return b_->Select(undefined, zero, mod);
    }
    case DimKind::kMin:
      return b_->Binary(Opcode::kMin, lane_part(e.operands()[0]), lane_part(e.operands()[1]));
    case DimKind::kMax:
      return b_->Binary(Opcode::kMax, lane_part(e.operands()[0]), lane_part(e.operands()[1]));
    case DimKind::kLess:
    case DimKind::kEqual:
      return b_->Convert(kI64, b_->Splat(EmitCondition(e), lanes));
    case DimKind::kSelect:
      return b_->Select(b_->Splat(EmitCondition(e.operands()[0]), lanes), lane_part(e.operands()[1]),
                        lane_part(e.operands()[2]));
    default:
      SKEIN_CHECK_MSG(false, e.ToString());
  }
  return ValueId();
}

ValueId Emitter::EmitCondition(DimExpr e) {
  const int lanes = lane_.lanes;
  const DimRange range = e.range();
  if (e.IsConst()) return b_->ConstInt(ElementType::kBool, e.constant() != 0);
  if (LaneFree(e)) {
    ValueId index = b_->Index(e);
    return b_->Binary(Opcode::kNotEqual, index, b_->ConstInt(kI64, 0));
  }
  const bool boolean = range.lo >= 0 && range.hi <= 1;
  auto splat = [&](ValueId v) { return b_->Splat(v, lanes); };
  if (boolean && e.kind() == DimKind::kMul) {
    ValueId all;
    for (DimExpr factor : e.operands()) {
      ValueId c = splat(EmitCondition(factor));
      all = all.valid() ? b_->Binary(Opcode::kAnd, all, c) : c;
    }
    return all;
  }
  if (boolean && e.kind() == DimKind::kMax) {
    return b_->Binary(Opcode::kOr, splat(EmitCondition(e.operands()[0])),
                      splat(EmitCondition(e.operands()[1])));
  }
  if (e.kind() == DimKind::kEqual) {
    for (int i = 0; i < 2; ++i) {  // not(c) is spelled equal(c, 0)
      DimExpr c = e.operands()[1 - i];
      if (e.operands()[i].IsConst(0) && c.range().lo >= 0 && c.range().hi <= 1) {
        return b_->Unary(Opcode::kNot, splat(EmitCondition(c)));
      }
    }
    return b_->Binary(Opcode::kEqual, splat(EmitIndex(e.operands()[0])),
                      splat(EmitIndex(e.operands()[1])));
  }
  if (e.kind() == DimKind::kLess) {
    // a < b with a - b = base + s*lane, s = +-1: a prefix or suffix of the lanes.
    DimExpr difference = e.operands()[0] - e.operands()[1];
    std::optional<Affine> affine = AsAffine(difference, lane_.coord);
    if (affine && LaneFree(affine->base) && affine->stride.IsConst()) {
      // `difference` evaluates at the index of lane 0.
      if (affine->stride.IsConst(1)) return b_->LaneMask(-difference, lanes);
      if (affine->stride.IsConst(-1)) {
        return b_->Unary(Opcode::kNot, b_->LaneMask(difference + 1, lanes));
      }
    }
    return b_->Binary(Opcode::kLess, splat(EmitIndex(e.operands()[0])),
                      splat(EmitIndex(e.operands()[1])));
  }
  return b_->Binary(Opcode::kNotEqual, splat(EmitIndex(e)), b_->ConstInt(kI64, 0, lanes));
}

}  // namespace skein
