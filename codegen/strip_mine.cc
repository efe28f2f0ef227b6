#include "codegen/strip_mine.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "codegen/map_leaves.h"
#include "codegen/recycled.h"

namespace skein {
namespace {

// More copies than this are not worth their code bytes, whatever the hint says.
constexpr int64_t kMaxUnrolledTrips = 64;

class StripMiner {
 public:
  StripMiner(const LoopNest& source, int register_lanes)
      : source_(source), register_lanes_(register_lanes) {
    result_.buffers = source.buffers;
    result_.argument_count = source.argument_count;
    result_.loop_count = source.loop_count;
    numbered_.resize(source.loop_count);
    values_.resize(source.value_count());
    loops_.resize(source.loop_count);
    // Tails are copies, of small loops as a rule.
    result_.Reserve(source.inst_count() * 3 / 2, source.value_count() * 3 / 2);
  }

  LoopNest Run() {
    result_.root = block_ = result_.NewBlock();
    LowerBlock(source_.root);
    return std::move(result_);
  }

 private:
  // The last, partial iteration of a vector loop, while its body is being emitted.
  struct Tail {
    int lanes = 0;      // of the vector loop
    int narrow = 0;     // of values in this tail
    ValueId mask;       // `narrow` lanes; invalid if all of them are active
    bool seen = false;  // a kExtract may see inactive lanes, so they need their exact contents
  };

  DimExpr Map(DimExpr e) {
    return MapLeaves(e, mapped_, [&](DimExpr leaf) {
      if (leaf.kind() == DimKind::kCoord) return loops_[leaf.index()];
      if (leaf.kind() != DimKind::kValue) return leaf;
      const int value = values_[leaf.index()].index;
      return value == leaf.index() ? leaf : DimExpr::Value(value);
    });
  }

  VectorType Map(VectorType type) const {
    if (tail_ != nullptr && type.lanes == tail_->lanes) type.lanes = tail_->narrow;
    return type;
  }

  ValueId Map(ValueId source) {
    const ValueId value = values_[source.index];
    if (tail_ == nullptr || tail_->narrow == tail_->lanes) return value;
    // A wide value comes from outside the tail.
    if (result_.type(value).lanes != tail_->lanes) return value;
    return FirstLanes(value, tail_->narrow);
  }

  ValueId Emit(Inst&& inst, VectorType type) {
    const ValueId value = result_.NewValue(type);
    inst.type = type;
    inst.results = {value};
    result_.block(block_).insts.push_back(result_.NewInst(std::move(inst)));
    return value;
  }

  ValueId FirstLanes(ValueId value, int lanes) {
    Inst inst{.op = Opcode::kShuffle, .operands = {value}};
    for (int i = 0; i < lanes; ++i) inst.shuffle.push_back(i);
    return Emit(std::move(inst), {result_.type(value).element, lanes});
  }

  // `narrow` followed by the lanes of `wide` that it does not have.
  ValueId Widen(ValueId narrow, ValueId wide) {
    const int have = result_.type(narrow).lanes;
    const VectorType type = result_.type(wide);
    if (have == type.lanes) return narrow;
    Inst inst{.op = Opcode::kShuffle, .operands = {narrow, wide}};
    for (int i = 0; i < type.lanes; ++i) inst.shuffle.push_back(i < have ? i : have + i);
    return Emit(std::move(inst), type);
  }

  ValueId LaneMask(DimExpr active, int lanes) {
    return Emit(Inst{.op = Opcode::kLaneMask, .expr = active}, {ElementType::kBool, lanes});
  }

  ValueId Select(ValueId condition, ValueId a, ValueId b) {
    return Emit(Inst{.op = Opcode::kSelect, .operands = {condition, a, b}}, result_.type(a));
  }

  void LowerBlock(BlockId id) {
    std::vector<InstId>& insts = result_.block(block_).insts;
    if (insts.empty()) insts.reserve(source_.block(id).insts.size() + 4);
    for (InstId inst : source_.block(id).insts) {
      if (source_.inst(inst).op == Opcode::kLoop) {
        LowerLoop(source_.inst(inst));
      } else {
        LowerInst(source_.inst(inst));
      }
    }
  }

  // Outside of tails: where the copy stays, since a copy of what was written just now waits for it.
  void CopyInst(const Inst& source) {
    const InstId id = result_.NewInst(source);
    result_.block(block_).insts.push_back(id);
    Inst& inst = result_.inst(id);
    for (ValueId& operand : inst.operands) operand = values_[operand.index];
    inst.expr = Map(source.expr);
    inst.address = Map(source.address);
    inst.stride = Map(source.stride);
    if (source.results.empty()) return;
    inst.results[0] = values_[source.results[0].index] = result_.NewValue(source.type);
  }

