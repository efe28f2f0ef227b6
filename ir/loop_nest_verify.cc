// Verify: one walk over the tree that checks types, dominance, loop structure and expression
// scopes.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ir/loop_nest.h"

namespace skein {
namespace {

constexpr int kMaxLanes = 64;
constexpr int64_t kMaxUnrolledTrips = 1024;  // "small": code size stays bounded

std::string TypeName(VectorType t) {
  std::string name(Name(t.element));
  return t.lanes == 1 ? name : absl::StrCat(name, "x", t.lanes);
}

bool IsArithmeticFloat(ElementType t) { return t == ElementType::kF32 || t == ElementType::kF64; }
bool IsStorageFloat(ElementType t) { return t == ElementType::kF16 || t == ElementType::kBF16; }
bool IsNumber(ElementType t) { return IsInteger(t) || IsArithmeticFloat(t); }

bool IsMemory(Opcode op) {
  return op == Opcode::kLoad || op == Opcode::kGather || op == Opcode::kStore ||
         op == Opcode::kScatter || op == Opcode::kPrefetch;
}

bool HasResult(Opcode op) {
  return op != Opcode::kStore && op != Opcode::kScatter && op != Opcode::kPrefetch;
}

// f16 and bf16 are storage types: these alone may touch them.
bool MayTouchStorageFloats(Opcode op) {
  switch (op) {
    case Opcode::kConst:
    case Opcode::kSplat:
    case Opcode::kExtract:
    case Opcode::kShuffle:
    case Opcode::kBitcast:
    case Opcode::kLoad:
    case Opcode::kGather:
    case Opcode::kStore:
    case Opcode::kScatter:
    case Opcode::kConvert:
      return true;
    default:
      return false;
  }
}

// What the operands of an elementwise operation may be.
bool AllowsElement(Opcode op, ElementType t) {
  switch (op) {
    case Opcode::kDiv:
    case Opcode::kFma:
    case Opcode::kMinX86:
    case Opcode::kMaxX86:
    case Opcode::kSqrt:
    case Opcode::kFloor:
    case Opcode::kCeil:
    case Opcode::kTrunc:
    case Opcode::kRoundEven:
      return IsArithmeticFloat(t);
    case Opcode::kIntDiv:
    case Opcode::kIntRem:
    case Opcode::kShl:
    case Opcode::kShr:
    case Opcode::kSar:
      return IsInteger(t);
    case Opcode::kAnd:
    case Opcode::kOr:
    case Opcode::kXor:
    case Opcode::kNot:
      return IsInteger(t) || IsBool(t);
    case Opcode::kDot4:
      return t == ElementType::kI32;
    case Opcode::kClampIndex:
      return t == ElementType::kI64;
    case Opcode::kConvert:
      return true;
    case Opcode::kSelect:
      return !IsStorageFloat(t);
    default:
      return IsNumber(t);
  }
}

size_t OperandCount(Opcode op) {
  switch (op) {
    case Opcode::kClampIndex:
    case Opcode::kNeg:
    case Opcode::kAbs:
    case Opcode::kSqrt:
    case Opcode::kFloor:
    case Opcode::kCeil:
    case Opcode::kTrunc:
    case Opcode::kRoundEven:
    case Opcode::kNot:
    case Opcode::kConvert:
      return 1;
    case Opcode::kFma:
    case Opcode::kSelect:
    case Opcode::kDot4:
      return 3;
    default:
      return 2;
  }
}

class Verifier {
 public:
  explicit Verifier(const LoopNest& nest)
      : nest_(nest),
        in_scope_(nest.value_count()),
        defined_(nest.value_count()),
        loop_seen_(std::max(nest.loop_count, 0)),
        inst_seen_(nest.inst_count()) {
    defined_order_.reserve(nest.value_count());
  }

