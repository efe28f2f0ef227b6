#include "codegen/x86/selector.h"

#include <utility>

#include "absl/container/inlined_vector.h"

namespace skein::x86 {

using enum RegisterClass;

uint32_t LaneBits(ElementType element, uint64_t bits) {
  const int unused = 64 - BitWidth(element);
  if (IsSigned(element)) {
    return static_cast<uint32_t>(static_cast<int64_t>(bits << unused) >> unused);
  }
  return static_cast<uint32_t>(bits << unused >> unused);
}

Selector::Selector(const LoopNest& nest, ConstantPool* pool, Isa isa, std::vector<VariableNote>* notes)
    : nest_(nest),
      avx512_(isa == Isa::kAvx512),
      wide_lanes_(avx512_ ? 8 : 4),
      builder_(pool, isa),
      index_(nest, &builder_, notes),
      notes_(notes),
      even_loops_(nest.loop_count) {
  values_.resize(nest.value_count());
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Inst& inst = nest.inst(InstId(i));
    if (inst.op == Opcode::kLoop) even_loops_[inst.loop] = inst.step % 2 == 0;
  }
}

absl::StatusOr<Program> Selector::Run() {
  SelectTiles();
  SKEIN_RETURN_IF_ERROR(status_);
  return builder_.Finish();
}

// --- building blocks ---

Variable Selector::Emit(Action action, VectorType type, std::initializer_list<Variable> operands, Opcode opcode,
                        int64_t immediate) {
  Operation& operation = builder_.Append(action);
  operation.opcode = opcode;
  operation.element = type.element;
  operation.lanes = static_cast<int8_t>(type.lanes);
  operation.immediate = immediate;
  for (Variable v : operands) operation.AddOperand(v);
  return operation.result;
}

Parts Selector::Constant(ElementType element, uint64_t bits, int lanes) {
  if (IsBool(element)) return builder_.MaskConstant((bits & 1) != 0 ? 0xffff : 0);
  if (InGeneral({element, lanes})) return builder_.Immediate(static_cast<int64_t>(bits));
  if (!IsWide(element)) return builder_.Broadcast32(LaneBits(element, bits));
  Parts parts;
  for (int p = 0; p < PartCount({element, lanes}); ++p) parts.Add(builder_.Broadcast64(bits));
  return parts;
}

Variable Selector::MaskPart(Variable mask, int part, ElementType element) {
  if (!avx512_) return IsWide(element) ? WideMaskOnAvx2(mask, part) : mask;
  if (part == 0) return mask;
  const VariableInfo& info = builder_.info(mask);
  if (info.constant != ConstantKind::kNone) {
    return builder_.MaskConstant(static_cast<uint16_t>(info.bits >> wide_lanes_));
  }
  return Emit({.action = Action::kMaskShift, .immediate = wide_lanes_}, {mask});
}

bool Selector::IsAll(Variable mask, int lanes) const {
  const VariableInfo& info = builder_.info(mask);
  return info.constant != ConstantKind::kNone && (~info.bits & ((1u << lanes) - 1)) == 0;
}

bool Selector::IsNone(Variable mask, int lanes) const {
  const VariableInfo& info = builder_.info(mask);
  return info.constant != ConstantKind::kNone && (info.bits & ((1u << lanes) - 1)) == 0;
}

Variable Selector::JoinMasks(const Parts& masks, VectorType type) {
  if (!avx512_ && IsWide(type.element) && type.lanes > 1) {
    const Parts narrow = ConvertLanes({ElementType::kI64, type.lanes}, ElementType::kI32, masks);
    wide_masks_.push_back({narrow[0], masks});
    return wide_masks_.back().mask;
  }
  if (masks.count == 1) return masks[0];
  return Emit({.action = Action::kMaskJoin}, {masks[0], masks[1]});
}

Variable Selector::ToVector(const Parts& parts, VectorType type) {
  if (!InGeneral(type)) return parts[0];
  return Emit({.action = Action::kVectorFromGeneral}, {parts[0]});
}

Parts Selector::FromVector(Variable v, VectorType type) {
  if (!InGeneral(type)) return v;
  return Emit({.action = Action::kGeneralFromVector}, {v});
}

Variable Selector::LanesDown(Variable v, ElementType element, int distance) {
  if (distance == 0) return v;
  return Emit({.action = Action::kLanesDown, .element = element, .immediate = distance}, {v});
}

