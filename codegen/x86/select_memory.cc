// Selection of loads, stores, gathers, scatters, prefetches and clamped indices.
#include <utility>
#include <vector>

#include "codegen/x86/selector.h"

namespace skein::x86 {

using enum RegisterClass;

// Whether one access of an ordinary width covers the lanes, so that it needs no mask.
bool Selector::IsNatural(ElementType element, int lanes) const {
  if (IsBool(element) && avx512_) return lanes == 16;
  if (IsWide(element)) return lanes == 2 || lanes == 4 || lanes == 8;
  return lanes == 4 || lanes == 8 || lanes == 16;
}

// Elements that no gather instruction reads. With AVX2, loads by the lane are faster than those that it has.
bool Selector::NeedsLaneLoop(VectorType type) const {
  if (BitWidth(type.element) >= 32) return !avx512_ && type.lanes > 1;
  return type.lanes > 1 || BitWidth(type.element) == 4;
}

Parts Selector::SelectMemory(const Inst& inst) {
  if (inst.op == Opcode::kClampIndex) return ClampIndex(inst);
  if (inst.op == Opcode::kPrefetch) {
    const bool nibbles = BitWidth(nest_.buffers[inst.buffer.index].element) == 4;
    const DimExpr address = nibbles ? FloorDiv(inst.address, 2) : inst.address;
    builder_.Append({.action = Action::kPrefetch,
                     .address = index_.Locate(inst.buffer, address),
                     .immediate = static_cast<int64_t>(inst.imm)});
    return {};
  }
  if (inst.masked && IsNone(Get(inst.operands.back())[0], type(inst.operands.back()).lanes)) {
    return inst.results.empty() ? Parts() : Constant(inst.type.element, 0, inst.type.lanes);
  }
  switch (inst.op) {
    case Opcode::kLoad:
      return Load(inst);
    case Opcode::kStore:
      Store(inst);
      return {};
    case Opcode::kGather: {
      const Parts& index = Get(inst.operands[0]);
      if (NeedsLaneLoop(inst.type)) return LoadLanes(inst, index);
      return Gather(inst, index, index_.Locate(inst.buffer, inst.address));
    }
    default: {  // kScatter
      const Parts& value = Get(inst.operands[0]);
      const Parts& index = Get(inst.operands[1]);
      if (NeedsLaneLoop(type(inst.operands[0]))) {
        StoreLanes(inst, value, index);
      } else {
        Scatter(inst, value, index, index_.Locate(inst.buffer, inst.address));
      }
      return {};
    }
  }
}

Variable Selector::Mask(const Inst& inst) const {
  if (!inst.masked) return {};
  const ValueId mask = inst.operands.back();
  return IsAll(Get(mask)[0], type(mask).lanes) ? Variable() : Get(mask)[0];
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

Parts Selector::Load(const Inst& inst) {
  const VectorType type = inst.type;
  const Variable mask = Mask(inst);
  if (BitWidth(type.element) == 4) {
    const DimExpr address = Substitute(inst.address, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() != DimKind::kCoord || !even_loops_[leaf.index()]) return std::nullopt;
      return 2 * DimExpr::Coord(leaf.index(), leaf.extent());  // another even number: only parity matters
    });
    const bool from_byte = inst.stride.IsConst(1) && Mod(address, 2).IsConst(0);
    if (!from_byte || inst.masked || type.lanes != 2 * wide_lanes_) return LoadLanes(inst, {});
    return Emit({.action = Action::kLoadNibbles,
                 .element = type.element,
                 .lanes = static_cast<int8_t>(type.lanes),
                 .address = index_.Locate(inst.buffer, FloorDiv(inst.address, 2))},
                kVector);
  }
  if (type.lanes > 1 && !inst.stride.IsConst(1)) {
    if (NeedsLaneLoop(type)) return LoadLanes(inst, {});
    return Gather(inst, StrideVector(inst, type.lanes), index_.Locate(inst.buffer, inst.address));
  }
  return LoadAt(type.element, type.lanes, mask, index_.Locate(inst.buffer, inst.address));
}

