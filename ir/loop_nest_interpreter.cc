// InterpretLoopNest: every instruction becomes a step with resolved storage; steps run in tree
// order.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "ir/dim_expr_eval.h"
#include "ir/kernel_abi.h"
#include "ir/loop_nest_lanes.h"
#include "ir/numeric.h"

namespace skein {
namespace {

constexpr int kMaxLanes = 64;
constexpr int kMaxLaneBytes = 8;

bool IsNibble(ElementType t) { return t == ElementType::kI4 || t == ElementType::kU4; }

struct BoundBuffer {
  char* data = nullptr;
  int64_t size = 0;  // elements
};

// memcpy of one element; with the sizes spelled out it is a move, not a call.
inline void CopyElement(char* to, const char* from, int size) {
  switch (size) {
    case 1:
      *to = *from;
      break;
    case 2:
      std::memcpy(to, from, 2);
      break;
    case 4:
      std::memcpy(to, from, 4);
      break;
    default:
      std::memcpy(to, from, 8);
      break;
  }
}

// Where one lane array lies.
struct Slot {
  char* data = nullptr;
  VectorType type;
  int64_t* scalar = nullptr;  // what DimExprs read, if the value is an i64 scalar

  int bytes() const { return LaneBytes(type.element) * type.lanes; }
  void PublishScalar() const {
    if (scalar != nullptr) std::memcpy(scalar, data, sizeof(*scalar));
  }
};

// One instruction, ready to run.
struct Step {
  const Inst* inst = nullptr;
  InstId id;
  Slot result;
  std::vector<Slot> operands;
  LaneFunction function = nullptr;  // elementwise operations, kConvert, and the step of a kReduce
  CompiledDimExpr expr;             // kIndex, kLaneMask, kClampIndex; the extent of a kLoop
  CompiledDimExpr address, stride;
  std::vector<Slot> arguments, yields, results;  // kLoop
};

class Interpreter {
 public:
  Interpreter(const LoopNest& nest, const KernelArgs& args, void* scratch)
      : nest_(nest), args_(args), scratch_(static_cast<char*>(scratch)) {}

  absl::Status Prepare();
  absl::Status Run(int64_t tile_begin, int64_t tile_end);

 private:
  absl::StatusOr<int64_t> OverArguments(DimExpr e) const;
  absl::Status BindBuffers();
  Slot SlotOf(ValueId id);
  absl::StatusOr<CompiledDimExpr> Compile(DimExpr e) const;
  absl::Status PrepareBlock(BlockId id);
  absl::Status PrepareStep(InstId id);

  int64_t Eval(const CompiledDimExpr& e) const { return e.Eval(symbols_, coords_, scalars_); }
  int Active(int lanes) const { return std::min(lanes, active_); }

  // These return false and set error_ on an access out of bounds.
  bool RunBlock(BlockId id);
  bool RunLoop(const Step& step);
  bool RunStep(const Step& step);
  bool RunLoad(const Step& step);
  bool RunStore(const Step& step);
  bool RunIndexed(const Step& step);
  bool OutOfBounds(const Step& step, __int128 index, int lane);

  void RunSource(const Step& step);
  void RunMovement(const Step& step);
  void RunClampIndex(const Step& step);
  void RunReduce(const Step& step);
  void CopyCarried(const std::vector<Slot>& from, const std::vector<Slot>& to, int active);

