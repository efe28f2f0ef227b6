// Selection of what moves lanes: splat, extract, shuffle, reduce, bitcast.
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "codegen/x86/selector.h"

namespace skein::x86 {

using enum RegisterClass;

Parts Selector::Splat(VectorType type, const Parts& v) {
  if (type.lanes == 1) return v;
  Variable splat = v[0];
  if (IsBool(type.element)) {
    if (builder_.info(v[0]).constant != ConstantKind::kNone) return v;
    return Emit({.action = Action::kMaskSplat}, {v[0]}, kMask);
  }
  const VariableInfo& info = builder_.info(v[0]);
  if (info.constant == ConstantKind::kImmediate) {
    return Constant(type.element, info.bits, type.lanes);
  }
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
    if (known.scalar == v) return known.splat;
  }
  const bool general = builder_.info(v).register_class == kGeneral;
  Operation operation{.action = general ? Action::kSplatGeneral : Action::kSplatVector,
                      .element = type.element};
  operation.AddOperand(v);
  const int depth = builder_.DepthOf(v);
  splats_.push_back({v, builder_.Emit(operation, kVector, depth), depth});
  return splats_.back().splat;
}

// The tail of a vector loop asks for n, n - 16, n - 32 and n - 48 lanes of a small n.
Variable Selector::LaneMask(DimExpr n, int lanes) {
  if (n.IsConst()) {
    const int64_t count = std::clamp<int64_t>(n.constant(), 0, lanes);
    if (lanes == 1) return builder_.MaskConstant(count > 0 ? 0xffff : 0);  // as constants of one lane, for Splat
    return builder_.MaskConstant(static_cast<uint16_t>((1u << count) - 1));
  }
  Operation mask{.action = Action::kLaneMask, .lanes = static_cast<int8_t>(lanes)};
  DimExpr whole = n;
  if (n.kind() == DimKind::kAdd) {
    for (DimExpr term : n.operands()) {
      if (term.IsConst() && term.constant() < 0 && term.constant() >= -48) whole = n - term;
    }
  }
  const DimRange range = whole.range();
  if (range.lo >= 0 && range.hi <= 255) {
    mask.immediate = 1 + *(whole - n).AsConst();
    n = whole;
  }
  mask.AddOperand(index_.Evaluate(n));
  return Emit(mask, kMask);
}

Parts Selector::Extract(VectorType source, const Parts& v, int lane) {
  if (source.lanes == 1) return v;
  if (IsBool(source.element)) {
    if (lane == 0) return v;
    return Emit({.action = Action::kMaskShift, .immediate = lane}, {v[0]}, kMask);
  }
  const int part = IsWide(source.element) ? lane / kWideLanes : 0;
  const int within = IsWide(source.element) ? lane % kWideLanes : lane;
  return FromVector(LanesDown(v[part], source.element, within), {source.element, 1});
}

Parts Selector::Shuffle(const Inst& inst) {
  const ElementType element = inst.type.element;
  const int first_lanes = type(inst.operands[0]).lanes;
  const bool mask = IsBool(element);
  const int register_lanes = IsWide(element) ? kWideLanes : 16;
  std::vector<Variable> tables;
  std::vector<int> first_table;
  for (ValueId operand : inst.operands) {
    first_table.push_back(static_cast<int>(tables.size()));
    const Parts& v = Get(operand);
    if (mask) {
      const VectorType lanes{ElementType::kI32, type(operand).lanes};
      tables.push_back(MaskedValue(lanes, v[0], Constant(lanes.element, 1, lanes.lanes))[0]);
    } else if (type(operand).lanes == 1) {
      tables.push_back(ToVector(v, type(operand)));
    } else {
      for (int p = 0; p < v.count; ++p) tables.push_back(v[p]);
    }
  }
  Parts result;
  std::vector<std::pair<int, int>> lanes;  // (table, lane in it)
  for (int i = 0; i < inst.type.lanes; ++i) {
    const int at = inst.shuffle[i];
    const bool second = at >= first_lanes;
    const int lane = second ? at - first_lanes : at;
    lanes.push_back({first_table[second] + lane / register_lanes, lane % register_lanes});
    if (static_cast<int>(lanes.size()) == register_lanes || i + 1 == inst.type.lanes) {
      result.Add(ShufflePart(mask ? ElementType::kI32 : element, tables, lanes));
      lanes.clear();
    }
  }
  if (mask) {
    return Emit({.action = Action::kMaskFromVector,
                 .element = ElementType::kI32,
                 .lanes = static_cast<int8_t>(inst.type.lanes)},
                {result[0]}, kMask);
  }
  return inst.type.lanes == 1 ? FromVector(result[0], inst.type) : result;
}

// One register of lanes from any number of registers.
Variable Selector::ShufflePart(ElementType element, std::span<const Variable> tables,
                               std::span<const std::pair<int, int>> lanes) {
  const int register_lanes = IsWide(element) ? kWideLanes : 16;
  auto indices = [&](const std::vector<uint64_t>& from) {
    if (IsWide(element)) return builder_.Vector64(from);
    return builder_.Vector32(std::vector<uint32_t>(from.begin(), from.end()));
  };
  std::vector<int> used;  // tables, in order of first use
  for (auto [table, lane] : lanes) {
    if (std::find(used.begin(), used.end(), table) == used.end()) used.push_back(table);
  }
  Variable value = tables[used[0]];
  std::vector<uint64_t> from(lanes.size());
  if (used.size() == 1) {
    bool identity = true;
    for (size_t i = 0; i < lanes.size(); ++i) {
      from[i] = static_cast<uint64_t>(lanes[i].second);
      identity = identity && from[i] == i;
    }
    if (identity) return value;
    return Emit({.action = Action::kPermute, .element = element}, {indices(from), value}, kVector);
  }
  // Two at a time; lanes of tables not reached yet hold anything.
  for (size_t next = 1; next < used.size(); ++next) {
    for (size_t i = 0; i < lanes.size(); ++i) {
      const auto [table, lane] = lanes[i];
      const bool placed = next > 1 && table != used[next];
      from[i] = static_cast<uint64_t>(placed                ? static_cast<int>(i)
                                      : table == used[next] ? register_lanes + lane
                                                            : lane);
    }
    value = Emit({.action = Action::kPermute2, .element = element},
                 {indices(from), value, tables[used[next]]}, kVector);
  }
  return value;
}

Parts Selector::Reduce(Opcode op, VectorType source, Parts v) {
  if (IsBool(source.element)) {
    return Emit({.action = Action::kMaskReduce,
                 .opcode = op == Opcode::kMin   ? Opcode::kAnd
                           : op == Opcode::kMax ? Opcode::kOr
                                                : op,
                 .lanes = static_cast<int8_t>(source.lanes)},
                {v[0]}, kMask);
  }
  if (source.lanes == 1) return v;
  for (int half = source.lanes / 2; half > 0; half /= 2) {
    const Variable upper = v.count == 2 ? v[1] : LanesDown(v[0], source.element, half);
    // In vector registers to the last lane.
    v = Normalize({source.element, half},
                  ElementwiseInVectors(op, {source.element, half}, v[0], upper, {}));
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
    std::iota(lanes.begin(), lanes.end(), uint64_t{kWideLanes} * p);
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
