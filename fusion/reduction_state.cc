#include "fusion/reduction_state.h"

#include "fusion/first_place.h"
#include "fusion/schedule.h"
#include "ir/numeric.h"

namespace skein {
namespace {

constexpr ElementType kSigned = ElementType::kI32, kUnsigned = ElementType::kU32;
constexpr uint64_t kNegativeInfinity = 0xff800000, kPositiveInfinity = 0x7f800000;  // of f32

// What the maximum or minimum of f32 carries.
enum { kLargestSigned, kSmallest, kLargest };

bool IsRounded(std::optional<Opcode> op, ElementType t) {
  return !op || (IsFloat(t) && *op != Opcode::kMin && *op != Opcode::kMax);
}

}  // namespace

ReductionState::ReductionState(const Reducer& reducer, int side_by_side, std::optional<DimExpr> rows)
    : reducer_(reducer), types_(reducer.state) {
  const std::optional<Op> op = SimpleCombine(reducer);
  if (types_.size() == 1) chunked_ = IsRounded(SingleOpcode(reducer.combine), types_[0]);
  const bool of_numbers = types_ == std::vector{ElementType::kF32} && (op == Op::maximum || op == Op::minimum);
  if (of_numbers && side_by_side == 1) {
    form_ = op == Op::maximum ? Form::kMaximumOfBits : Form::kMinimumOfBits;
    chunked_ = false;
    types_ = {kSigned, kUnsigned, kUnsigned};
  }
  const std::optional<FirstPlace> place = rows ? FindFirstPlace(reducer) : std::nullopt;
  if (place && reducer.initial[1] >= 0) {  // which the first row is not behind
    form_ = Form::kFirstOfRows;
    chunked_ = false;
    of_largest_ = place->of_largest;
    rows_ = *rows;
    types_ = {ElementType::kF32,
              ProveLess(rows_, DimExpr(int64_t{1} << 31)) ? ElementType::kI32 : ElementType::kI64};
  }
}

std::vector<ValueId> ReductionState::Start(LoopBuilder& b, int lanes) const {
  std::vector<ValueId> state;
  if (form_ == Form::kDeclared) {
    for (size_t i = 0; i < types_.size(); ++i) state.push_back(b.Const(types_[i], reducer_.initial[i], lanes));
    return state;
  }
  if (form_ == Form::kFirstOfRows) {  // should all be as bad as can be, it is the first
    return {b.Const(ElementType::kF32, reducer_.initial[0], lanes), b.ConstInt(types_[1], 0, lanes)};
  }
  const uint64_t bits = BitsFromDouble(ElementType::kF32, reducer_.initial[0]);
  for (ElementType t : types_) state.push_back(b.ConstBits(t, bits, lanes));
  return state;
}

std::vector<ValueId> ReductionState::Take(LoopBuilder& b, std::span<const ValueId> state,
                                          std::span<const ValueId> elements, int lanes) const {
  std::vector<ValueId> mapped;
  if (form_ == Form::kFirstOfRows) {  // not (x <= best), unless the best is NaN
    const ValueId best = state[0], x = elements[0];
    const ValueId worse = of_largest_ ? b.Binary(Opcode::kLessEqual, x, best) : b.Binary(Opcode::kLessEqual, best, x);
    const ValueId better =
        b.Binary(Opcode::kAnd, b.Unary(Opcode::kNot, worse), b.Binary(Opcode::kEqual, best, best));
    return {b.Select(better, x, best), b.Select(better, elements[1], state[1])};
  }
  if (form_ == Form::kDeclared) {
    mapped = EmitScalarGraph(b, reducer_.map, elements);
  } else {
    for (ElementType t : types_) mapped.push_back(b.Bitcast(t, elements[0]));
  }
  return Join(b, state, mapped, lanes);
}

std::vector<ValueId> ReductionState::Join(LoopBuilder& b, std::span<const ValueId> left,
                                          std::span<const ValueId> right, int lanes) const {
  std::vector<ValueId> result;
  if (form_ == Form::kDeclared) {
    std::vector<ValueId> both(left.begin(), left.end());
    both.insert(both.end(), right.begin(), right.end());
    result = EmitScalarGraph(b, reducer_.combine, both);
  } else {
    for (int i : {kLargestSigned, kSmallest, kLargest}) {
      result.push_back(b.Binary(i == kSmallest ? Opcode::kMin : Opcode::kMax, left[i], right[i]));
    }
  }
  for (ValueId& v : result) v = b.Splat(v, lanes);
  return result;
}

// Maximum: a number without a sign, if there is one, is the largest signed; else the smallest unsigned is closest to
// zero. That leaves -NaN, which is the largest unsigned. Minimum: the largest unsigned is furthest below zero if
// anything has a sign, else the smallest unsigned is closest to zero. That leaves +NaN, the largest signed.
std::vector<ValueId> ReductionState::Finish(LoopBuilder& b, std::span<const ValueId> state) const {
  if (form_ == Form::kDeclared) return EmitScalarGraph(b, reducer_.finish, state);
  const int lanes = b.type(state[0]).lanes;
  if (form_ == Form::kFirstOfRows) {
    const ElementType place = reducer_.state[1];
    const ValueId found = b.Convert(place, state[1]);
    if (ProveLess(0, rows_)) return {found};
    const ValueId any = b.Binary(Opcode::kNotEqual, b.Index(rows_), b.ConstInt(ElementType::kI64, 0));
    return {b.Select(b.Splat(any, lanes), found, b.Const(place, reducer_.initial[1], lanes))};
  }
  const ValueId of_signed = b.Bitcast(kUnsigned, state[kLargestSigned]);
  ValueId result, nan;
  if (form_ == Form::kMaximumOfBits) {
    const ValueId all_signed = b.Binary(Opcode::kLess, state[kLargestSigned], b.ConstInt(kSigned, 0, lanes));
    result = b.Select(all_signed, state[kSmallest], of_signed);
    nan = b.Binary(Opcode::kLess, b.ConstBits(kUnsigned, kNegativeInfinity, lanes), state[kLargest]);
    result = b.Select(nan, state[kLargest], result);
  } else {
    const ValueId any_signed =
        b.Binary(Opcode::kLess, b.Bitcast(kSigned, state[kLargest]), b.ConstInt(kSigned, 0, lanes));
    result = b.Select(any_signed, state[kLargest], state[kSmallest]);
    nan = b.Binary(Opcode::kLess, b.ConstBits(kSigned, kPositiveInfinity, lanes), state[kLargestSigned]);
    result = b.Select(nan, of_signed, result);
  }
  return {b.Bitcast(ElementType::kF32, result)};
}

}  // namespace skein