  const LoopNest& nest_;
  const KernelArgs& args_;
  char* scratch_;
  std::vector<int64_t> symbols_, coords_, scalars_;
  std::vector<BoundBuffer> buffers_;
  std::unique_ptr<uint64_t[]> storage_;
  std::vector<char*> values_;
  std::vector<Step> steps_;  // by instruction
  std::vector<const Inst*> parallel_;
  BlockId tile_body_;
  int64_t scratch_bytes_ = 0;
  std::vector<char> carried_;
  int active_ = kMaxLanes;
  absl::Status error_;
};

// --- preparation ---------------------------------------------------------------------------------

absl::StatusOr<CompiledDimExpr> Interpreter::Compile(DimExpr e) const {
  return CompiledDimExpr::Compile(e, [this](std::string_view symbol) {
    const int number = ArgumentNumber(symbol);
    return number < nest_.argument_count ? number : -1;
  });
}

absl::StatusOr<int64_t> Interpreter::OverArguments(DimExpr e) const {
  SKEIN_ASSIGN_OR_RETURN(const CompiledDimExpr compiled, Compile(e));
  return compiled.Eval(symbols_, {}, {});
}

absl::Status Interpreter::BindBuffers() {
  const ScratchLayout layout = LayOutScratch(nest_);
  SKEIN_ASSIGN_OR_RETURN(scratch_bytes_, OverArguments(layout.bytes));
  size_t argument = 0, scratch = 0;
  for (const Buffer& buffer : nest_.buffers) {
    BoundBuffer bound;
    SKEIN_ASSIGN_OR_RETURN(bound.size, OverArguments(buffer.size));
    if (buffer.kind == BufferKind::kScratch) {
      SKEIN_ASSIGN_OR_RETURN(const int64_t offset, OverArguments(layout.offsets[scratch++]));
      bound.data = scratch_ + offset;
    } else {
      bound.data = static_cast<char*>(args_.buffers[argument++]);
    }
    buffers_.push_back(bound);
  }
  return absl::OkStatus();
}

Slot Interpreter::SlotOf(ValueId id) {
  Slot slot{values_[id.index], nest_.type(id)};
  if (slot.type == VectorType{ElementType::kI64, 1}) slot.scalar = &scalars_[id.index];
  return slot;
}

absl::Status Interpreter::PrepareBlock(BlockId id) {
  for (InstId inst : nest_.block(id).insts) {
    SKEIN_RETURN_IF_ERROR(PrepareStep(inst));
    if (nest_.inst(inst).op == Opcode::kLoop) SKEIN_RETURN_IF_ERROR(PrepareBlock(nest_.inst(inst).body));
  }
  return absl::OkStatus();
}

absl::Status Interpreter::PrepareStep(InstId id) {
  const Inst& inst = nest_.inst(id);
  Step& step = steps_[id.index];
  step.inst = &inst;
  step.id = id;
  for (ValueId operand : inst.operands) step.operands.push_back(SlotOf(operand));
  if (inst.op == Opcode::kLoop) {
    SKEIN_ASSIGN_OR_RETURN(step.expr, Compile(inst.extent));
    for (ValueId v : nest_.block(inst.body).arguments) step.arguments.push_back(SlotOf(v));
    for (ValueId v : nest_.block(inst.body).yields) step.yields.push_back(SlotOf(v));
    for (ValueId v : inst.results) step.results.push_back(SlotOf(v));
    return absl::OkStatus();
  }
  if (!inst.results.empty()) step.result = SlotOf(inst.results[0]);
  SKEIN_ASSIGN_OR_RETURN(step.expr, Compile(inst.expr));
  SKEIN_ASSIGN_OR_RETURN(step.address, Compile(ElementOf(inst)));
  SKEIN_ASSIGN_OR_RETURN(step.stride, Compile(inst.stride));
  if (inst.op == Opcode::kConst || inst.op == Opcode::kIota) {
    RunSource(step);
    step.result.PublishScalar();
  }
  if (inst.op == Opcode::kConvert) {
    step.function = FindConversion(step.operands[0].type.element, inst.type.element);
  } else if (inst.op == Opcode::kReduce) {
    step.function = FindLaneFunction(inst.reduce_op, step.operands[0].type.element);
  } else if (!step.operands.empty()) {
    step.function = FindLaneFunction(inst.op, step.operands.back().type.element);
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Prepare() {
  symbols_.assign(args_.arguments, args_.arguments + nest_.argument_count);
  coords_.assign(nest_.loop_count, 0);
  scalars_.assign(nest_.value_count(), 0);
  SKEIN_RETURN_IF_ERROR(BindBuffers());

  constexpr int kSlotWords = 8;  // slots start at multiples of 64 bytes
  std::vector<int64_t> starts;
  int64_t words = 0;
  for (int i = 0; i < nest_.value_count(); ++i) {
    starts.push_back(words);
    const VectorType type = nest_.type(ValueId(i));
    words += (LaneBytes(type.element) * type.lanes + 63) / 64 * kSlotWords;
  }
  storage_ = std::make_unique<uint64_t[]>(words);
  for (int64_t start : starts) values_.push_back(reinterpret_cast<char*>(&storage_[start]));

  steps_.resize(nest_.inst_count());
  SKEIN_RETURN_IF_ERROR(PrepareBlock(nest_.root));

  tile_body_ = nest_.root;
  while (nest_.block(tile_body_).insts.size() == 1) {
    const Inst& inst = nest_.inst(nest_.block(tile_body_).insts[0]);
    if (inst.op != Opcode::kLoop || inst.loop_kind != LoopKind::kParallel) break;
    parallel_.push_back(&inst);
    tile_body_ = inst.body;
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Run(int64_t tile_begin, int64_t tile_end) {
  std::vector<int64_t> trips;
  int64_t tiles = 1;
  for (const Inst* loop : parallel_) {
    SKEIN_ASSIGN_OR_RETURN(const int64_t extent, OverArguments(loop->extent));
    trips.push_back(extent <= 0 ? 0 : (extent - 1) / loop->step + 1);
    tiles *= trips.back();
  }
  if (tile_begin < 0 || tile_end > tiles) {
    return Internal("tiles [", tile_begin, ", ", tile_end, ") of a kernel that has ", tiles);
  }
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    int64_t rest = tile;
    for (size_t i = parallel_.size(); i-- > 0;) {
      coords_[parallel_[i]->loop] = rest % trips[i] * parallel_[i]->step;
      rest /= trips[i];
    }
    // A kernel that reads what an earlier tile left behind shall not look right here.
    if (scratch_bytes_ > 0) std::memset(scratch_, 0xff, static_cast<size_t>(scratch_bytes_));
    if (!RunBlock(tile_body_)) return error_;
  }
  return absl::OkStatus();
}

// --- control -------------------------------------------------------------------------------------

bool Interpreter::RunBlock(BlockId id) {
  for (InstId inst : nest_.block(id).insts) {
    if (!RunStep(steps_[inst.index])) return false;
  }
  return true;
}

// Copies the first `active` lanes of each value (all of a scalar), all reads before all writes.
void Interpreter::CopyCarried(const std::vector<Slot>& from, const std::vector<Slot>& to,
                              int active) {
  size_t offset = 0;
  for (const Slot& slot : from) {
    if (carried_.size() < offset + slot.bytes()) carried_.resize(offset + slot.bytes());
    std::memcpy(carried_.data() + offset, slot.data, slot.bytes());
    offset += slot.bytes();
  }
  offset = 0;
  for (const Slot& slot : to) {
    const int lanes = std::min(slot.type.lanes, active);
    std::memcpy(slot.data, carried_.data() + offset, lanes * LaneBytes(slot.type.element));
    offset += slot.bytes();
    slot.PublishScalar();
  }
}

bool Interpreter::RunLoop(const Step& step) {
  const Inst& loop = *step.inst;
  const bool vector = loop.loop_kind == LoopKind::kVector;
  const int64_t extent = Eval(step.expr);
  const int outer_active = active_;
  CopyCarried(step.operands, step.arguments, kMaxLanes);
  int64_t next = 0;
  for (int64_t k = 0; k < extent; k = next) {
    if (__builtin_add_overflow(k, loop.step, &next)) next = extent;
    coords_[loop.loop] = k;
    if (vector) active_ = static_cast<int>(std::min<int64_t>(loop.lanes, extent - k));
    if (!RunBlock(loop.body)) return false;
    CopyCarried(step.yields, step.arguments, vector ? active_ : kMaxLanes);
  }
  active_ = outer_active;
  CopyCarried(step.arguments, step.results, kMaxLanes);
  return true;
}

bool Interpreter::RunStep(const Step& step) {
  switch (step.inst->op) {
    case Opcode::kLoop:
      return RunLoop(step);
    case Opcode::kLoad:
      if (!RunLoad(step)) return false;
      break;
    case Opcode::kStore:
      return RunStore(step);
    case Opcode::kScatter:
      return RunIndexed(step);
    case Opcode::kGather:
      if (!RunIndexed(step)) return false;
      break;
    case Opcode::kPrefetch:
      return true;
    case Opcode::kConst:
    case Opcode::kIota:
      return true;  // computed by PrepareStep
    case Opcode::kIndex:
    case Opcode::kLaneMask:
      RunSource(step);
      break;
    case Opcode::kSplat:
    case Opcode::kExtract:
    case Opcode::kShuffle:
    case Opcode::kLookup:
    case Opcode::kBitcast:
      RunMovement(step);
      break;
    case Opcode::kClampIndex:
      RunClampIndex(step);
      break;
    case Opcode::kReduce:
      RunReduce(step);
      break;
    default: {
      const auto operand = [&step](size_t i) -> const void* {
        return i < step.operands.size() ? step.operands[i].data : nullptr;
      };
      step.function(step.result.data, operand(0), operand(1), operand(2), step.result.type.lanes);
    }
  }
  step.result.PublishScalar();
  return true;
}

// --- memory --------------------------------------------------------------------------------------

bool Interpreter::OutOfBounds(const Step& step, __int128 index, int lane) {
  const Inst& inst = *step.inst;
  const BufferId buffer = inst.buffer;
  const __int128 limit = INT64_MAX;
  const int64_t shown = static_cast<int64_t>(std::clamp(index, -limit, limit));
  std::string result;
  if (!inst.results.empty()) result = absl::StrCat("%", inst.results[0].index, " = ");
  error_ = Internal("instruction ", step.id.index, " (", result, std::string(Name(inst.op)), " b",
                    buffer.index, "[", ElementOf(inst).ToString(), "]): lane ", lane,
                    " is at element ", shown, ", outside [0, ", buffers_[buffer.index].size, ")");
  return false;
}

const uint8_t* MaskOf(const Step& step) {
  if (!step.inst->masked) return nullptr;
  return reinterpret_cast<const uint8_t*>(step.operands.back().data);
}

// Memory element `index` to lane array element `lane`.
void LoadLane(ElementType t, const char* data, int64_t index, char* lanes, int lane) {
  if (IsNibble(t)) {
    lanes[lane] = static_cast<char>(ReadAsInt64(t, data, index));
  } else if (IsBool(t)) {
    lanes[lane] = data[index] != 0;
  } else {
    const int size = LaneBytes(t);
    CopyElement(lanes + lane * size, data + index * size, size);
  }
}

void StoreLane(ElementType t, char* data, int64_t index, const char* lanes, int lane) {
  if (IsNibble(t)) {
    WriteBits(t, data, index, static_cast<uint8_t>(lanes[lane]));
  } else {
    const int size = LaneBytes(t);
    CopyElement(data + index * size, lanes + lane * size, size);
  }
}

bool Interpreter::RunLoad(const Step& step) {
  const VectorType type = step.inst->type;
  const BoundBuffer& buffer = buffers_[step.inst->buffer.index];
  const int64_t address = Eval(step.address);
  const int64_t stride = Eval(step.stride);
  const uint8_t* mask = MaskOf(step);
  const int active = Active(type.lanes);
  const int size = LaneBytes(type.element);
  if (stride == 1 && mask == nullptr && !IsNibble(type.element) && !IsBool(type.element) &&
      address >= 0 && address <= buffer.size - active) {
    std::memcpy(step.result.data, buffer.data + address * size, active * size);
    std::memset(step.result.data + active * size, 0, (type.lanes - active) * size);
    return true;
  }
  std::memset(step.result.data, 0, type.lanes * size);
  for (int i = 0; i < active; ++i) {
    if (mask != nullptr && !mask[i]) continue;
    const __int128 index = static_cast<__int128>(stride) * i + address;
    if (index < 0 || index >= buffer.size) return OutOfBounds(step, index, i);
    LoadLane(type.element, buffer.data, static_cast<int64_t>(index), step.result.data, i);
  }
  return true;
}

bool Interpreter::RunStore(const Step& step) {
  const VectorType type = step.operands[0].type;
  const BoundBuffer& buffer = buffers_[step.inst->buffer.index];
  const char* value = step.operands[0].data;
  const int64_t address = Eval(step.address);
  const int64_t stride = Eval(step.stride);
  const uint8_t* mask = MaskOf(step);
  const int active = Active(type.lanes);
  if (stride == 1 && mask == nullptr && !IsNibble(type.element) && address >= 0 &&
      address <= buffer.size - active) {
    const int size = LaneBytes(type.element);
    std::memcpy(buffer.data + address * size, value, active * size);
    return true;
  }
  for (int i = 0; i < active; ++i) {
    if (mask != nullptr && !mask[i]) continue;
    const __int128 index = static_cast<__int128>(stride) * i + address;
    if (index < 0 || index >= buffer.size) return OutOfBounds(step, index, i);
    StoreLane(type.element, buffer.data, static_cast<int64_t>(index), value, i);
  }
  return true;
}

bool Interpreter::RunIndexed(const Step& step) {
  const bool scatter = step.inst->op == Opcode::kScatter;
  const VectorType type = scatter ? step.operands[0].type : step.inst->type;
  const BoundBuffer& buffer = buffers_[step.inst->buffer.index];
  const auto* indices = reinterpret_cast<const int64_t*>(step.operands[scatter ? 1 : 0].data);
  const int64_t address = Eval(step.address);
  const uint8_t* mask = MaskOf(step);
  const int active = Active(type.lanes);
  if (!scatter) std::memset(step.result.data, 0, step.result.bytes());
  for (int i = 0; i < active; ++i) {
    if (mask != nullptr && !mask[i]) continue;
    const __int128 index = static_cast<__int128>(address) + indices[i];
    if (index < 0 || index >= buffer.size) return OutOfBounds(step, index, i);
    if (scatter) {
      StoreLane(type.element, buffer.data, static_cast<int64_t>(index), step.operands[0].data, i);
    } else {
      LoadLane(type.element, buffer.data, static_cast<int64_t>(index), step.result.data, i);
    }
  }
  return true;
}

// --- everything that is not elementwise ----------------------------------------------------------

void Interpreter::RunSource(const Step& step) {
  const Inst& inst = *step.inst;
  char* out = step.result.data;
  const int64_t value =
      inst.op == Opcode::kIndex || inst.op == Opcode::kLaneMask ? Eval(step.expr) : 0;
  for (int i = 0; i < inst.type.lanes; ++i) {
    uint64_t bits = 0;
    switch (inst.op) {
      case Opcode::kConst:
        bits = inst.imm;
        break;
      case Opcode::kIndex:
        bits = static_cast<uint64_t>(value);
        break;
      case Opcode::kIota:
        bits = static_cast<uint64_t>(i);
        break;
      default:
        bits = i < value ? 1 : 0;
        break;
    }
    if (IsNibble(inst.type.element)) {  // in range, as lanes are held
      const ElementType t = inst.type.element;
      bits = static_cast<uint64_t>(Int64FromBits(t, bits & 15));
    }
    const int size = LaneBytes(inst.type.element);
    CopyElement(out + i * size, reinterpret_cast<const char*>(&bits), size);
  }
}

void Interpreter::RunMovement(const Step& step) {
  const Inst& inst = *step.inst;
  const Slot& a = step.operands[0];
  const int size = LaneBytes(a.type.element);
  char* out = step.result.data;
  switch (inst.op) {
    case Opcode::kSplat:
      for (int i = 0; i < inst.type.lanes; ++i) CopyElement(out + i * size, a.data, size);
      break;
    case Opcode::kExtract:
      std::memcpy(out, a.data + inst.lane * size, size);
      break;
    case Opcode::kShuffle:
      for (size_t i = 0; i < inst.shuffle.size(); ++i) {
        const int index = inst.shuffle[i];
        const Slot& from = step.operands[index < a.type.lanes ? 0 : 1];
        CopyElement(out + i * size, from.data + index % a.type.lanes * size, size);
      }
      break;
    case Opcode::kLookup:
      for (int i = 0; i < inst.type.lanes; ++i) {
        int32_t index;
        std::memcpy(&index, a.data + i * size, sizeof(index));
        std::memcpy(out + i * size, &inst.shuffle[index & 15], sizeof(index));
      }
      break;
    default:  // kBitcast
      for (int i = 0; i < inst.type.lanes; ++i) {
        if (!IsNibble(inst.type.element)) {
          CopyElement(out + i * size, a.data + i * size, size);
        } else {
          const uint64_t bits = static_cast<uint64_t>(a.data[i]) & 15;
          out[i] = static_cast<char>(Int64FromBits(inst.type.element, bits));
        }
      }
  }
}

void Interpreter::RunClampIndex(const Step& step) {
  const int64_t limit = Eval(step.expr);
  const auto* in = reinterpret_cast<const int64_t*>(step.operands[0].data);
  auto* out = reinterpret_cast<int64_t*>(step.result.data);
  const int lanes = step.result.type.lanes;
  bool outside = false;
  for (int i = 0; i < lanes; ++i) {
    const int64_t index = in[i];
    outside |= i < Active(lanes) && (index < 0 || index >= limit);
    out[i] = std::max<int64_t>(std::min(index, limit - 1), 0);
  }
  if (outside && args_.status != nullptr) {
    const uint64_t bit = uint64_t{1} << std::min<uint64_t>(step.inst->imm, 62);
    std::atomic_ref<uint64_t>(*args_.status).fetch_or(bit, std::memory_order_relaxed);
  }
}

void Interpreter::RunReduce(const Step& step) {
  const Slot& a = step.operands[0];
  const int size = LaneBytes(a.type.element);
  alignas(8) char lanes[kMaxLanes * kMaxLaneBytes];
  std::memcpy(lanes, a.data, a.bytes());
  for (int half = a.type.lanes / 2; half > 0; half /= 2) {
    step.function(lanes, lanes, lanes + half * size, nullptr, half);
  }
  std::memcpy(step.result.data, lanes, size);
}

}  // namespace

absl::Status InterpretLoopNest(const LoopNest& nest, const KernelArgs& args, int64_t tile_begin,
                               int64_t tile_end, void* scratch) {
  Interpreter interpreter(nest, args, scratch);
  SKEIN_RETURN_IF_ERROR(interpreter.Prepare());
  return interpreter.Run(tile_begin, tile_end);
}

}  // namespace skein