Variable Selector::Join(Variable low, Variable high, int lanes) {
  return Emit({.action = Action::kJoinHalves, .lanes = static_cast<int8_t>(lanes)}, {low, high});
}

Parts Selector::NewParts(VectorType type) {
  Parts parts;
  for (int p = 0; p < PartCount(type); ++p) parts.Add(builder_.NewVariable(ClassOf(type)));
  return parts;
}

void Selector::Bind(ValueId value, Parts parts) {
  values_[value.index] = parts;
  if (InGeneral(type(value))) index_.BindValue(value, parts[0]);
  for (int p = 0; p < parts.count && notes_ != nullptr; ++p) {
    notes_->push_back({parts[p], DimExpr::Value(value.index)});
  }
}

// --- structure ---

// The flattened parallel loops: one loop over the tiles that the caller asks for, which carries the
// index of each parallel loop if there are several.
void Selector::SelectTiles() {
  std::vector<const Inst*> parallel;
  BlockId body = nest_.root;
  while (nest_.block(body).insts.size() == 1) {
    const Inst& inst = nest_.inst(nest_.block(body).insts[0]);
    if (inst.op != Opcode::kLoop || inst.loop_kind != LoopKind::kParallel) break;
    parallel.push_back(&inst);
    builder_.SetInst(nest_.block(body).insts[0]);
    body = inst.body;
  }
  const InstId innermost = builder_.inst();
  const int count = static_cast<int>(parallel.size());
  const Variable first = builder_.Parameter(1);
  Loop tiles{.limit = builder_.Parameter(2),
             .inits = {first},
             .arguments = {builder_.NewVariable(kGeneral)}};
  std::vector<Variable> extents(count);
  if (count > 1) {
    Variable rest = first;
    tiles.inits.resize(1 + count);
    for (int k = count - 1; k >= 0; --k) {
      const DimExpr trips = CeilDiv(parallel[k]->extent, parallel[k]->step);
      Variable trip = rest;
      if (k > 0) {
        const Variable n = index_.Evaluate(trips);
        trip = General(Opcode::kIntRem, rest, n);
        rest = General(Opcode::kIntDiv, rest, n);
      }
      tiles.inits[1 + k] = General(Opcode::kMul, trip, builder_.Immediate(parallel[k]->step));
      tiles.arguments.push_back(builder_.NewVariable(kGeneral));
      extents[k] = index_.Evaluate(parallel[k]->extent);
    }
  }
  const auto arguments = tiles.arguments;
  builder_.OpenLoop(std::move(tiles));
  const int depth = builder_.depth();
  if (count == 1) {
    Variable index = arguments[0];
    if (parallel[0]->step != 1) index = General(Opcode::kMul, index, builder_.Immediate(parallel[0]->step));
    index_.BindLoop(*parallel[0], index, depth);
  }
  for (int k = 0; k < count && count > 1; ++k) {
    index_.BindLoop(*parallel[k], arguments[1 + k], depth);
  }
  SelectBlock(body);
  builder_.SetInst(innermost);

  std::vector<Variable> yields(arguments.size());
  auto add = [&](Variable v, int64_t step) { return General(Opcode::kAdd, v, builder_.Immediate(step)); };
  yields[0] = add(arguments[0], 1);
  if (count > 1) {
    Variable next = add(arguments[count], parallel[count - 1]->step);
    for (int k = count - 1; k > 0; --k) {
      const Variable within = Emit({.action = Action::kGeneralCompare, .opcode = Opcode::kLess}, {next, extents[k]});
      auto choose = [&](Variable same, Variable wrapped) {
        return Emit({.action = Action::kGeneralSelect}, {within, same, wrapped});
      };
      yields[1 + k] = choose(next, builder_.Immediate(0));
      next = choose(arguments[k], add(arguments[k], parallel[k - 1]->step));
    }
    yields[1] = next;
  }
  std::vector<Variable> results;
  for (size_t i = 0; i < yields.size(); ++i) results.push_back(builder_.NewVariable(kGeneral));
  builder_.CloseLoop(yields, results);
  index_.LeaveLoop();
}

