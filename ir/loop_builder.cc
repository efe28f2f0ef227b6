// LoopBuilder: emits instructions with their types, widens scalars, and merges equal pure
// instructions.
#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "ir/loop_nest.h"
#include "ir/numeric.h"

namespace skein {
namespace {

// Whether two equal instructions, one dominating the other, always give one value. kClampIndex
// counts: setting its status bit twice is setting it once.
bool IsPure(Opcode op) {
  switch (op) {
    case Opcode::kLoad:
    case Opcode::kGather:
    case Opcode::kStore:
    case Opcode::kScatter:
    case Opcode::kPrefetch:
    case Opcode::kLoop:
      return false;
    default:
      return true;
  }
}

// Everything that tells two pure instructions apart, as bytes.
std::string ConsKey(const Inst& inst, VectorType type) {
  std::string key;
  key.reserve(sizeof(uint64_t) * 3 + sizeof(int32_t) * (3 + inst.operands.size() + inst.shuffle.size()));
  const auto append = [&key](auto word) { key.append(reinterpret_cast<const char*>(&word), sizeof(word)); };
  append(static_cast<int64_t>(inst.op) | static_cast<int64_t>(type.element) << 8 |
         static_cast<int64_t>(type.lanes) << 16 | static_cast<int64_t>(inst.reduce_op) << 32);
  append(inst.imm);
  append(inst.expr.node());
  append(inst.lane);
  append(static_cast<int32_t>(inst.operands.size()));
  for (ValueId operand : inst.operands) append(operand.index);
  for (int index : inst.shuffle) append(index);
  return key;
}

bool IsCompare(Opcode op) {
  return op == Opcode::kLess || op == Opcode::kLessEqual || op == Opcode::kEqual ||
         op == Opcode::kNotEqual;
}

std::string Describe(Opcode op, VectorType a, VectorType b) {
  return absl::StrCat(std::string(Name(op)), " of ", std::string(Name(a.element)), "x", a.lanes,
                      " and ", std::string(Name(b.element)), "x", b.lanes);
}

Inst MakeInst(Opcode op, std::initializer_list<ValueId> operands) {
  Inst inst;
  inst.op = op;
  inst.operands.assign(operands.begin(), operands.end());
  return inst;
}

}  // namespace

LoopBuilder::LoopBuilder(LoopNest* nest) : nest_(nest) {
  if (!nest_->root.valid()) nest_->root = nest_->NewBlock();
  block_ = nest_->root;
  scopes_.emplace_back();
}

BufferId LoopBuilder::AddBuffer(BufferKind kind, ElementType element, DimExpr size) {
  nest_->buffers.push_back(Buffer{kind, element, size});
  return BufferId(static_cast<int64_t>(nest_->buffers.size()) - 1);
}

DimExpr LoopBuilder::AddArgument() {
  return DimExpr::Symbol(absl::StrCat("a", nest_->argument_count++));
}

ValueId LoopBuilder::Emit(Inst inst, VectorType type) {
  const bool pure = IsPure(inst.op);
  std::string key;
  if (pure) {
    key = ConsKey(inst, type);
    const size_t hash = scopes_.back().hash_function()(key);
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(key, hash);
      if (found != scope->end()) return found->second;
    }
  }
  inst.type = type;
  const ValueId result = nest_->NewValue(type);
  inst.results.push_back(result);
  if (inst.op == Opcode::kConst) constants_[result] = inst.imm;
  const InstId id = nest_->NewInst(std::move(inst));
  nest_->block(block_).insts.push_back(id);
  if (pure) scopes_.back().emplace(std::move(key), result);
  return result;
}

void LoopBuilder::EmitEffect(Inst inst) {
  const InstId id = nest_->NewInst(std::move(inst));
  nest_->block(block_).insts.push_back(id);
}

int LoopBuilder::Widen(Opcode op, std::initializer_list<ValueId*> values, int lanes) {
  for (const ValueId* value : values) lanes = std::max(lanes, type(*value).lanes);
  for (ValueId* value : values) {
    SKEIN_CHECK_MSG(type(*value).lanes == 1 || type(*value).lanes == lanes,
                    Describe(op, type(*value), VectorType{type(*value).element, lanes}));
    *value = Splat(*value, lanes);
  }
  return lanes;
}

// --- loops ---------------------------------------------------------------------------------------