  void LowerInst(const Inst& source) {
    if (tail_ == nullptr) return CopyInst(source);
    Inst inst = source;
    for (ValueId& operand : inst.operands) operand = Map(operand);
    inst.expr = Map(source.expr);
    inst.address = Map(source.address);
    inst.stride = Map(source.stride);
    if (tail_->mask.valid()) MaskInst(inst);
    if (source.results.empty()) {
      result_.block(block_).insts.push_back(result_.NewInst(std::move(inst)));
    } else {
      const VectorType type = Map(source.type);
      const ValueId unclamped =
          source.op == Opcode::kClampIndex ? Map(source.operands[0]) : ValueId();
      ValueId value = Emit(std::move(inst), type);
      if (tail_->seen && tail_->mask.valid()) {
        value = FillInactiveLanes(source, value, unclamped);
      }
      values_[source.results[0].index] = value;
    }
  }

  // The result of `source` with the lanes that MaskInst changed or broadcasts filled set right.
  ValueId FillInactiveLanes(const Inst& source, ValueId value, ValueId unclamped) {
    if (source.type.lanes != tail_->lanes) return value;
    const VectorType type = result_.type(value);
    if (source.op == Opcode::kLoad && source.stride.IsConst(0) && !source.masked) {
      return Select(tail_->mask, value, Zero(type));
    }
    if (source.op == Opcode::kClampIndex) {
      const ValueId limit = Emit(Inst{.op = Opcode::kIndex, .expr = Map(source.expr) - DimExpr(1)},
                                 {ElementType::kI64, 1});
      const ValueId limits = Emit(Inst{.op = Opcode::kSplat, .operands = {limit}}, type);
      const ValueId at_most = Emit(Inst{.op = Opcode::kMin, .operands = {unclamped, limits}}, type);
      const ValueId clamped =
          Emit(Inst{.op = Opcode::kMax, .operands = {at_most, Zero(type)}}, type);
      return Select(tail_->mask, value, clamped);
    }
    return value;
  }

  ValueId Zero(VectorType type) { return Emit(Inst{.op = Opcode::kConst}, type); }

  // Keeps what `inst` does in inactive lanes of the tail from being seen.
  void MaskInst(Inst& inst) {
    switch (inst.op) {
      case Opcode::kLoad:
        // Lane 0 of a tail is active, so a broadcast may read.
        if (inst.stride.IsConst(0) && !inst.masked) return;
        if (inst.type.lanes == tail_->lanes) AddMask(inst);
        return;
      case Opcode::kGather:
        if (inst.type.lanes == tail_->lanes) AddMask(inst);
        return;
      case Opcode::kStore:
      case Opcode::kScatter:
        if (result_.type(inst.operands[0]).lanes == tail_->narrow) AddMask(inst);
        return;
      case Opcode::kClampIndex:
        if (inst.type.lanes != tail_->lanes) return;
        // Index 0 is always in range, so inactive lanes report nothing.
        inst.operands[0] =
            Select(tail_->mask, inst.operands[0], Zero(result_.type(inst.operands[0])));
        return;
      default:
        return;
    }
  }

  void AddMask(Inst& inst) {
    if (inst.masked) {
      ValueId& mask = inst.operands.back();
      mask = Emit(Inst{.op = Opcode::kAnd, .operands = {mask, tail_->mask}}, result_.type(mask));
    } else {
      inst.operands.push_back(tail_->mask);
      inst.masked = true;
    }
  }

  void LowerLoop(const Inst& loop) {
    std::vector<ValueId> carried;
    for (ValueId init : loop.operands) carried.push_back(Map(init));
    const DimExpr extent = Map(loop.extent);
    if (loop.loop_kind == LoopKind::kVector) {
      LowerVectorLoop(loop, extent, carried);
    } else if (loop.loop_kind == LoopKind::kUnrolled && extent.IsConst() &&
               extent.constant() <= kMaxUnrolledTrips * loop.step) {
      for (int64_t i = 0; i < extent.constant(); i += loop.step) LowerBody(loop, i, carried);
    } else {
      const LoopKind kind =
          loop.loop_kind == LoopKind::kParallel ? LoopKind::kParallel : LoopKind::kSerial;
      EmitLoop(kind, NumberFor(loop), extent, loop.step, carried,
               [&](DimExpr index) { LowerBody(loop, index, carried); });
    }
    for (size_t i = 0; i < carried.size(); ++i) values_[loop.results[i].index] = carried[i];
  }

  // One copy of the body; `carried` goes from its arguments to its yields.
  void LowerBody(const Inst& loop, DimExpr index, std::vector<ValueId>& carried) {
    const Block& body = source_.block(loop.body);
    loops_[loop.loop] = index;
    mapped_.clear();
    for (size_t i = 0; i < carried.size(); ++i) values_[body.arguments[i].index] = carried[i];
    LowerBlock(loop.body);
    for (size_t i = 0; i < carried.size(); ++i) carried[i] = Map(body.yields[i]);
  }

