#include "fusion/reduction_state.h"

#include <algorithm>
#include <cstdint>

#include "fusion/first_place.h"
#include "fusion/schedule.h"

namespace skein {
namespace {

bool IsRounded(std::optional<Opcode> op, ElementType t) {
  return !op || (IsFloat(t) && *op != Opcode::kMin && *op != Opcode::kMax);
}

Reducer LargerNumber(ElementType t) {
  Reducer reducer = *MaxReducer(t);
  reducer.combine = Graph();
  const Value a = reducer.combine.AddInput("a", {t, {}}), b = reducer.combine.AddInput("b", {t, {}});
  const absl::StatusOr<Value> smaller = reducer.combine.Add(Op::less, {b, a});
  SKEIN_CHECK_MSG(smaller.ok(), smaller.status().ToString());
  const absl::StatusOr<Value> larger = reducer.combine.Add(Op::select, {*smaller, a, b});
  SKEIN_CHECK_MSG(larger.ok(), larger.status().ToString());
  reducer.combine.AddOutput("y", *larger);
  return reducer;
}

}  // namespace

const Reducer& ReducerOf(const Node& reduction) {
  static const auto* f32 = new Reducer(LargerNumber(ElementType::kF32));
  static const auto* f64 = new Reducer(LargerNumber(ElementType::kF64));
  const Reducer& given = **reduction.attributes.Get<ReducerRef>("reducer");
  if (!reduction.attributes.Has("loose") || given.state.size() != 1) return given;
  return given.state[0] == ElementType::kF32 ? *f32 : given.state[0] == ElementType::kF64 ? *f64 : given;
}

ReductionState::ReductionState(const Reducer& reducer, std::optional<DimExpr> rows)
    : reducer_(reducer), types_(reducer.state) {
  if (types_.size() == 1) chunked_ = IsRounded(SingleOpcode(reducer.combine), types_[0]);
  const std::optional<FirstPlace> place = rows ? FindFirstPlace(reducer) : std::nullopt;
  if (place && reducer.initial[1] >= 0) {  // which the first row is not behind
    counts_rows_ = true;
    chunked_ = false;
    of_largest_ = place->of_largest;
    rows_ = *rows;
    types_ = {ElementType::kF32,
              ProveLess(rows_, DimExpr(int64_t{1} << 31)) ? ElementType::kI32 : ElementType::kI64};
  }
}

bool ReductionState::is_light() const {
  const std::optional<Opcode> op = SingleOpcode(reducer_.combine);
  const bool orders = op == Opcode::kMin || op == Opcode::kMax;
  return op && !(orders && IsFloat(types_[0])) && types_.size() == 1;
}

std::vector<ValueId> ReductionState::Start(LoopBuilder& b, int lanes) const {
  if (counts_rows_) {  // should all be as bad as can be, it is the first
    return {b.Const(ElementType::kF32, reducer_.initial[0], lanes), b.ConstInt(types_[1], 0, lanes)};
  }
  std::vector<ValueId> state;
  for (size_t i = 0; i < types_.size(); ++i) state.push_back(b.Const(types_[i], reducer_.initial[i], lanes));
  return state;
}

std::vector<ValueId> ReductionState::Take(LoopBuilder& b, std::span<const ValueId> state,
                                          std::span<const ValueId> elements, int lanes) const {
  if (!counts_rows_) return Join(b, state, EmitScalarGraph(b, reducer_.map, elements), lanes);
  const ValueId best = state[0], x = elements[0];
  const ValueId worse = of_largest_ ? b.Binary(Opcode::kLessEqual, x, best) : b.Binary(Opcode::kLessEqual, best, x);
  // NaN is not worse than anything, and once it is the best, it stays.
  const ValueId better = b.Binary(Opcode::kAnd, b.Unary(Opcode::kNot, worse), b.Binary(Opcode::kEqual, best, best));
  return {b.Select(better, x, best), b.Select(better, elements[1], state[1])};
}

std::vector<ValueId> ReductionState::Join(LoopBuilder& b, std::span<const ValueId> left,
                                          std::span<const ValueId> right, int lanes) const {
  std::vector<ValueId> both(left.begin(), left.end());
  both.insert(both.end(), right.begin(), right.end());
  std::vector<ValueId> result = EmitScalarGraph(b, reducer_.combine, both);
  for (ValueId& v : result) v = b.Splat(v, lanes);
  return result;
}

std::vector<ValueId> ReductionState::JoinLanes(LoopBuilder& b, std::span<const ValueId> state, DimExpr start) const {
  const int lanes = b.type(state[0]).lanes;
  const ValueId best = b.Reduce(of_largest_ ? Opcode::kMax : Opcode::kMin, state[0]);
  const ValueId is_best = b.Binary(Opcode::kOr, b.Binary(Opcode::kEqual, state[0], b.Splat(best, lanes)),
                                   b.Binary(Opcode::kNotEqual, state[0], state[0]));  // any NaN is
  const ValueId numbers = b.Add(state[1], b.Iota(types_[1], lanes));
  const ValueId none = b.ConstInt(types_[1], types_[1] == ElementType::kI32 ? INT32_MAX : INT64_MAX, lanes);
  ValueId first = b.Convert(ElementType::kI64, b.Reduce(Opcode::kMin, b.Select(is_best, numbers, none)));
  if (!start.IsConst(0)) first = b.Add(first, b.Index(start));
  return {best, b.Convert(reducer_.state[1], first)};
}

std::vector<ValueId> ReductionState::Finish(LoopBuilder& b, std::span<const ValueId> state) const {
  if (!counts_rows_) return EmitScalarGraph(b, reducer_.finish, state);
  const ElementType place = reducer_.state[1];
  const ValueId found = b.Convert(place, state[1]);
  if (ProveLess(0, rows_)) return {found};
  const int lanes = b.type(found).lanes;
  const ValueId any = b.Binary(Opcode::kNotEqual, b.Index(rows_), b.ConstInt(ElementType::kI64, 0));
  return {b.Select(b.Splat(any, lanes), found, b.Const(place, reducer_.initial[1], lanes))};
}

ReductionStates::ReductionStates(std::vector<ReductionState> all, int groups, int lanes)
    : reductions(std::move(all)), groups(groups), lanes(lanes) {
  for (const ReductionState& r : reductions) {
    types.insert(types.end(), r.types().begin(), r.types().end());
    chunked = chunked || r.chunked();
  }
}

bool ReductionStates::light() const {
  return std::all_of(reductions.begin(), reductions.end(), [](const ReductionState& r) { return r.is_light(); });
}

int ReductionStates::units() const {
  int bits = 0;
  for (ElementType t : types) bits += BitWidth(t);
  return (bits + 31) / 32;
}

std::vector<ValueId> ReductionStates::Start(LoopBuilder& b) const {
  std::vector<ValueId> result;
  for (int g = 0; g < groups; ++g) {
    for (const ReductionState& r : reductions) {
      const std::vector<ValueId> start = r.Start(b, lanes);
      result.insert(result.end(), start.begin(), start.end());
    }
  }
  return result;
}

std::vector<ValueId> ReductionStates::Join(LoopBuilder& b, std::span<const ValueId> left,
                                           std::span<const ValueId> right) const {
  std::vector<ValueId> result;
  for (int g = 0; g < groups; ++g) {
    for (const ReductionState& r : reductions) {
      const size_t at = result.size(), n = r.types().size();
      const std::vector<ValueId> both = r.Join(b, left.subspan(at, n), right.subspan(at, n), lanes);
      result.insert(result.end(), both.begin(), both.end());
    }
  }
  return result;
}

}  // namespace skein