Parts Selector::LoadAt(ElementType element, int lanes, Variable mask, Address address) {
  const VectorType type{element, lanes};
  if (IsBool(element) && !avx512_) {
    return CompareOnAvx2(Opcode::kNotEqual, {ElementType::kU8, lanes}, LoadAt(ElementType::kU8, lanes, mask, address)[0],
                         builder_.Broadcast32(0));
  }
  if (InGeneral(type) && !mask.valid()) {
    return Emit({.action = Action::kLoadGeneral, .address = address}, kGeneral);
  }
  Parts result;
  for (int p = 0; p < PartCount(type); ++p) {
    const int part_lanes = PartLanes(type, p);
    Operation load{.action = Action::kLoad,
                   .element = element,
                   .lanes = static_cast<int8_t>(part_lanes),
                   .address = address};
    Variable part_mask = mask.valid() ? MaskPart(mask, p, element) : mask;
    const bool scalar = part_lanes == 1 && lanes == 1 && !mask.valid();
    if (!scalar && !IsNatural(element, part_lanes)) part_mask = ExactMask(part_mask, element, part_lanes);
    load.lanes = static_cast<int8_t>(NarrowAccess(element, part_lanes, &part_mask));
    load.masked = part_mask.valid();
    if (load.masked) load.AddOperand(part_mask);
    result.Add(Emit(load, IsBool(element) ? kMask : kVector));
    address.displacement += 8 * wide_lanes_;
  }
  return lanes == 1 ? FromVector(result[0], type) : result;
}

void Selector::Store(const Inst& inst) {
  const VectorType value_type = type(inst.operands[0]);
  const Parts& value = Get(inst.operands[0]);
  const Variable mask = Mask(inst);
  if (BitWidth(value_type.element) == 4) return StoreLanes(inst, value, {});
  if (value_type.lanes > 1 && !inst.stride.IsConst(1)) {
    if (NeedsLaneLoop(value_type)) return StoreLanes(inst, value, {});
    return Scatter(inst, value, StrideVector(inst, value_type.lanes),
                   index_.Locate(inst.buffer, inst.address));
  }
  StoreAt(value_type.element, value_type.lanes, mask, index_.Locate(inst.buffer, inst.address),
          value, streams_);
}