  // The number of the loop that `loop` becomes: its own in its first copy, so that addresses stay
  // the expressions that they are.
  int NumberFor(const Inst& loop) {
    return std::exchange(numbered_[loop.loop], true) ? result_.loop_count++ : loop.loop;
  }

  // Opens a loop around what `emit_body` emits; `carried` is its inits, then inside its arguments,
  // which the body turns into its yields, and then its results.
  template <typename EmitBody>
  void EmitLoop(LoopKind kind, int number, DimExpr extent, int64_t step,
                std::vector<ValueId>& carried, EmitBody emit_body) {
    const BlockId body = result_.NewBlock();
    Inst loop{.op = Opcode::kLoop,
              .loop_kind = kind,
              .loop = number,
              .extent = extent,
              .step = step,
              .body = body};
    for (ValueId& value : carried) {
      const VectorType type = result_.type(value);
      loop.operands.push_back(value);
      value = result_.NewValue(type);
      result_.block(body).arguments.push_back(value);
    }
    const BlockId outer = std::exchange(block_, body);
    emit_body(DimExpr::Coord(number, extent));
    result_.block(body).yields.assign(carried.begin(), carried.end());
    block_ = outer;
    for (ValueId& value : carried) {
      value = result_.NewValue(result_.type(value));
      loop.results.push_back(value);
    }
    result_.block(block_).insts.push_back(result_.NewInst(std::move(loop)));
  }

  void LowerVectorLoop(const Inst& loop, DimExpr extent, std::vector<ValueId>& carried) {
    const int lanes = loop.lanes;
    if (!ProveNonNegative(extent)) extent = Max(extent, 0);
    const DimExpr rest = Mod(extent, lanes);
    const DimExpr full = rest.IsConst(0) ? extent : FloorDiv(extent, lanes) * DimExpr(lanes);
    if (full.IsConst(lanes)) {
      LowerBody(loop, 0, carried);
    } else if (!full.IsConst(0)) {
      EmitLoop(LoopKind::kSerial, NumberFor(loop), full, lanes, carried,
               [&](DimExpr index) { LowerBody(loop, index, carried); });
    }
    if (rest.IsConst(0)) return;
    if (rest.IsConst()) {
      LowerTail(loop, full, rest, carried);
    } else {
      EmitLoop(LoopKind::kSerial, result_.loop_count++, rest, lanes, carried,
               [&](DimExpr) { LowerTail(loop, full, rest, carried); });
    }
  }

  bool ExtractsLanes(BlockId block, int lanes) const {
    for (InstId id : source_.block(block).insts) {
      const Inst& inst = source_.inst(id);
      if (inst.op == Opcode::kLoop && ExtractsLanes(inst.body, lanes)) return true;
      if (inst.op == Opcode::kExtract && source_.type(inst.operands[0]).lanes == lanes) return true;
    }
    return false;
  }

  // The body for the last `rest` elements, 1 <= rest < lanes.
  void LowerTail(const Inst& loop, DimExpr index, DimExpr rest, std::vector<ValueId>& carried) {
    Tail tail{
        .lanes = loop.lanes, .narrow = loop.lanes, .seen = ExtractsLanes(loop.body, loop.lanes)};
    if (const std::optional<int64_t> count = rest.AsConst(); count && !tail.seen) {
      const int registers = (static_cast<int>(*count) + register_lanes_ - 1) / register_lanes_;
      tail.narrow = std::min(loop.lanes, registers * register_lanes_);
    }
    if (!rest.IsConst(tail.narrow)) tail.mask = LaneMask(rest, tail.narrow);
    tail_ = &tail;
    const std::vector<ValueId> before = carried;
    LowerBody(loop, index, carried);
    for (size_t i = 0; i < carried.size(); ++i) {
      if (result_.type(before[i]).lanes != loop.lanes) continue;
      ValueId old = before[i];
      if (tail.narrow != tail.lanes) old = FirstLanes(old, tail.narrow);
      if (tail.mask.valid()) carried[i] = Select(tail.mask, carried[i], old);
      carried[i] = Widen(carried[i], before[i]);
    }
    tail_ = nullptr;
  }

  const LoopNest& source_;
  const int register_lanes_;
  LoopNest result_;
  BlockId block_;
  Recycled<ValueId> values_;    // of source_, in result_
  std::vector<uint8_t> numbered_;  // whether a loop of source_ has given its number away
  std::vector<DimExpr> loops_;     // index of each loop of source_, in result_
  MappedExprs mapped_;             // in this copy of the body
  Tail* tail_ = nullptr;
};

}  // namespace

LoopNest StripMine(const LoopNest& nest, int register_lanes) {
  return StripMiner(nest, register_lanes).Run();
}

}  // namespace skein