void Selector::SelectLoop(const Inst& inst) {
  const Block& body = nest_.block(inst.body);
  const DimRange range = inst.extent.range();
  Loop loop{.at_most_once = range.hi <= inst.step,
            .at_least_once = range.lo >= 1,
            .limit = index_.Evaluate(inst.extent)};
  const Variable zero = builder_.Immediate(0);
  Variable counter = zero;
  if (!loop.at_most_once) {
    counter = builder_.NewVariable(kGeneral);
    loop.inits = {zero};
    loop.arguments = {counter};
  }
  absl::InlinedVector<Parts, 8> arguments;
  loop.inits.reserve(1 + 2 * inst.operands.size());
  loop.arguments.reserve(1 + 2 * inst.operands.size());
  for (ValueId init : inst.operands) {
    arguments.push_back(NewParts(type(init)));
    for (int p = 0; p < Get(init).count; ++p) {
      loop.inits.push_back(Get(init)[p]);
      loop.arguments.push_back(arguments.back()[p]);
    }
  }
  const bool counted = !loop.at_most_once;
  builder_.OpenLoop(std::move(loop));
  index_.BindLoop(inst, counter, counted ? builder_.depth() : 0);
  for (size_t i = 0; i < arguments.size(); ++i) Bind(body.arguments[i], arguments[i]);
  const InstId id = builder_.inst();
  SelectBlock(inst.body);
  builder_.SetInst(id);

  absl::InlinedVector<Variable, 16> yields, results;
  absl::InlinedVector<Parts, 8> result_parts;
  if (counted) {
    yields.push_back(General(Opcode::kAdd, counter, builder_.Immediate(inst.step)));
    results.push_back(builder_.NewVariable(kGeneral));
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    result_parts.push_back(NewParts(type(inst.operands[i])));
    for (int p = 0; p < arguments[i].count; ++p) {
      yields.push_back(Get(body.yields[i])[p]);
      results.push_back(result_parts[i][p]);
    }
  }
  builder_.CloseLoop(yields, results);
  index_.LeaveLoop();
  last_shuffle_ = nullptr;
  std::erase_if(splats_, [&](const KnownSplat& known) { return known.depth > builder_.depth(); });
  for (size_t i = 0; i < result_parts.size(); ++i) Bind(inst.results[i], result_parts[i]);
}

void Selector::SelectBlock(BlockId block) {
  const std::vector<InstId>& insts = nest_.block(block).insts;
  for (InstId id : insts) {
    builder_.SetInst(id);
    const Inst& inst = nest_.inst(id);
    // Part of a cache line around the caches and part of it through them is worse than all of it through them.
    streams_ = inst.streaming && (avx512_ || std::none_of(insts.begin(), insts.end(), [&](InstId at) {
                 const Inst& other = nest_.inst(at);
                 return other.op == Opcode::kStore && other.buffer == inst.buffer &&
                        (other.masked || type(other.operands[0]).lanes != 2 * wide_lanes_);
               }));
    if (inst.op == Opcode::kLoop) {
      SelectLoop(inst);
      continue;
    }
    const Parts result = SelectInst(inst);
    if (!inst.results.empty()) Bind(inst.results[0], result);
  }
}

Parts Selector::SelectInst(const Inst& inst) {
  switch (inst.op) {
    case Opcode::kConst:
      return Constant(inst.type.element, inst.imm, inst.type.lanes);
    case Opcode::kIndex:
      return index_.Evaluate(inst.expr);
    case Opcode::kIota:
      return Iota(inst.type);
    case Opcode::kLaneMask:
      return LaneMask(inst.expr, inst.type.lanes);
    case Opcode::kSplat:
      return Splat(inst.type, Get(inst.operands[0]));
    case Opcode::kExtract:
      return Extract(type(inst.operands[0]), Get(inst.operands[0]), inst.lane);
    case Opcode::kShuffle:
      return Shuffle(inst);
    case Opcode::kLookup:
      return Lookup(inst);
    case Opcode::kBitcast:
      return Bitcast(type(inst.operands[0]), inst.type, Get(inst.operands[0]));
    case Opcode::kReduce:
      return Reduce(inst.reduce_op, type(inst.operands[0]), Get(inst.operands[0]));
    case Opcode::kConvert:
      return Convert(inst);
    case Opcode::kLoad:
    case Opcode::kGather:
    case Opcode::kStore:
    case Opcode::kScatter:
    case Opcode::kPrefetch:
    case Opcode::kClampIndex:
      return SelectMemory(inst);
    default:
      return SelectElementwise(inst);
  }
}

}  // namespace skein::x86