void Selector::StoreAt(ElementType element, int lanes, Variable mask, Address address, Parts value,
                       bool streaming) {
  const VectorType type{element, lanes};
  if (IsBool(element) && !avx512_) {
    const Parts ones = MaskedValue({ElementType::kU8, lanes}, value[0], builder_.Broadcast32(1));
    return StoreAt(ElementType::kU8, lanes, mask, address, ones, streaming);
  }
  if (InGeneral(type) && mask.valid()) value = ToVector(value, type);
  for (int p = 0; p < PartCount(type); ++p) {
    const int part_lanes = PartLanes(type, p);
    Operation store{.action = Action::kStore,
                    .element = element,
                    .lanes = static_cast<int8_t>(part_lanes),
                    .streaming = streaming,
                    .address = address};
    Variable part_mask = mask.valid() ? MaskPart(mask, p, element) : mask;
    const bool scalar = part_lanes == 1 && lanes == 1 && !mask.valid();
    if (!scalar && !IsNatural(element, part_lanes)) part_mask = ExactMask(part_mask, element, part_lanes);
    store.lanes = static_cast<int8_t>(NarrowAccess(element, part_lanes, &part_mask));
    store.AddOperand(value[p]);
    store.masked = part_mask.valid();
    if (store.masked) store.AddOperand(part_mask);
    builder_.Append(store);
    address.displacement += 8 * wide_lanes_;
  }
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

Address Selector::WithoutIndex(Address address) {
  if (!address.index.valid()) return address;
  const Variable base = Emit({.action = Action::kLea, .address = address}, kGeneral);
  return {.base = base};
}

Parts Selector::Gather(const Inst& inst, Parts index, const Address& address) {
  const VectorType type = inst.type;
  const Variable mask = Mask(inst);
  Address base = WithoutIndex(address);
  const int bytes = static_cast<int>(BytesFor(type.element, 1));
  if (type.lanes == 1) {
    base.index = index[0];
    base.scale = bytes;
    return LoadAt(type.element, 1, mask, base);
  }
  base.scale = bytes;
  Parts result;
  const bool wide = IsWide(type.element);
  for (int p = 0; p < PartCount(type); ++p) {
    const int lanes = PartLanes(type, p);
    Operation gather{.action = Action::kGather,
                     .element = type.element,
                     .lanes = static_cast<int8_t>(lanes),
                     .masked = true,
                     .address = base};
    if (wide) {
      gather.AddOperand(index[p]);
    } else {
      for (int i = 0; i < index.count; ++i) gather.AddOperand(index[i]);
    }
    gather.AddOperand(ExactMask(mask.valid() ? MaskPart(mask, p, type.element) : mask, type.element, lanes));
    result.Add(Emit(gather, kVector));
  }
  return result;
}

void Selector::Scatter(const Inst& inst, const Parts& value, Parts index, const Address& address) {
  const VectorType value_type = type(inst.operands[0]);
  const Variable mask = Mask(inst);
  Address base = WithoutIndex(address);
  base.scale = static_cast<int>(BytesFor(value_type.element, 1));
  if (value_type.lanes == 1) {
    base.index = index[0];
    return StoreAt(value_type.element, 1, mask, base, value, false);
  }
  for (int p = 0; p < PartCount(value_type); ++p) {
    const int lanes = PartLanes(value_type, p);
    Operation scatter{.action = Action::kScatter,
                      .element = value_type.element,
                      .lanes = static_cast<int8_t>(lanes),
                      .masked = true,
                      .address = base};
    scatter.AddOperand(value[p]);
    if (IsWide(value_type.element)) {
      scatter.AddOperand(index[p]);
    } else {
      for (int i = 0; i < index.count; ++i) scatter.AddOperand(index[i]);
    }
    scatter.AddOperand(ExactMask(mask.valid() ? MaskPart(mask, p, value_type.element) : mask, value_type.element, lanes));
    builder_.Append(scatter);
  }
}

// What the lanes' indices are added to.
Address Selector::IndexedBase(const Inst& inst, const Parts& index) {
  if (index.count == 0 || BitWidth(nest_.buffers[inst.buffer.index].element) == 4) return {};
  return WithoutIndex(index_.Locate(inst.buffer, inst.address));
}

// Where lane `lane` of an indexed (`index` has registers) or strided access lies.
Address Selector::LaneAddress(const Inst& inst, const Address& base, const Parts& index, int lane) {
  if (BitWidth(nest_.buffers[inst.buffer.index].element) == 4) {
    return NibbleAddress(inst, index, lane);
  }
  if (index.count == 0) {
    return index_.Locate(inst.buffer, inst.address + inst.stride * DimExpr(lane));
  }
  const ElementType element = nest_.buffers[inst.buffer.index].element;
  Address address = base;
  address.index = IndexOfLane(index, lane);
  address.scale = static_cast<int>(BytesFor(element, 1));
  return address;
}

Variable Selector::IndexOfLane(const Parts& index, int lane) {
  if (builder_.info(index[0]).register_class == kGeneral) return index[0];
  const Variable within = LanesDown(index[lane / wide_lanes_], ElementType::kI64, lane % wide_lanes_);
  return FromVector(within, {ElementType::kI64, 1})[0];
}

Address Selector::NibbleAddress(const Inst& inst, const Parts& index, int lane) {
  Address address = index_.Locate(inst.buffer, 0);
  if (index.count == 0) {
    if (inst.stride.IsConst(1)) {
      address.index = index_.Evaluate(inst.address);
      address.displacement = lane;
    } else {
      address.index = index_.Evaluate(inst.address + inst.stride * DimExpr(lane));
    }
  } else {
    address.index = Emit({.action = Action::kGeneral, .opcode = Opcode::kAdd},
                         {IndexOfLane(index, lane), index_.Evaluate(inst.address)}, kGeneral);
  }
  return address;
}

Parts Selector::LoadLanes(const Inst& inst, const Parts& index) {
  const VectorType type = inst.type;
  const Variable mask = Mask(inst);
  const Address base = IndexedBase(inst, index);
  const int step = avx512_ ? type.lanes : RegisterLanes(type.element) / 2;  // lanes that one register takes in
  Parts result;
  Variable value, lower;
  for (int lane = 0; lane < type.lanes; ++lane) {
    if (lane % step == 0) lower = std::exchange(value, builder_.Broadcast32(0));
    Operation load{.action = Action::kLoadLane,
                   .element = type.element,
                   .masked = mask.valid(),
                   .address = LaneAddress(inst, base, index, lane),
                   .immediate = lane};
    load.AddOperand(value);
    if (mask.valid()) load.AddOperand(mask);
    value = Emit(load, kVector);
    if (lane + 1 < type.lanes && (lane + 1) % (2 * step) != 0) continue;
    result.Add(lane % (2 * step) < step ? value : Emit({.action = Action::kJoinHalves}, {lower, value}, kVector));
  }
  if (!IsBool(type.element)) return result;
  value = result[0];
  if (!avx512_) {
    return CompareOnAvx2(Opcode::kNotEqual, {ElementType::kU8, type.lanes}, value, builder_.Broadcast32(0));
  }
  return Emit({.action = Action::kMaskFromVector,
               .element = ElementType::kI32,
               .lanes = static_cast<int8_t>(type.lanes)},
              {value}, kMask);
}

void Selector::StoreLanes(const Inst& inst, const Parts& value, const Parts& index) {
  const VectorType value_type = type(inst.operands[0]);
  const Variable mask = Mask(inst);
  const Address base = IndexedBase(inst, index);
  Parts lanes = value;
  if (IsBool(value_type.element)) {
    const VectorType i32{ElementType::kI32, value_type.lanes};
    lanes = MaskedValue(i32, value[0], Constant(ElementType::kI32, 1, value_type.lanes));
  }
  for (int lane = 0; lane < value_type.lanes; ++lane) {
    Operation store{.action = Action::kStoreLane,
                    .element = value_type.element,
                    .masked = mask.valid(),
                    .address = LaneAddress(inst, base, index, lane),
                    .immediate = lane};
    store.AddOperand(lanes[lane / RegisterLanes(value_type.element)]);
    if (mask.valid()) store.AddOperand(mask);
    builder_.Append(store);
  }
}

Parts Selector::ClampIndex(const Inst& inst) {
  const VectorType type = inst.type;
  const Parts& index = Get(inst.operands[0]);
  const int64_t bit = std::min<int64_t>(static_cast<int64_t>(inst.imm), 62);
  const Variable args = builder_.Parameter(0);
  if (type.lanes == 1) {
    return Emit({.action = Action::kClampGeneral, .immediate = bit},
                {index[0], index_.Evaluate(inst.expr), args}, kGeneral);
  }
  const Parts limits = Splat(type, index_.Evaluate(inst.expr - DimExpr(1)));
  Parts result;
  for (int p = 0; p < index.count; ++p) {
    result.Add(Emit({.action = Action::kClampVector,
                     .lanes = static_cast<int8_t>(PartLanes(type, p)),
                     .immediate = bit},
                    {index[p], limits[p], args, builder_.Broadcast32(0)}, kVector));
  }
  return result;
}

}  // namespace skein::x86
