// Selection of what moves lanes: splat, extract, shuffle, reduce, bitcast.
#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "codegen/x86/fixed_shuffle.h"
#include "codegen/x86/selector.h"

namespace skein::x86 {

using enum RegisterClass;

Parts Selector::Splat(VectorType type, const Parts& v) {
  if (type.lanes == 1) return v;
  Variable splat = v[0];
  if (IsBool(type.element)) {
    const VariableInfo& info = builder_.info(v[0]);  // a constant's other lanes may be those it was extracted from
    if (info.constant != ConstantKind::kNone) return builder_.MaskConstant((info.bits & 1) != 0 ? 0xffff : 0);
    if (!avx512_) return SplatOnce({ElementType::kU32, type.lanes}, v[0]);
    return Emit({.action = Action::kMaskFromGeneral}, {Emit({.action = Action::kGeneralFromMask}, {v[0]})});
  }
  const VariableInfo& info = builder_.info(v[0]);
  if (info.constant == ConstantKind::kImmediate) return Constant(type.element, info.bits, type.lanes);
  const bool broadcast = info.constant == ConstantKind::kNone && builder_.BroadcastAtLoad(v[0]);
  if (!broadcast && (info.constant == ConstantKind::kNone || info.constant == ConstantKind::kVector)) {
    splat = SplatOnce(type, v[0]);
  }
  Parts result;
  for (int p = 0; p < PartCount(type); ++p) result.Add(splat);
  return result;
}

// In front of the loops in which the scalar does not change.
Variable Selector::SplatOnce(VectorType type, Variable v) {
  for (const KnownSplat& known : splats_) {
    if (known.scalar == v && known.wide == IsWide(type.element)) return known.splat;
  }
  const bool general = builder_.info(v).register_class == kGeneral;
  Operation operation{.action = general ? Action::kSplatGeneral : Action::kSplatVector,
                      .element = type.element};
  operation.AddOperand(v);
  const int depth = builder_.DepthOf(v);
  splats_.push_back({v, builder_.Emit(operation, depth), IsWide(type.element), depth});
  return splats_.back().splat;
}

// The tail of a vector loop asks for n, n - 16, n - 32 and n - 48 lanes (AVX2: every 8) of a small n.
Variable Selector::LaneMask(DimExpr n, int lanes) {
  if (n.IsConst()) {
    const int64_t count = std::clamp<int64_t>(n.constant(), 0, lanes);
    if (lanes == 1) return builder_.MaskConstant(count > 0 ? 0xffff : 0);  // as constants of one lane, for Splat
    return builder_.MaskConstant(static_cast<uint16_t>((1u << count) - 1));
  }
  DimExpr whole = n;
  if (n.kind() == DimKind::kAdd) {
    for (DimExpr term : n.operands()) {
      if (term.IsConst() && term.constant() < 0 && term.constant() >= -56) whole = n - term;
    }
  }
  if (!avx512_) return LaneMaskOnAvx2(whole, *(whole - n).AsConst(), lanes);
  Operation mask{.action = Action::kLaneMask, .lanes = static_cast<int8_t>(lanes)};
  const DimRange range = whole.range();
  if (range.lo >= 0 && range.hi <= 255) {
    mask.immediate = 1 + *(whole - n).AsConst();
    n = whole;
  }
  mask.AddOperand(index_.Evaluate(n));
  return Emit(mask);
}

Parts Selector::Extract(VectorType source, const Parts& v, int lane) {
  if (source.lanes == 1) return v;
  if (IsBool(source.element)) {
    if (lane == 0) return v;
    if (!avx512_) return LanesDown(v[0], ElementType::kI32, lane);
    return Emit({.action = Action::kMaskShift, .immediate = lane}, {v[0]});
  }
  const int lanes = RegisterLanes(source.element);
  return FromVector(LanesDown(v[lane / lanes], source.element, lane % lanes), {source.element, 1});
}

// AVX2: from registers of 8 entries; bit 3 of the index chooses between them.
Parts Selector::Lookup(const Inst& inst) {
  const Variable index = Get(inst.operands[0])[0];
  const std::vector<uint32_t> table(inst.shuffle.begin(), inst.shuffle.end());
  auto look_up = [&](std::span<const uint32_t> entries) {
    return Emit(Action::kPermute, {ElementType::kF32, 2 * wide_lanes_}, {index, builder_.Vector32(entries)});
  };
  if (avx512_) return look_up(table);
  const std::span<const uint32_t> entries(table);
  const Variable low = look_up(entries.first(8)), high = look_up(entries.subspan(8));
  // Blends look at signs.
  const Variable upper = ShiftBy(Opcode::kShl, {ElementType::kU32, inst.type.lanes}, index, 28);
  return Emit(Action::kBlend, inst.type, {upper, high, low});
}

Parts Selector::Shuffle(const Inst& inst) {
  const Inst* const last = std::exchange(last_shuffle_, &inst);
  // Pieces of a splat of one lane are alike.
  if (last != nullptr && last->operands == inst.operands && last->shuffle == inst.shuffle) return Get(last->results[0]);
  const ElementType element = inst.type.element;
  const int first_lanes = type(inst.operands[0]).lanes;
  const bool mask = IsBool(element), in_mask_registers = mask && avx512_;
  const int register_lanes = RegisterLanes(element);
  absl::InlinedVector<Variable, 8> tables;
  absl::InlinedVector<int, 2> first_table;
  for (ValueId operand : inst.operands) {
    first_table.push_back(static_cast<int>(tables.size()));
    const Parts& v = Get(operand);
    if (in_mask_registers) {
      const VectorType lanes{ElementType::kI32, type(operand).lanes};
      tables.push_back(MaskedValue(lanes, v[0], Constant(lanes.element, 1, lanes.lanes))[0]);
    } else if (type(operand).lanes == 1) {
      tables.push_back(ToVector(v, type(operand)));
    } else {
      for (int p = 0; p < v.count; ++p) tables.push_back(v[p]);
    }
  }
  Parts result;
  absl::InlinedVector<std::pair<int, int>, 16> lanes;  // (table, lane in it)
  for (int i = 0; i < inst.type.lanes; ++i) {
    const int at = inst.shuffle[i];
    const bool second = at >= first_lanes;
    const int lane = second ? at - first_lanes : at;
    lanes.push_back({first_table[second] + lane / register_lanes, lane % register_lanes});
    if (static_cast<int>(lanes.size()) == register_lanes || i + 1 == inst.type.lanes) {
      result.Add(ShufflePart(IsWide(element), tables, lanes));
      lanes.clear();
    }
  }
  if (in_mask_registers) {
    return CompareInVectors(Opcode::kNotEqual, {ElementType::kI32, inst.type.lanes}, result, builder_.Broadcast32(0));
  }
  return inst.type.lanes == 1 ? FromVector(result[0], inst.type) : result;
}

// One register of lanes from any number of registers.
Variable Selector::ShufflePart(bool wide, std::span<const Variable> tables,
                               std::span<const std::pair<int, int>> lanes) {
  absl::InlinedVector<int, 8> used;  // tables, in order of first use
  for (auto [table, lane] : lanes) {
    if (std::find(used.begin(), used.end(), table) == used.end()) used.push_back(table);
  }
  Variable value = tables[used[0]];
  const int halves = wide ? 2 : 1, register_lanes = 2 * wide_lanes_;
  absl::InlinedVector<int, 16> from(lanes.size() * halves);
  // Two at a time; lanes of tables not reached yet hold anything.
  for (size_t next = 1; next == 1 || next < used.size(); ++next) {
    bool identity = used.size() == 1;
    for (size_t i = 0; i < from.size(); ++i) {
      const auto [table, place] = lanes[i / halves];
      const int lane = place * halves + static_cast<int>(i) % halves;
      const size_t at = static_cast<size_t>(std::find(used.begin(), used.end(), table) - used.begin());
      from[i] = at > next ? -1 : at == next ? register_lanes + lane : next > 1 ? static_cast<int>(i) : lane;
      identity = identity && from[i] == static_cast<int>(i);
    }
    if (!identity) value = ShuffleTwo(from, value, used.size() == 1 ? value : tables[used[next]]);
  }
  return value;
}

Variable Selector::Shuffle(ShuffleBy by, int immediate, Variable a, Variable b) {
  return Emit(Action::kShuffle, {ElementType::kF32, 2 * wide_lanes_}, {a, b}, Opcode::kShuffle,
              static_cast<int64_t>(by) << 8 | immediate);
}

Variable Selector::Permute(std::span<const int> from, Variable a) {
  return Emit(Action::kPermute, {ElementType::kF32, 2 * wide_lanes_}, {Indices(from), a});
}

Variable Selector::Indices(std::span<const int> from) {
  absl::InlinedVector<uint32_t, 16> indices;
  for (int lane : from) indices.push_back(static_cast<uint32_t>(std::max(lane, 0)));
  return builder_.Vector32(indices);
}

bool Selector::IsSplat(Variable v) const { return builder_.info(v).constant == ConstantKind::kBroadcast32; }

// 32-bit lanes of two registers, by one instruction without indices if there is one.
//   from: lane of a, or past those a lane of b, or -1 for anything.
Variable Selector::ShuffleTwo(std::span<const int> from, Variable a, Variable b) {
  if (a == b && IsSplat(a)) return a;
  const std::array<Variable, 2> source{a, b};
  const int splats = IsSplat(a) + 2 * IsSplat(b);
  if (const std::optional<FixedShuffle> fixed = FindFixedShuffle(from, 2 * wide_lanes_, a == b, splats)) {
    const int swapped = fixed->swapped;
    const int immediate = fixed->immediate, low = immediate & 3, high = immediate >> 4;
    if (fixed->by != ShuffleBy::kHalves) return Shuffle(fixed->by, immediate, source[swapped], source[1 - swapped]);
    return JoinOnAvx2({source[(low >> 1) ^ swapped], source[(high >> 1) ^ swapped]}, {low & 1, high & 1});
  }
  if (a == b) return Permute(from, a);
  return avx512_ ? Emit({.action = Action::kPermuteTwo}, {Indices(from), a, b}) : ShuffleOnAvx2(from, a, b);
}

Parts Selector::Reduce(Opcode op, VectorType source, Parts v) {
  if (IsBool(source.element)) {
    const bool all = op == Opcode::kMin || op == Opcode::kAnd;
    const Variable wanted = builder_.Immediate(all ? (1 << source.lanes) - 1 : 0);
    const Variable bits = Emit(Action::kGeneralFromMask, source, {v[0]});
    const Variable holds = Emit({.action = Action::kGeneralCompare, .opcode = all ? Opcode::kEqual : Opcode::kNotEqual},
                                {bits, wanted});
    return Emit({.action = Action::kMaskFromGeneral}, {holds});
  }
  if (source.lanes == 1) return v;
  for (int half = source.lanes / 2; half > 0; half /= 2) {
    const Variable upper = v.count == 2 ? v[1] : LanesDown(v[0], source.element, half);
    // In vector registers to the last lane.
    v = Normalize({source.element, half}, ElementwiseInVectors(op, {source.element, half}, v[0], upper, {}));
  }
  return FromVector(v[0], {source.element, 1});
}

Parts Selector::Iota(VectorType type) {
  if (InGeneral(type)) return builder_.Immediate(0);
  Parts result;
  if (!IsWide(type.element)) {
    std::vector<uint32_t> lanes(type.lanes);
    for (int i = 0; i < type.lanes; ++i) lanes[i] = LaneBits(type.element, i);
    return builder_.Vector32(lanes);
  }
  for (int p = 0; p < PartCount(type); ++p) {
    std::vector<uint64_t> lanes(PartLanes(type, p));
    std::iota(lanes.begin(), lanes.end(), static_cast<uint64_t>(wide_lanes_) * p);
    result.Add(builder_.Vector64(lanes));
  }
  return result;
}

Parts Selector::Bitcast(VectorType from, VectorType to, const Parts& v) {
  if (ClassOf(from) == kGeneral && ClassOf(to) == kVector) return ToVector(v, from);
  if (ClassOf(from) == kVector && ClassOf(to) == kGeneral) return FromVector(v[0], to);
  return Normalize(to, v);
}

}  // namespace skein::x86