  absl::Status Run() {
    SKEIN_RETURN_IF_ERROR(CheckBuffers());
    if (!IsBlock(nest_.root)) return InvalidArgument("the nest has no root block");
    const Block& root = nest_.block(nest_.root);
    if (!root.arguments.empty() || !root.yields.empty()) {
      return InvalidArgument("the root block has arguments or yields");
    }
    return CheckBlock(nest_.root, /*parallel_allowed=*/true);
  }

 private:
  // --- expressions ---
  absl::Status CheckExpr(DimExpr e, std::string_view what, bool arguments_only = false) {
    const absl::Status status = arguments_only && HasCoords(e)
                                    ? InvalidArgument("depends on more than arguments")
                                    : CheckLeaves(e);
    if (status.ok()) return status;
    return Annotate(status, absl::StrCat(std::string(what), " `", e.ToString(), "`"));
  }

  absl::Status CheckLeaves(DimExpr e) {
    switch (e.kind()) {
      case DimKind::kConst:
        return absl::OkStatus();
      case DimKind::kSymbol:
        return CheckSymbol(e);
      case DimKind::kCoord:
        return CheckCoord(e);
      case DimKind::kValue:
        return CheckValueLeaf(e);
      default:
        break;
    }
    if (checked_.contains(e)) return absl::OkStatus();
    for (DimExpr operand : e.operands()) SKEIN_RETURN_IF_ERROR(CheckLeaves(operand));
    checked_.insert(e);
    return absl::OkStatus();
  }

  absl::Status CheckSymbol(DimExpr leaf) {
    const int number = ArgumentNumber(leaf.symbol());
    if (number >= 0 && number < nest_.argument_count) return absl::OkStatus();
    return InvalidArgument("symbol ", std::string(leaf.symbol()), " is not one of the ",
                           nest_.argument_count, " arguments");
  }

  absl::Status CheckCoord(DimExpr leaf) {
    for (const Inst* loop : open_) {
      if (loop->loop != leaf.index()) continue;
      if (loop->extent == leaf.extent()) return absl::OkStatus();
      return InvalidArgument("the extent in $", leaf.index(), " is `", leaf.extent().ToString(),
                             "`, the loop's `", loop->extent.ToString(), "`");
    }
    return InvalidArgument("$", leaf.index(), " is not a loop around it");
  }

  absl::Status CheckValueLeaf(DimExpr leaf) {
    const ValueId id(leaf.index());
    SKEIN_RETURN_IF_ERROR(CheckUse(id));
    if (nest_.type(id) == VectorType{ElementType::kI64, 1}) return absl::OkStatus();
    return InvalidArgument("%", id.index, " has type ", TypeName(nest_.type(id)), ", not i64");
  }

  // --- values ---
  bool IsInScope(ValueId id) const {
    return id.valid() && id.index < nest_.value_count() && in_scope_[id.index];
  }

  absl::Status CheckUse(ValueId id) {
    if (!id.valid() || id.index >= nest_.value_count()) {
      return InvalidArgument("%", id.index, " does not exist");
    }
    if (!in_scope_[id.index]) return InvalidArgument("%", id.index, " is not defined here");
    return CheckLanes(nest_.type(id));
  }

  absl::Status CheckLanes(VectorType t) {
    if (t.lanes < 1 || t.lanes > kMaxLanes) return InvalidArgument(t.lanes, " lanes");
    if (vector_lanes_ != 0 && t.lanes != 1 && t.lanes != vector_lanes_) {
      return InvalidArgument("type ", TypeName(t), " in a vector loop of ", vector_lanes_,
                             " lanes");
    }
    return absl::OkStatus();
  }

  absl::Status Define(ValueId id) {
    if (!id.valid() || id.index >= nest_.value_count()) {
      return InvalidArgument("result %", id.index, " does not exist");
    }
    if (defined_[id.index]) return InvalidArgument("%", id.index, " is defined twice");
    defined_[id.index] = in_scope_[id.index] = true;
    defined_order_.push_back(id);
    return CheckLanes(nest_.type(id));
  }

