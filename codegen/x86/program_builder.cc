#include "codegen/x86/program_builder.h"

#include <algorithm>
#include <array>
#include <utility>

namespace skein::x86 {

ProgramBuilder::ProgramBuilder(ConstantPool* pool, Isa isa) : pool_(pool), program_{.isa = isa}, open_(1) {
  open_.reserve(8);  // seldom more
  for (Variable& v : program_.parameters) v = NewVariable(RegisterClass::kGeneral);
  Emit({.action = Action::kEntry});
}

template <typename T>
uint32_t ProgramBuilder::AddSplat(T bits) {
  if (avx512()) return pool_->Add(bits);
  std::array<T, 32 / sizeof(T)> all;
  all.fill(bits);
  return pool_->Add(all);
}

Variable ProgramBuilder::Constant(RegisterClass c, ConstantKind kind, uint64_t bits, uint32_t data_offset) {
  const bool splat = kind == ConstantKind::kBroadcast32 || kind == ConstantKind::kBroadcast64;
  for (auto v = constants_.rbegin(); v != constants_.rend(); ++v) {  // those used last are used again
    const VariableInfo& known = program_.info(*v);
    if (known.bits == bits && known.register_class == c && known.constant == kind &&
        (splat || known.data_offset == data_offset)) {
      return *v;
    }
  }
  if (kind == ConstantKind::kBroadcast32) data_offset = AddSplat(static_cast<uint32_t>(bits));
  if (kind == ConstantKind::kBroadcast64) data_offset = AddSplat(bits);
  return constants_.emplace_back(
      Add({.register_class = c, .constant = kind, .data_offset = data_offset, .bits = bits}));
}

Variable ProgramBuilder::Immediate(int64_t value) {
  return Constant(RegisterClass::kGeneral, ConstantKind::kImmediate, static_cast<uint64_t>(value));
}

template <typename T>
Variable ProgramBuilder::Lanes(std::span<const T> lanes, uint64_t bits) {
  std::array<T, 64 / sizeof(T)> all{};
  std::copy(lanes.begin(), lanes.end(), all.begin());
  const auto* data = reinterpret_cast<const uint8_t*>(all.data());
  const uint32_t offset = pool_->Add(std::span(data, avx512() ? 64 : 32));
  return Constant(RegisterClass::kVector, ConstantKind::kVector, bits, offset);
}

Variable ProgramBuilder::MaskConstant(uint16_t bits) {
  if (avx512()) return Constant(RegisterClass::kMask, ConstantKind::kImmediate, bits);
  bits &= 0xff;
  if (bits == 0 || bits == 0xff) return Broadcast32(bits == 0 ? 0 : ~uint32_t{0});
  std::array<uint32_t, 8> lanes;
  for (int i = 0; i < 8; ++i) lanes[i] = (bits >> i & 1) != 0 ? ~uint32_t{0} : 0;
  return Lanes<uint32_t>(lanes, bits);
}

Variable ProgramBuilder::Broadcast32(uint32_t bits) {
  return Constant(RegisterClass::kVector, ConstantKind::kBroadcast32, bits);
}

Variable ProgramBuilder::Broadcast64(uint64_t bits) {
  if (bits >> 32 == (bits & 0xffffffff)) return Broadcast32(static_cast<uint32_t>(bits));
  return Constant(RegisterClass::kVector, ConstantKind::kBroadcast64, bits);
}

Variable ProgramBuilder::Vector32(std::span<const uint32_t> lanes) { return Lanes(lanes); }

Variable ProgramBuilder::Vector64(std::span<const uint64_t> lanes) { return Lanes(lanes); }

Operation& ProgramBuilder::Append(Action action, int depth) {
  if (depth < 0) depth = this->depth();
  const int32_t number = static_cast<int32_t>(emitted_.size());
  open_[depth].line.push_back(number);
  Operation& operation = emitted_.emplace_back();
  operation.action = action;
  operation.inst = inst_;
  if (!operation.has_effect()) {
    operation.result = Add({.register_class = Held(operation.facts().result),
                            .depth = static_cast<int8_t>(depth), .operation = number});
  }
  return operation;
}

Variable ProgramBuilder::Emit(const Operation& operation, int depth, std::initializer_list<Variable> operands) {
  Operation& emitted = Append(operation.action, depth);
  const Variable result = emitted.result;
  emitted = operation;
  emitted.inst = inst_;
  for (Variable v : operands) emitted.AddOperand(v);
  return emitted.result = result;
}

bool ProgramBuilder::BroadcastAtLoad(Variable v) {
  Operation* const load = DefinitionOf(v);
  if (load == nullptr || load->action != Action::kLoad || load->lanes != 1 || load->masked ||
      BitWidth(load->element) < 32) {
    return false;
  }
  load->broadcast = true;
  return true;
}

int ProgramBuilder::OpenLoop(Loop loop) {
  const int number = static_cast<int>(program_.loops.size());
  for (Variable v : loop.arguments) program_.variables[v.index].depth = static_cast<int8_t>(depth() + 1);
  program_.loops.push_back(std::move(loop));
  open_.push_back({number, {}});
  Append(Action::kLoopBegin).loop = number;
  return number;
}

void ProgramBuilder::CloseLoop(std::span<const Variable> yields, std::span<const Variable> results) {
  Open closed = std::move(open_.back());
  open_.pop_back();
  Loop& loop = program_.loops[closed.loop];
  loop.yields.assign(yields.begin(), yields.end());
  loop.results.assign(results.begin(), results.end());
  for (Variable v : results) program_.variables[v.index].depth = static_cast<int8_t>(depth());
  if (closed_.size() <= static_cast<size_t>(closed.loop)) closed_.resize(program_.loops.size());
  closed_[closed.loop] = std::move(closed.line);
  Append(Action::kLoopEnd).loop = closed.loop;
}

void ProgramBuilder::AppendLine(const Line& line, Line* to) const {
  for (int32_t at : line) {
    if (emitted_[at].action == Action::kLoopEnd) AppendLine(closed_[emitted_[at].loop], to);
    to->push_back(at);
  }
}

// Loads that only one operation reads become its last operand: of arithmetic, or of a conversion from f16.
void ProgramBuilder::FoldLoads(Line* line, std::span<const int32_t> reads) {
  Line loaded;  // where in the line
  loaded.resize(program_.variables.size(), -1);
  int effect = -1;  // the last one that memory may notice
  for (int i = 0; i < static_cast<int>(line->size()); ++i) {
    if ((*line)[i] < 0) continue;
    Operation& operation = emitted_[(*line)[i]];
    if (operation.has_effect() && operation.action != Action::kPrefetch) effect = i;
    const bool load = operation.action == Action::kLoad && !operation.masked;
    const bool from_half = operation.action == Action::kConvert &&
                           operation.immediate == static_cast<int64_t>(ElementType::kF16);
    if (!load && !from_half && (operation.action != Action::kVector || operation.operand_count != 2)) continue;
    Variable &first = operation.operands[0], &last = operation.operands[std::max(operation.operand_count - 1, 0)];
    if (!load && std::max(loaded[first.index], loaded[last.index]) <= effect) continue;
    const ElementType element = from_half ? ElementType::kF16 : operation.element;
    const int width = BitWidth(element), bits = width * operation.lanes;
    const bool whole = element == ElementType::kF16 ? operation.lanes >= 8
                                                    : width >= 32 && (bits == 128 || bits == 256 || bits == 512);
    if (!whole) continue;
    if (load) {
      loaded[operation.result.index] = i;
      continue;
    }
    auto foldable = [&](Variable v) {
      const int at = loaded[v.index];
      if (at <= effect || reads[v.index] != 1 || program_.IsConstant(v)) return false;
      const Operation& from = emitted_[(*line)[at]];
      return BitWidth(from.element) == width && from.lanes == operation.lanes;
    };
    if (program_.IsConstant(last)) continue;  // is read from memory or a register of its own
    if (!foldable(last) && IsCommutative(operation.opcode) && foldable(first)) std::swap(first, last);
    if (!foldable(last)) continue;
    int32_t& from = (*line)[loaded[last.index]];
    operation.address = emitted_[from].address;
    operation.folded = true;
    --operation.operand_count;
    from = -1;
  }
}

// Loads go behind what does not need them yet, up to the next store or loop, so that they hold registers for less time.
// Only where registers are few: what is read in the order of the nest, run by run, is fetched ahead better.
ProgramBuilder::Line ProgramBuilder::SinkLoads(const Line& line) const {
  Line result, waiting;
  result.reserve(line.size());
  std::vector<uint8_t> waits(program_.variables.size());
  auto load_for = [&](Variable v) {
    if (!waits[v.index]) return;
    waits[v.index] = false;
    const auto load = std::find(waiting.begin(), waiting.end(), program_.info(v).operation);
    result.push_back(*load);
    waiting.erase(load);
  };
  for (int32_t at : line) {
    if (at < 0) continue;
    const Operation& operation = emitted_[at];
    if (operation.action == Action::kLoad && !operation.masked && operation.lanes > 1) {
      waits[operation.result.index] = true;
      waiting.push_back(at);
      continue;
    }
    VisitReads(operation, load_for);
    if (operation.has_effect() && operation.action != Action::kPrefetch) {
      for (int32_t load : waiting) waits[emitted_[load].result.index] = false;
      result.insert(result.end(), waiting.begin(), waiting.end());
      waiting.clear();
    }
    result.push_back(at);
  }
  return result;
}

Program ProgramBuilder::Finish() {
  Line line, reads;
  line.reserve(emitted_.size());
  AppendLine(open_[0].line, &line);
  reads.resize(program_.variables.size());
  auto mark = [&](Variable v) {
    if (v.valid()) ++reads[v.index];
  };
  for (const Loop& loop : program_.loops) {
    mark(loop.limit);
    for (Variable v : loop.inits) mark(v);
    for (Variable v : loop.yields) mark(v);
  }
  for (size_t i = line.size(); i-- > 0;) {
    const Operation& operation = emitted_[line[i]];
    if (!operation.has_effect() && reads[operation.result.index] == 0) {
      line[i] = -1;
    } else {
      VisitReads(operation, mark);
    }
  }
  FoldLoads(&line, reads);
  if (!avx512()) line = SinkLoads(line);
  program_.operations.reserve(line.size());
  for (int32_t at : line) {
    if (at < 0) continue;
    const Operation& operation = emitted_[at];
    const int position = static_cast<int>(program_.operations.size());
    if (operation.action == Action::kLoopBegin) program_.loops[operation.loop].begin = position;
    if (operation.action == Action::kLoopEnd) program_.loops[operation.loop].end = position;
    program_.operations.push_back(operation);
  }
  return std::move(program_);
}

}  // namespace skein::x86