DimExpr LoopBuilder::BeginLoop(LoopKind kind, DimExpr extent, int64_t step,
                               std::span<const ValueId> inits) {
  Inst inst;
  inst.op = Opcode::kLoop;
  inst.operands.assign(inits.begin(), inits.end());
  inst.loop_kind = kind;
  inst.loop = nest_->loop_count++;
  inst.extent = extent;
  inst.step = step;
  inst.body = nest_->NewBlock();
  for (ValueId init : inits) {
    const ValueId argument = nest_->NewValue(type(init));
    nest_->block(inst.body).arguments.push_back(argument);
  }
  const DimExpr index = DimExpr::Coord(inst.loop, extent);
  const BlockId body = inst.body;
  const InstId id = nest_->NewInst(std::move(inst));
  nest_->block(block_).insts.push_back(id);
  open_.push_back(OpenLoop{id, block_, lanes_});
  block_ = body;
  scopes_.emplace_back();
  return index;
}

DimExpr LoopBuilder::BeginVectorLoop(DimExpr extent, int lanes, std::span<const ValueId> inits) {
  const DimExpr index = BeginLoop(LoopKind::kVector, extent, lanes, inits);
  nest_->inst(open_.back().loop).lanes = lanes;
  lanes_ = lanes;
  return index;
}

ValueId LoopBuilder::Carried(int i) const {
  const std::vector<ValueId>& arguments = nest_->block(block_).arguments;
  SKEIN_CHECK(i >= 0 && i < static_cast<int>(arguments.size()));
  return arguments[i];
}

std::vector<ValueId> LoopBuilder::EndLoop(std::span<const ValueId> yields) {
  SKEIN_CHECK_MSG(!open_.empty(), "EndLoop without a loop");
  const std::vector<ValueId> arguments = nest_->block(block_).arguments;
  SKEIN_CHECK_MSG(
      yields.size() == arguments.size(),
      absl::StrCat("a loop that carries ", arguments.size(), " values yields ", yields.size()));
  std::vector<ValueId> widened;
  for (size_t i = 0; i < yields.size(); ++i) {
    const VectorType carried = type(arguments[i]);
    widened.push_back(Splat(yields[i], carried.lanes));
    SKEIN_CHECK_MSG(type(widened[i]) == carried,
                    absl::StrCat("carried value ", i, ": ",
                                 Describe(Opcode::kLoop, carried, type(widened[i]))));
  }
  nest_->block(block_).yields = std::move(widened);
  const OpenLoop open = open_.back();
  open_.pop_back();
  scopes_.pop_back();
  block_ = open.outer;
  lanes_ = open.outer_lanes;
  std::vector<ValueId> results;
  for (ValueId argument : arguments) {
    results.push_back(nest_->NewValue(type(argument)));
    nest_->inst(open.loop).results.push_back(results.back());
  }
  return results;
}

// --- sources and movement ------------------------------------------------------------------------

ValueId LoopBuilder::Const(ElementType t, double value, int lanes) {
  return ConstBits(t, BitsFromDouble(t, value), lanes);
}

ValueId LoopBuilder::ConstInt(ElementType t, int64_t value, int lanes) {
  return ConstBits(t, BitsFromInt64(t, value), lanes);
}

ValueId LoopBuilder::ConstBits(ElementType t, uint64_t bits, int lanes) {
  Inst inst = MakeInst(Opcode::kConst, {});
  inst.imm = bits;
  return Emit(std::move(inst), {t, lanes == 0 ? lanes_ : lanes});
}

ValueId LoopBuilder::Index(DimExpr e) {
  if (e.kind() == DimKind::kValue) return ValueId(e.index());
  if (e.IsConst()) return ConstInt(ElementType::kI64, e.constant());
  Inst inst = MakeInst(Opcode::kIndex, {});
  inst.expr = e;
  return Emit(std::move(inst), {ElementType::kI64, 1});
}

ValueId LoopBuilder::Iota(ElementType t, int lanes) {
  return Emit(MakeInst(Opcode::kIota, {}), {t, lanes == 0 ? lanes_ : lanes});
}

ValueId LoopBuilder::LaneMask(DimExpr n, int lanes) {
  Inst inst = MakeInst(Opcode::kLaneMask, {});
  inst.expr = n;
  return Emit(std::move(inst), {ElementType::kBool, lanes == 0 ? lanes_ : lanes});
}