  // --- structure ---
  bool IsBlock(BlockId id) const { return id.valid() && id.index < nest_.block_count(); }
  absl::Status CheckBuffers();
  absl::Status CheckBlock(BlockId id, bool parallel_allowed);
  absl::Status CheckLoop(const Inst& loop, bool parallel_allowed);
  absl::Status CheckLoopHeader(const Inst& loop, bool parallel_allowed);
  absl::Status CheckCarried(const Inst& loop);
  bool IsOrdinary(const Inst& inst);
  absl::Status CheckPlain(const Inst& inst);
  absl::Status CheckMemory(const Inst& inst);
  absl::Status CheckTypes(const Inst& inst);
  absl::Status CheckSource(const Inst& inst);
  absl::Status CheckMovement(const Inst& inst);
  absl::Status CheckArithmetic(const Inst& inst);
  absl::Status CheckReduce(const Inst& inst);

  VectorType Operand(const Inst& inst, size_t i) const { return nest_.type(inst.operands[i]); }
  absl::Status ExpectCount(const Inst& inst, size_t count) {
    if (inst.operands.size() == count) return absl::OkStatus();
    return InvalidArgument("has ", inst.operands.size(), " operands, needs ", count);
  }
  absl::Status ExpectType(std::string_view what, VectorType found, VectorType wanted) {
    if (found == wanted) return absl::OkStatus();
    return InvalidArgument(std::string(what), " has type ", TypeName(found), ", needs ",
                           TypeName(wanted));
  }
  // All operands from `first` on have the type `wanted`.
  absl::Status ExpectOperands(const Inst& inst, size_t first, VectorType wanted) {
    for (size_t i = first; i < inst.operands.size(); ++i) {
      if (Operand(inst, i) == wanted) continue;
      return ExpectType(absl::StrCat("operand ", i), Operand(inst, i), wanted);
    }
    return absl::OkStatus();
  }

