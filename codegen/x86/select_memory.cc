// Selection of loads, stores, gathers, scatters, prefetches and clamped indices.
#include <bit>
#include <utility>
#include <vector>

#include "codegen/x86/selector.h"

namespace skein::x86 {

using enum RegisterClass;

// Whether one access of an ordinary width covers the lanes, so that it needs no mask.
bool Selector::IsNatural(ElementType element, int lanes) const {
  if (IsWide(element)) return lanes == 2 || lanes == 4 || lanes == 8;
  return lanes == 4 || lanes == 8 || lanes == 16;
}

// Whether no instruction reads or writes what is asked for, so that each lane is an access of its own.
//   apart: the lanes are not neighbours. With AVX2, loads by the lane are faster than the gathers that it has.
//   masked: on AVX2 nothing touches some elements of less than 32 bits without those between them.
bool Selector::GoesByLanes(VectorType type, bool apart, bool masked) const {
  const int bits = BitWidth(type.element);
  if (bits == 4) return true;
  if (apart) return bits < 32 || !avx512_;
  return bits < 32 && !avx512_ && (masked || (type.lanes > 1 && !IsNatural(type.element, type.lanes)));
}

Parts Selector::SelectMemory(const Inst& inst) {
  if (inst.op == Opcode::kClampIndex) return ClampIndex(inst);
  if (inst.op == Opcode::kPrefetch) {
    const bool nibbles = BitWidth(nest_.buffers[inst.buffer.index].element) == 4;
    const DimExpr address = nibbles ? FloorDiv(ElementOf(inst), 2) : ElementOf(inst);
    Emit({.action = Action::kPrefetch,
          .address = index_.Locate(inst.buffer, address),
          .immediate = static_cast<int64_t>(inst.imm)});
    return {};
  }
  if (inst.masked && IsNone(Get(inst.operands.back())[0], type(inst.operands.back()).lanes)) {
    return inst.results.empty() ? Parts() : Constant(inst.type.element, 0, inst.type.lanes);
  }
  if (inst.results.empty()) {
    Store(inst);
    return {};
  }
  if (!IsBool(inst.type.element)) return Load(inst, inst.type);
  const VectorType bytes{ElementType::kU8, inst.type.lanes};
  return CompareInVectors(Opcode::kNotEqual, bytes, Load(inst, bytes), builder_.Broadcast32(0));
}

Variable Selector::Mask(const Inst& inst, int lane) const {
  if (!inst.masked) return {};
  const Variable mask = Get(inst.operands.back())[0];
  const VariableInfo& info = builder_.info(mask);
  const bool set = lane >= 0 && info.constant != ConstantKind::kNone && (info.bits >> lane & 1) != 0;
  return set || IsAll(mask, type(inst.operands.back()).lanes) ? Variable() : mask;
}

bool Selector::IsNone(const Inst& inst, int lane) const {
  if (!inst.masked) return false;
  const VariableInfo& info = builder_.info(Get(inst.operands.back())[0]);
  return info.constant != ConstantKind::kNone && (info.bits >> lane & 1) == 0;
}

// The part of a mask for a part of `element`, without lanes past `lanes`.
Variable Selector::ExactMask(Variable mask, ElementType element, int lanes) {
  const Variable exact = builder_.MaskConstant(static_cast<uint16_t>((1u << lanes) - 1));
  const Variable part = MaskPart(exact, 0, element);
  if (!mask.valid()) return part;
  if (!avx512_ && IsWide(element)) return Vector(Opcode::kAnd, {element, lanes}, mask, part);
  return MaskLogic(Opcode::kAnd, 2 * wide_lanes_, mask, part);
}

// The number of lanes that an access to a part has to name, and its mask, if there is one: none for the first lanes
// where a register of its own holds exactly them.
int Selector::NarrowAccess(ElementType element, int lanes, Variable* mask) const {
  if (!avx512_ || !mask->valid() || BitWidth(element) < 32) return lanes;
  const VariableInfo& info = builder_.info(*mask);
  if (info.constant != ConstantKind::kImmediate) return lanes;
  const uint64_t bits = info.bits & ((uint64_t{1} << lanes) - 1);
  const int n = std::countr_one(bits);
  if (bits >> n != 0 || n * BitWidth(element) < 128 || !IsNatural(element, n)) return lanes;
  *mask = {};
  return n;
}

// Part `p` of an access to neighbours, appended without its operands.
//   mask: of all lanes, or invalid; becomes that of the part, which the caller adds.
Operation& Selector::PartAccess(Action action, VectorType type, int p, Address address, Variable* mask) {
  const int lanes = PartLanes(type, p);
  if (mask->valid()) *mask = MaskPart(*mask, p, type.element);
  const bool scalar = type.lanes == 1 && !mask->valid();
  if (!scalar && !IsNatural(type.element, lanes)) *mask = ExactMask(*mask, type.element, lanes);
  address.displacement += p * 8 * wide_lanes_;
  const int named = NarrowAccess(type.element, lanes, mask);
  Operation& access = builder_.Append(action);
  access.element = type.element;
  access.lanes = static_cast<int8_t>(named);
  access.masked = mask->valid();
  access.address = address;
  return access;
}

// --- loads ---

//   type: what lies in memory, of the lanes of `inst`.
Parts Selector::Load(const Inst& inst, VectorType type) {
  const Parts index = inst.op == Opcode::kGather ? Get(inst.operands[0]) : Parts();
  const Variable mask = Mask(inst);
  const bool apart = type.lanes > 1 && (index.count > 0 || !inst.stride.IsConst(1));
  if (index.count == 0 && StartsWithByte(inst)) {
    return Emit({.action = Action::kLoadNibbles,
                 .element = type.element,
                 .lanes = static_cast<int8_t>(type.lanes),
                 .address = index_.Locate(inst.buffer, FloorDiv(ElementOf(inst), 2))});
  }
  if (GoesByLanes(type, apart, mask.valid())) return LoadLanes(inst, type, index);
  if (apart) return Gather(inst, index.count > 0 ? index : StrideVector(inst, type.lanes));
  const Address address = OfNeighbours(inst, index);
  if (InGeneral(type) && !mask.valid()) return Emit({.action = Action::kLoadGeneral, .address = address});
  Parts result;
  for (int p = 0; p < PartCount(type); ++p) {
    Variable part_mask = mask;
    Operation& load = PartAccess(Action::kLoad, type, p, address, &part_mask);
    load.AddOperand(part_mask);
    result.Add(load.result);
  }
  return type.lanes == 1 ? FromVector(result[0], type) : result;
}

// Whether 4-bit elements fill a register from a byte boundary on.
bool Selector::StartsWithByte(const Inst& inst) const {
  if (BitWidth(inst.type.element) != 4 || inst.masked || !inst.stride.IsConst(1)) return false;
  if (inst.type.lanes != 2 * wide_lanes_) return false;
  const DimExpr address = Substitute(ElementOf(inst), [&](DimExpr leaf) -> std::optional<DimExpr> {
    if (leaf.kind() != DimKind::kCoord || !even_loops_[leaf.index()]) return std::nullopt;
    return 2 * DimExpr::Coord(leaf.index(), leaf.extent());  // another even number: only parity matters
  });
  return Mod(address, 2).IsConst(0);
}

// 64 bits of indices a lane: eight lanes at a time.
Parts Selector::Gather(const Inst& inst, const Parts& index) {
  const VectorType type = inst.type;
  const Variable mask = Mask(inst);
  const Address base = IndexedBase(inst);
  Parts result;
  for (int p = 0; p < index.count; ++p) {
    const int lanes = PartLanes({ElementType::kI64, type.lanes}, p);
    Operation gather{.action = Action::kGather, .element = type.element, .masked = true, .address = base};
    const Variable part = mask.valid() ? MaskPart(mask, p, ElementType::kI64) : mask;
    result.Add(Emit(gather, {index[p], ExactMask(part, ElementType::kI64, lanes)}));
  }
  return IsWide(type.element) || result.count == 1 ? result : Join(result[0], result[1], 2 * wide_lanes_);
}

// By blocks of 128 bits, from which registers are put together.
Parts Selector::LoadLanes(const Inst& inst, VectorType type, const Parts& index) {
  const Address base = IndexedBase(inst);
  const int block_lanes = IsWide(type.element) ? 2 : 4, register_blocks = wide_lanes_ / 2;
  absl::InlinedVector<Variable, 4> blocks;
  for (int lane = 0; lane < type.lanes; ++lane) {
    if (lane % block_lanes == 0) blocks.push_back(builder_.Broadcast32(0));
    if (IsNone(inst, lane)) continue;
    const Variable mask = Mask(inst, lane);
    const Operation load{.action = Action::kLoadLane,
                         .element = type.element,
                         .masked = mask.valid(),
                         .address = LaneAddress(inst, base, index, lane),
                         .immediate = lane};
    blocks.back() = Emit(load, {blocks.back(), mask});
  }
  Parts result;
  for (size_t first = 0; first < blocks.size(); first += register_blocks) {
    result.Add(JoinBlocks(std::span(blocks).subspan(first, std::min<size_t>(register_blocks, blocks.size() - first))));
  }
  return result;
}

Variable Selector::JoinBlocks(std::span<const Variable> blocks) {
  if (blocks.size() == 1) return blocks[0];
  const size_t half = std::bit_ceil(blocks.size()) / 2;
  return Join(JoinBlocks(blocks.first(half)), JoinBlocks(blocks.subspan(half)), static_cast<int>(8 * half));
}

// --- stores ---

void Selector::Store(const Inst& inst) {
  VectorType type = this->type(inst.operands[0]);
  Parts value = Get(inst.operands[0]);
  const Parts index = inst.op == Opcode::kScatter ? Get(inst.operands[1]) : Parts();
  const Variable mask = Mask(inst);
  if (IsBool(type.element)) {
    type.element = ElementType::kU8;
    value = MaskedValue(type, value[0], builder_.Broadcast32(1));
  }
  const bool apart = type.lanes > 1 && (index.count > 0 || !inst.stride.IsConst(1));
  if (GoesByLanes(type, apart, mask.valid())) return StoreLanes(inst, type, value, index);
  if (apart) return Scatter(inst, value, index.count > 0 ? index : StrideVector(inst, type.lanes));
  const Address address = OfNeighbours(inst, index);
  if (InGeneral(type) && mask.valid()) value = ToVector(value, type);
  for (int p = 0; p < PartCount(type); ++p) {
    Variable part_mask = mask;
    Operation& store = PartAccess(Action::kStore, type, p, address, &part_mask);
    store.streaming = streams_;
    if (type.element == ElementType::kF16 && store.lanes >= 8 && !store.masked) {  // stores round by themselves
      const Operation* const rounds = builder_.DefinitionOf(value[p]);
      store.folded = rounds != nullptr && rounds->action == Action::kConvert;
      if (store.folded) value = rounds->operands[0];
    }
    store.AddOperand(value[p]);
    store.AddOperand(part_mask);
  }
}

void Selector::Scatter(const Inst& inst, const Parts& value, const Parts& index) {
  const VectorType type = this->type(inst.operands[0]);
  const Variable mask = Mask(inst);
  const Address base = IndexedBase(inst);
  for (int p = 0; p < index.count; ++p) {
    const int lanes = PartLanes({ElementType::kI64, type.lanes}, p);
    const Operation scatter{.action = Action::kScatter, .element = type.element, .masked = true, .address = base};
    const Variable part = IsWide(type.element) ? value[p] : LanesDown(value[0], type.element, p * wide_lanes_);
    const Variable part_mask = mask.valid() ? MaskPart(mask, p, ElementType::kI64) : mask;
    Emit(scatter, {part, index[p], ExactMask(part_mask, ElementType::kI64, lanes)});
  }
}

void Selector::StoreLanes(const Inst& inst, VectorType type, const Parts& value, const Parts& index) {
  const Address base = IndexedBase(inst);
  for (int lane = 0; lane < type.lanes; ++lane) {
    if (IsNone(inst, lane)) continue;
    const Variable mask = Mask(inst, lane);
    const Operation store{.action = Action::kStoreLane,
                          .element = type.element,
                          .masked = mask.valid(),
                          .address = LaneAddress(inst, base, index, lane),
                          .immediate = lane};
    Emit(store, {value[lane / RegisterLanes(type.element)], mask});
  }
}

// --- addresses ---

// Of lane 0, with lanes of 64 or fewer bits behind it.   index: of one lane, or none.
Address Selector::OfNeighbours(const Inst& inst, const Parts& index) {
  if (index.count == 0) return index_.Locate(inst.buffer, inst.address, inst.offset);
  return LaneAddress(inst, IndexedBase(inst), index, 0);
}

// What indices, times the size of an element, are added to.
Address Selector::IndexedBase(const Inst& inst) {
  const ElementType element = nest_.buffers[inst.buffer.index].element;
  if (BitWidth(element) == 4) return index_.Locate(inst.buffer, 0);
  Address address = index_.Locate(inst.buffer, inst.address, inst.offset);
  if (address.index.valid()) address = {.base = Emit({.action = Action::kLea, .address = address})};
  address.scale = static_cast<int>(BytesFor(element, 1));
  return address;
}

// Where lane `lane` of an indexed (`index` has registers) or strided access lies.
Address Selector::LaneAddress(const Inst& inst, Address base, const Parts& index, int lane) {
  const bool nibbles = BitWidth(nest_.buffers[inst.buffer.index].element) == 4;
  if (index.count == 0) {
    const DimExpr element = ElementOf(inst) + inst.stride * DimExpr(lane);
    if (!nibbles) return index_.Locate(inst.buffer, element);
    base.index = index_.Evaluate(element);
    return base;
  }
  base.index = index[0];
  if (builder_.info(index[0]).register_class != kGeneral) {
    const Variable within = LanesDown(index[lane / wide_lanes_], ElementType::kI64, lane % wide_lanes_);
    base.index = FromVector(within, {ElementType::kI64, 1})[0];
  }
  if (nibbles) base.index = General(Opcode::kAdd, base.index, index_.Evaluate(ElementOf(inst)));
  return base;
}

// lane * stride as 64-bit lanes: the indices of a strided access.
Parts Selector::StrideVector(const Inst& inst, int lanes) {
  const VectorType type{ElementType::kI64, lanes};
  Parts result;
  if (inst.stride.IsConst()) {
    for (int p = 0; p < PartCount(type); ++p) {
      std::vector<uint64_t> offsets(PartLanes(type, p));
      for (size_t i = 0; i < offsets.size(); ++i) {
        offsets[i] = static_cast<uint64_t>(inst.stride.constant()) * (i + static_cast<size_t>(wide_lanes_ * p));
      }
      result.Add(builder_.Vector64(offsets));
    }
    return result;
  }
  const Parts stride = Splat(type, index_.Evaluate(inst.stride));
  return ElementwiseInVectors(Opcode::kMul, type, stride, Iota(type), {});
}

Parts Selector::ClampIndex(const Inst& inst) {
  const VectorType type = inst.type;
  const Parts& index = Get(inst.operands[0]);
  const Parts at_most = Elementwise(Opcode::kMin, type, index, Splat(type, index_.Evaluate(inst.expr - DimExpr(1))));
  const Parts result = Elementwise(Opcode::kMax, type, at_most, Constant(type.element, 0, type.lanes));
  Variable outside;
  if (InGeneral(type)) {
    outside = Emit(Action::kGeneralCompare, type, {result[0], index[0]}, Opcode::kNotEqual);
  } else {
    outside = Emit(Action::kGeneralFromMask, type, {CompareInVectors(Opcode::kNotEqual, type, result, index)});
  }
  Emit({.action = Action::kReport, .immediate = std::min<int64_t>(static_cast<int64_t>(inst.imm), 62)},
       {outside, builder_.Parameter(0)});
  return result;
}

}  // namespace skein::x86