ValueId LoopBuilder::Splat(ValueId v, int lanes) {
  const VectorType from = type(v);
  if (from.lanes == lanes) return v;
  SKEIN_CHECK_MSG(from.lanes == 1, absl::StrCat("splat of ", from.lanes, " lanes to ", lanes));
  // A constant of many lanes is one instruction that a back end can turn into a memory operand.
  const auto constant = constants_.find(v);
  if (constant != constants_.end()) return ConstBits(from.element, constant->second, lanes);
  return Emit(MakeInst(Opcode::kSplat, {v}), {from.element, lanes});
}

ValueId LoopBuilder::Extract(ValueId v, int lane) {
  if (type(v).lanes == 1 && lane == 0) return v;
  Inst inst = MakeInst(Opcode::kExtract, {v});
  inst.lane = lane;
  return Emit(std::move(inst), {type(v).element, 1});
}

ValueId LoopBuilder::Shuffle(ValueId a, std::vector<int> indices) {
  const VectorType result{type(a).element, static_cast<int>(indices.size())};
  Inst inst = MakeInst(Opcode::kShuffle, {a});
  inst.shuffle = std::move(indices);
  return Emit(std::move(inst), result);
}

ValueId LoopBuilder::Shuffle(ValueId a, ValueId b, std::vector<int> indices) {
  SKEIN_CHECK_MSG(type(a) == type(b), Describe(Opcode::kShuffle, type(a), type(b)));
  const VectorType result{type(a).element, static_cast<int>(indices.size())};
  Inst inst = MakeInst(Opcode::kShuffle, {a, b});
  inst.shuffle = std::move(indices);
  return Emit(std::move(inst), result);
}

ValueId LoopBuilder::Lookup(ValueId index, std::span<const float, 16> table) {
  Inst inst = MakeInst(Opcode::kLookup, {index});
  for (const float entry : table) inst.shuffle.push_back(std::bit_cast<int>(entry));
  return Emit(std::move(inst), {ElementType::kF32, type(index).lanes});
}

ValueId LoopBuilder::Bitcast(ElementType t, ValueId v) {
  if (type(v).element == t) return v;
  return Emit(MakeInst(Opcode::kBitcast, {v}), {t, type(v).lanes});
}

// --- memory --------------------------------------------------------------------------------------

ValueId LoopBuilder::Load(BufferId buffer, DimExpr address, int lanes, DimExpr stride,
                          ValueId mask) {
  if (lanes == 0) lanes = lanes_;
  Inst inst = MakeInst(Opcode::kLoad, {});
  if (mask.valid()) lanes = Widen(Opcode::kLoad, {&mask}, lanes);
  if (mask.valid()) inst.operands.push_back(mask);
  inst.masked = mask.valid();
  inst.buffer = buffer;
  inst.address = address;
  inst.stride = stride;
  return Emit(std::move(inst), {nest_->buffers[buffer.index].element, lanes});
}

ValueId LoopBuilder::Gather(BufferId buffer, DimExpr address, ValueId index, ValueId mask) {
  const int lanes = mask.valid() ? Widen(Opcode::kGather, {&index, &mask}, 1) : type(index).lanes;
  Inst inst = MakeInst(Opcode::kGather, {index});
  if (mask.valid()) inst.operands.push_back(mask);
  inst.masked = mask.valid();
  inst.buffer = buffer;
  inst.address = address;
  return Emit(std::move(inst), {nest_->buffers[buffer.index].element, lanes});
}

void LoopBuilder::Store(BufferId buffer, DimExpr address, ValueId value, DimExpr stride,
                        ValueId mask, bool streaming) {
  const int least_lanes = stride.IsConst(0) ? 1 : lanes_;
  if (mask.valid()) {
    Widen(Opcode::kStore, {&value, &mask}, least_lanes);
  } else if (type(value).lanes == 1) {
    value = Splat(value, least_lanes);
  }
  Inst inst = MakeInst(Opcode::kStore, {value});
  if (mask.valid()) inst.operands.push_back(mask);
  inst.masked = mask.valid();
  inst.type = type(value);
  inst.buffer = buffer;
  inst.address = address;
  inst.stride = stride;
  inst.streaming = streaming;
  EmitEffect(std::move(inst));
}