  const LoopNest& nest_;
  std::vector<uint8_t> in_scope_, defined_;  // flags
  std::vector<ValueId> defined_order_;
  std::vector<uint8_t> loop_seen_, inst_seen_;
  std::vector<const Inst*> open_;
  absl::flat_hash_set<DimExpr> checked_;  // mention only what is in scope
  int vector_lanes_ = 0;                  // of the vector loop around; 0 outside
};

absl::Status Verifier::CheckBuffers() {
  bool scratch_seen = false;
  for (size_t i = 0; i < nest_.buffers.size(); ++i) {
    const Buffer& buffer = nest_.buffers[i];
    const std::string where = absl::StrCat("buffer b", i);
    absl::Status status = CheckExpr(buffer.size, "size", /*arguments_only=*/true);
    const bool scratch = buffer.kind == BufferKind::kScratch;
    if (scratch_seen && !scratch) status = InvalidArgument("comes after a scratch buffer");
    scratch_seen |= scratch;
    if (buffer.in_place_with != -1) {
      const int input = buffer.in_place_with;
      if (buffer.kind != BufferKind::kOutput || input < 0 ||
          input >= static_cast<int>(nest_.buffers.size()) ||
          nest_.buffers[input].kind != BufferKind::kInput) {
        status = InvalidArgument("in_place_with ", input, " does not pair an output with an input");
      }
    }
    if (!status.ok()) return Annotate(status, where);
  }
  return absl::OkStatus();
}

absl::Status Verifier::CheckBlock(BlockId id, bool parallel_allowed) {
  const Block& block = nest_.block(id);
  const size_t scope_start = defined_order_.size();
  for (ValueId argument : block.arguments) SKEIN_RETURN_IF_ERROR(Define(argument));
  for (InstId inst_id : block.insts) {
    if (!inst_id.valid() || inst_id.index >= nest_.inst_count()) {
      return InvalidArgument("instruction ", inst_id.index, " does not exist");
    }
    if (inst_seen_[inst_id.index]) {
      return InvalidArgument("instruction ", inst_id.index, " stands in two places");
    }
    inst_seen_[inst_id.index] = true;
    const Inst& inst = nest_.inst(inst_id);
    if (IsOrdinary(inst)) continue;
    const bool parallel = parallel_allowed && block.insts.size() == 1;
    const absl::Status status =
        inst.op == Opcode::kLoop ? CheckLoop(inst, parallel) : CheckPlain(inst);
    if (!status.ok()) {
      std::string where = absl::StrCat("instruction ", inst_id.index, " (");
      if (!inst.results.empty()) absl::StrAppend(&where, "%", inst.results[0].index, " = ");
      return Annotate(status, absl::StrCat(where, std::string(Name(inst.op)), ")"));
    }
  }
  for (ValueId yield : block.yields) SKEIN_RETURN_IF_ERROR(CheckUse(yield));
  for (size_t i = scope_start; i < defined_order_.size(); ++i) {
    in_scope_[defined_order_[i].index] = false;
  }
  defined_order_.resize(scope_start);
  checked_.clear();
  return absl::OkStatus();
}

absl::Status Verifier::CheckLoopHeader(const Inst& loop, bool parallel_allowed) {
  if (loop.loop < 0 || loop.loop >= nest_.loop_count) {
    return InvalidArgument("loop number ", loop.loop, " of ", nest_.loop_count);
  }
  if (loop_seen_[loop.loop]) return InvalidArgument("loop number ", loop.loop, " is used twice");
  loop_seen_[loop.loop] = true;
  if (loop.step < 1) return InvalidArgument("step ", loop.step);
  SKEIN_RETURN_IF_ERROR(CheckExpr(loop.extent, "extent", loop.loop_kind == LoopKind::kParallel));
  switch (loop.loop_kind) {
    case LoopKind::kSerial:
      break;
    case LoopKind::kParallel:
      if (!parallel_allowed) {
        return InvalidArgument("a parallel loop that is not perfectly nested at the top");
      }
      if (!loop.operands.empty()) return InvalidArgument("a parallel loop that carries values");
      break;
    case LoopKind::kVector:
      if (vector_lanes_ != 0) return InvalidArgument("a vector loop inside a vector loop");
      if (loop.lanes < 1 || loop.lanes > kMaxLanes) return InvalidArgument(loop.lanes, " lanes");
      if (loop.step != loop.lanes) {
        return InvalidArgument("a vector loop of ", loop.lanes, " lanes with step ", loop.step);
      }
      break;
    case LoopKind::kUnrolled:
      if (!loop.extent.IsConst() || loop.extent.constant() / loop.step > kMaxUnrolledTrips) {
        return InvalidArgument("an unrolled loop needs a small constant extent, not `",
                               loop.extent.ToString(), "`");
      }
      break;
  }
  return absl::OkStatus();
}

absl::Status Verifier::CheckCarried(const Inst& loop) {
  const Block& body = nest_.block(loop.body);
  const size_t count = loop.operands.size();
  if (body.arguments.size() != count || body.yields.size() != count ||
      loop.results.size() != count) {
    return InvalidArgument("carries ", count, " values in, ", body.arguments.size(), " inside, ",
                           body.yields.size(), " yielded, ", loop.results.size(), " out");
  }
  for (size_t i = 0; i < count; ++i) {
    const VectorType type = Operand(loop, i);
    if (IsStorageFloat(type.element)) {
      return InvalidArgument("carries a value of type ", TypeName(type));
    }
    for (ValueId other : {body.arguments[i], body.yields[i], loop.results[i]}) {
      if (!other.valid() || other.index >= nest_.value_count()) {
        return InvalidArgument("%", other.index, " does not exist");
      }
      if (nest_.type(other) == type) continue;
      return ExpectType(absl::StrCat("carried value ", i), nest_.type(other), type);
    }
  }
  return absl::OkStatus();
}

absl::Status Verifier::CheckLoop(const Inst& loop, bool parallel_allowed) {
  for (ValueId init : loop.operands) SKEIN_RETURN_IF_ERROR(CheckUse(init));
  SKEIN_RETURN_IF_ERROR(CheckLoopHeader(loop, parallel_allowed));
  if (!IsBlock(loop.body)) return InvalidArgument("has no body");
  SKEIN_RETURN_IF_ERROR(CheckCarried(loop));
  const int outer_lanes = vector_lanes_;
  if (loop.loop_kind == LoopKind::kVector) vector_lanes_ = loop.lanes;
  open_.push_back(&loop);
  SKEIN_RETURN_IF_ERROR(
      CheckBlock(loop.body, parallel_allowed && loop.loop_kind == LoopKind::kParallel));
  open_.pop_back();
  vector_lanes_ = outer_lanes;
  for (ValueId result : loop.results) SKEIN_RETURN_IF_ERROR(Define(result));
  return absl::OkStatus();
}

// Most instructions are splats, or compute elementwise on operands of one type, and are right. This
// asks of them all that CheckPlain would, defines the result if the answer is yes, and else leaves
// it to CheckPlain to say what is wrong.
bool Verifier::IsOrdinary(const Inst& inst) {
  const bool splat = inst.op == Opcode::kSplat;
  if (!splat && (inst.op < Opcode::kAdd || inst.op > Opcode::kSar ||
                 !AllowsElement(inst.op, inst.type.element))) {
    return false;
  }
  if (inst.masked || inst.results.size() != 1 ||
      inst.operands.size() != (splat ? 1 : OperandCount(inst.op))) {
    return false;
  }
  const VectorType wanted{inst.type.element, splat ? 1 : inst.type.lanes};
  for (ValueId operand : inst.operands) {
    if (!IsInScope(operand) || nest_.type(operand) != wanted) return false;
  }
  const ValueId result = inst.results[0];
  const int lanes = inst.type.lanes;
  if (!result.valid() || result.index >= nest_.value_count() || defined_[result.index] ||
      nest_.type(result) != inst.type || lanes < 1 || lanes > kMaxLanes ||
      (vector_lanes_ != 0 && lanes != 1 && lanes != vector_lanes_)) {
    return false;
  }
  defined_[result.index] = in_scope_[result.index] = true;
  defined_order_.push_back(result);
  return true;
}

absl::Status Verifier::CheckPlain(const Inst& inst) {
  for (ValueId operand : inst.operands) {
    SKEIN_RETURN_IF_ERROR(CheckUse(operand));
    if (IsStorageFloat(nest_.type(operand).element) && !MayTouchStorageFloats(inst.op)) {
      return InvalidArgument("computes on ", TypeName(nest_.type(operand)));
    }
  }
  if (inst.results.size() != (HasResult(inst.op) ? 1 : 0)) {
    return InvalidArgument("has ", inst.results.size(), " results");
  }
  if (inst.masked && !IsMemory(inst.op)) return InvalidArgument("has a mask");
  SKEIN_RETURN_IF_ERROR(IsMemory(inst.op) ? CheckMemory(inst) : CheckTypes(inst));
  if (!HasResult(inst.op)) return absl::OkStatus();
  if (IsStorageFloat(inst.type.element) && !MayTouchStorageFloats(inst.op)) {
    return InvalidArgument("computes ", TypeName(inst.type));
  }
  SKEIN_RETURN_IF_ERROR(Define(inst.results[0]));
  return ExpectType("the result", nest_.type(inst.results[0]), inst.type);
}

absl::Status Verifier::CheckMemory(const Inst& inst) {
  if (!inst.buffer.valid() || inst.buffer.index >= static_cast<int>(nest_.buffers.size())) {
    return InvalidArgument("buffer b", inst.buffer.index, " does not exist");
  }
  const Buffer& buffer = nest_.buffers[inst.buffer.index];
  SKEIN_RETURN_IF_ERROR(CheckExpr(inst.address, "address"));
  SKEIN_RETURN_IF_ERROR(CheckExpr(inst.stride, "stride"));
  const bool writes = inst.op == Opcode::kStore || inst.op == Opcode::kScatter;
  if (writes && buffer.kind == BufferKind::kInput) {
    return InvalidArgument("writes input b", inst.buffer.index);
  }
  if (inst.op == Opcode::kPrefetch) {
    if (inst.imm > 1) return InvalidArgument("prefetches into level ", inst.imm);
    if (inst.masked) return InvalidArgument("has a mask");
    return ExpectCount(inst, 0);
  }
  const bool indexed = inst.op == Opcode::kGather || inst.op == Opcode::kScatter;
  SKEIN_RETURN_IF_ERROR(ExpectCount(inst, size_t{writes} + indexed + inst.masked));
  const VectorType type = writes ? Operand(inst, 0) : inst.type;
  SKEIN_RETURN_IF_ERROR(ExpectType("the element", {type.element, 1}, {buffer.element, 1}));
  if (indexed) {
    SKEIN_RETURN_IF_ERROR(
        ExpectType("the index", Operand(inst, writes), {ElementType::kI64, type.lanes}));
  }
  if (inst.masked) {
    SKEIN_RETURN_IF_ERROR(ExpectType("the mask", Operand(inst, inst.operands.size() - 1),
                                     {ElementType::kBool, type.lanes}));
  }
  return absl::OkStatus();
}

absl::Status Verifier::CheckTypes(const Inst& inst) {
  switch (inst.op) {
    case Opcode::kConst:
    case Opcode::kIndex:
    case Opcode::kIota:
    case Opcode::kLaneMask:
      return CheckSource(inst);
    case Opcode::kSplat:
    case Opcode::kExtract:
    case Opcode::kShuffle:
    case Opcode::kLookup:
    case Opcode::kBitcast:
      return CheckMovement(inst);
    case Opcode::kReduce:
      return CheckReduce(inst);
    default:
      return CheckArithmetic(inst);
  }
}

absl::Status Verifier::CheckSource(const Inst& inst) {
  SKEIN_RETURN_IF_ERROR(ExpectCount(inst, 0));
  const ElementType element = inst.type.element;
  switch (inst.op) {
    case Opcode::kConst: {
      const int width = IsBool(element) ? 1 : BitWidth(element);
      if (width < 64 && inst.imm >> width != 0) {
        return InvalidArgument("bits ", inst.imm, " do not fit ", std::string(Name(element)));
      }
      return absl::OkStatus();
    }
    case Opcode::kIndex:
      SKEIN_RETURN_IF_ERROR(CheckExpr(inst.expr, "index"));
      return ExpectType("the result", inst.type, {ElementType::kI64, 1});
    case Opcode::kIota:
      if (IsInteger(element)) return absl::OkStatus();
      return InvalidArgument("needs an integer type, not ", TypeName(inst.type));
    default:
      SKEIN_RETURN_IF_ERROR(CheckExpr(inst.expr, "lane count"));
      return ExpectType("the result", inst.type, {ElementType::kBool, inst.type.lanes});
  }
}

absl::Status Verifier::CheckMovement(const Inst& inst) {
  const size_t operands = inst.op == Opcode::kShuffle && inst.operands.size() == 2 ? 2 : 1;
  SKEIN_RETURN_IF_ERROR(ExpectCount(inst, operands));
  const VectorType from = Operand(inst, 0);
  const ElementType element = from.element;
  switch (inst.op) {
    case Opcode::kSplat:
      if (from.lanes != 1) return InvalidArgument("of ", TypeName(from));
      return ExpectType("the result", inst.type, {element, inst.type.lanes});
    case Opcode::kExtract:
      if (inst.lane < 0 || inst.lane >= from.lanes) {
        return InvalidArgument("lane ", inst.lane, " of ", TypeName(from));
      }
      return ExpectType("the result", inst.type, {element, 1});
    case Opcode::kShuffle: {
      if (vector_lanes_ != 0) return InvalidArgument("not allowed in a vector loop");
      SKEIN_RETURN_IF_ERROR(ExpectOperands(inst, 1, from));
      const int lanes = from.lanes * static_cast<int>(operands);
      for (int index : inst.shuffle) {
        if (index < 0 || index >= lanes) return InvalidArgument("index ", index, " of ", lanes);
      }
      return ExpectType("the result", inst.type, {element, static_cast<int>(inst.shuffle.size())});
    }
    case Opcode::kLookup:
      if (inst.shuffle.size() != 16) return InvalidArgument("table of ", inst.shuffle.size());
      SKEIN_RETURN_IF_ERROR(ExpectType("the index", from, {ElementType::kI32, from.lanes}));
      return ExpectType("the result", inst.type, {ElementType::kF32, from.lanes});
    default:
      if (IsBool(element) || IsBool(inst.type.element) ||
          BitWidth(element) != BitWidth(inst.type.element)) {
        return InvalidArgument("of ", TypeName(from), " to ", TypeName(inst.type));
      }
      return ExpectType("the result", inst.type, {inst.type.element, from.lanes});
  }
}

absl::Status Verifier::CheckArithmetic(const Inst& inst) {
  SKEIN_RETURN_IF_ERROR(ExpectCount(inst, OperandCount(inst.op)));
  const size_t first = inst.op == Opcode::kSelect ? 1 : 0;
  const VectorType type = Operand(inst, first);
  if (!AllowsElement(inst.op, type.element)) return InvalidArgument("of ", TypeName(type));
  SKEIN_RETURN_IF_ERROR(ExpectOperands(inst, first, type));
  switch (inst.op) {
    case Opcode::kClampIndex:
      SKEIN_RETURN_IF_ERROR(CheckExpr(inst.expr, "limit"));
      break;
    case Opcode::kSelect:
      SKEIN_RETURN_IF_ERROR(
          ExpectType("the condition", Operand(inst, 0), {ElementType::kBool, type.lanes}));
      break;
    case Opcode::kLess:
    case Opcode::kLessEqual:
    case Opcode::kEqual:
    case Opcode::kNotEqual:
      return ExpectType("the result", inst.type, {ElementType::kBool, type.lanes});
    case Opcode::kConvert:
      if (inst.type.element == type.element) return InvalidArgument("to its own type");
      return ExpectType("the result", inst.type, {inst.type.element, type.lanes});
    default:
      break;
  }
  return ExpectType("the result", inst.type, type);
}

absl::Status Verifier::CheckReduce(const Inst& inst) {
  SKEIN_RETURN_IF_ERROR(ExpectCount(inst, 1));
  if (vector_lanes_ != 0) return InvalidArgument("not allowed in a vector loop");
  const VectorType type = Operand(inst, 0);
  if ((type.lanes & (type.lanes - 1)) != 0) return InvalidArgument("of ", TypeName(type));
  switch (inst.reduce_op) {
    case Opcode::kAdd:
    case Opcode::kMul:
    case Opcode::kMin:
    case Opcode::kMax:
    case Opcode::kMinX86:
    case Opcode::kMaxX86:
    case Opcode::kAnd:
    case Opcode::kOr:
      break;
    default:
      return InvalidArgument("by ", std::string(Name(inst.reduce_op)));
  }
  if (!AllowsElement(inst.reduce_op, type.element)) {
    return InvalidArgument("by ", std::string(Name(inst.reduce_op)), " of ", TypeName(type));
  }
  return ExpectType("the result", inst.type, {type.element, 1});
}

}  // namespace

absl::Status Verify(const LoopNest& nest) { return Verifier(nest).Run(); }

}  // namespace skein