void LoopBuilder::Scatter(BufferId buffer, DimExpr address, ValueId value, ValueId index,
                          ValueId mask) {
  if (mask.valid()) {
    Widen(Opcode::kScatter, {&value, &index, &mask}, 1);
  } else {
    Widen(Opcode::kScatter, {&value, &index}, 1);
  }
  Inst inst = MakeInst(Opcode::kScatter, {value, index});
  if (mask.valid()) inst.operands.push_back(mask);
  inst.masked = mask.valid();
  inst.type = type(value);
  inst.buffer = buffer;
  inst.address = address;
  EmitEffect(std::move(inst));
}

void LoopBuilder::Prefetch(BufferId buffer, DimExpr address, int level) {
  Inst inst = MakeInst(Opcode::kPrefetch, {});
  inst.buffer = buffer;
  inst.address = address;
  inst.imm = static_cast<uint64_t>(level);
  EmitEffect(std::move(inst));
}

ValueId LoopBuilder::ClampIndex(ValueId index, DimExpr n, int site) {
  Inst inst = MakeInst(Opcode::kClampIndex, {index});
  inst.expr = n;
  inst.imm = static_cast<uint64_t>(site);
  return Emit(std::move(inst), type(index));
}

// --- arithmetic ----------------------------------------------------------------------------------

ValueId LoopBuilder::Unary(Opcode op, ValueId a) { return Emit(MakeInst(op, {a}), type(a)); }

ValueId LoopBuilder::Binary(Opcode op, ValueId a, ValueId b) {
  const int lanes = Widen(op, {&a, &b}, 1);
  const ElementType element = type(a).element;
  SKEIN_CHECK_MSG(element == type(b).element, Describe(op, type(a), type(b)));
  if (IsBool(element)) {  // the language compares no bools: as 0 < 1 these are bit operations
    switch (op) {
      case Opcode::kLess:
        return Binary(Opcode::kAnd, Unary(Opcode::kNot, a), b);
      case Opcode::kLessEqual:
        return Binary(Opcode::kOr, Unary(Opcode::kNot, a), b);
      case Opcode::kEqual:
        return Unary(Opcode::kNot, Binary(Opcode::kXor, a, b));
      case Opcode::kNotEqual:
        return Binary(Opcode::kXor, a, b);
      case Opcode::kMin:
        return Binary(Opcode::kAnd, a, b);
      case Opcode::kMax:
        return Binary(Opcode::kOr, a, b);
      default:
        break;
    }
  }
  return Emit(MakeInst(op, {a, b}), {IsCompare(op) ? ElementType::kBool : element, lanes});
}

ValueId LoopBuilder::Fma(ValueId a, ValueId b, ValueId c) {
  const int lanes = Widen(Opcode::kFma, {&a, &b, &c}, 1);
  SKEIN_CHECK_MSG(type(a) == type(b) && type(a) == type(c),
                  Describe(Opcode::kFma, type(a), type(c)));
  return Emit(MakeInst(Opcode::kFma, {a, b, c}), {type(a).element, lanes});
}

ValueId LoopBuilder::Select(ValueId condition, ValueId a, ValueId b) {
  const int lanes = Widen(Opcode::kSelect, {&condition, &a, &b}, 1);
  SKEIN_CHECK_MSG(type(a) == type(b), Describe(Opcode::kSelect, type(a), type(b)));
  return Emit(MakeInst(Opcode::kSelect, {condition, a, b}), {type(a).element, lanes});
}

ValueId LoopBuilder::Convert(ElementType t, ValueId v) {
  if (type(v).element == t) return v;
  return Emit(MakeInst(Opcode::kConvert, {v}), {t, type(v).lanes});
}

ValueId LoopBuilder::Reduce(Opcode op, ValueId v) {
  if (type(v).lanes == 1) return v;
  Inst inst = MakeInst(Opcode::kReduce, {v});
  inst.reduce_op = op;
  return Emit(std::move(inst), {type(v).element, 1});
}

ValueId LoopBuilder::Dot4(ValueId acc, ValueId a, ValueId b) {
  const int lanes = Widen(Opcode::kDot4, {&acc, &a, &b}, 1);
  return Emit(MakeInst(Opcode::kDot4, {acc, a, b}), {ElementType::kI32, lanes});
}

}  // namespace skein
