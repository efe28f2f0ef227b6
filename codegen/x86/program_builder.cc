#include "codegen/x86/program_builder.h"

#include <algorithm>
#include <array>
#include <utility>

namespace skein::x86 {
namespace {

// Room to begin with.
constexpr size_t kUsualLine = 32;  // operations of one loop
constexpr size_t kUsualVariables = 512;
constexpr size_t kUsualDepth = 8;

}  // namespace

ProgramBuilder::ProgramBuilder(ConstantPool* pool, Isa isa) : pool_(pool), program_{.isa = isa}, open_(1) {
  program_.variables.reserve(kUsualVariables);
  depths_.reserve(kUsualVariables);
  open_.reserve(kUsualDepth);
  for (Variable& v : program_.parameters) v = NewVariable(RegisterClass::kGeneral);
  Emit({.action = Action::kEntry});
}

Variable ProgramBuilder::NewVariable(RegisterClass register_class) {
  if (register_class == RegisterClass::kMask && !avx512()) register_class = RegisterClass::kVector;
  program_.variables.push_back({.register_class = register_class});
  depths_.push_back(0);
  return Variable(program_.variables.size() - 1);
}

template <typename T>
uint32_t ProgramBuilder::AddSplat(T bits) {
  if (avx512()) return pool_->Add(bits);
  std::array<T, 32 / sizeof(T)> all;
  all.fill(bits);
  return pool_->Add(all);
}

Variable ProgramBuilder::Constant(VariableInfo info) {
  const bool splat = info.constant == ConstantKind::kBroadcast32 || info.constant == ConstantKind::kBroadcast64;
  for (Variable v : constants_) {
    const VariableInfo& known = program_.info(v);
    if (known.register_class == info.register_class && known.constant == info.constant && known.bits == info.bits &&
        (splat || known.data_offset == info.data_offset)) {
      return v;
    }
  }
  if (info.constant == ConstantKind::kBroadcast32) info.data_offset = AddSplat(static_cast<uint32_t>(info.bits));
  if (info.constant == ConstantKind::kBroadcast64) info.data_offset = AddSplat(info.bits);
  program_.variables.push_back(info);
  depths_.push_back(0);
  constants_.push_back(Variable(program_.variables.size() - 1));
  return constants_.back();
}

Variable ProgramBuilder::Immediate(int64_t value) {
  return Constant(
      {RegisterClass::kGeneral, ConstantKind::kImmediate, static_cast<uint64_t>(value)});
}

template <typename T>
Variable ProgramBuilder::Lanes(std::span<const T> lanes, uint64_t bits) {
  std::array<T, 64 / sizeof(T)> all{};
  std::copy(lanes.begin(), lanes.end(), all.begin());
  const auto* data = reinterpret_cast<const uint8_t*>(all.data());
  const uint32_t offset = pool_->Add(std::span(data, avx512() ? 64 : 32));
  return Constant({RegisterClass::kVector, ConstantKind::kVector, bits, offset});
}

Variable ProgramBuilder::MaskConstant(uint16_t bits) {
  if (avx512()) return Constant({RegisterClass::kMask, ConstantKind::kImmediate, bits});
  bits &= 0xff;
  if (bits == 0 || bits == 0xff) return Broadcast32(bits == 0 ? 0 : ~uint32_t{0});
  std::array<uint32_t, 8> lanes;
  for (int i = 0; i < 8; ++i) lanes[i] = (bits >> i & 1) != 0 ? ~uint32_t{0} : 0;
  return Lanes<uint32_t>(lanes, bits);
}

Variable ProgramBuilder::Broadcast32(uint32_t bits) {
  return Constant({RegisterClass::kVector, ConstantKind::kBroadcast32, bits});
}

Variable ProgramBuilder::Broadcast64(uint64_t bits) {
  if (bits >> 32 == (bits & 0xffffffff)) return Broadcast32(static_cast<uint32_t>(bits));
  return Constant({RegisterClass::kVector, ConstantKind::kBroadcast64, bits});
}

Variable ProgramBuilder::Vector32(std::span<const uint32_t> lanes) { return Lanes(lanes); }

Variable ProgramBuilder::Vector64(std::span<const uint64_t> lanes) { return Lanes(lanes); }

Variable ProgramBuilder::Emit(const Operation& operation, int depth) {
  if (depth < 0) depth = this->depth();
  Variable result;
  if (!operation.has_effect()) {
    result = NewVariable(operation.facts().result);
    depths_[result.index] = static_cast<int8_t>(depth);
  }
  Operation& emitted = open_[depth].line.emplace_back(operation);
  emitted.result = result;
  emitted.inst = inst_;
  return result;
}

Operation* ProgramBuilder::DefinitionOf(Variable v) {
  std::vector<Operation>& line = open_[DepthOf(v)].line;
  const auto found = std::find_if(line.rbegin(), line.rend(),
                                  [&](const Operation& operation) { return operation.result == v; });
  return found == line.rend() ? nullptr : &*found;
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
  loop.parent = open_.back().loop;
  for (Variable v : loop.arguments) depths_[v.index] = static_cast<int8_t>(depth() + 1);
  program_.loops.push_back(std::move(loop));
  open_.push_back({number, {}});
  open_.back().line.reserve(kUsualLine);
  open_.back().line.push_back({.action = Action::kLoopBegin, .loop = number, .inst = inst_});
  return number;
}

void ProgramBuilder::CloseLoop(std::span<const Variable> yields,
                               std::span<const Variable> results) {
  Open closed = std::move(open_.back());
  open_.pop_back();
  Loop& loop = program_.loops[closed.loop];
  loop.yields.assign(yields.begin(), yields.end());
  loop.results.assign(results.begin(), results.end());
  for (Variable v : results) depths_[v.index] = static_cast<int8_t>(depth());
  if (closed_.size() <= static_cast<size_t>(closed.loop)) closed_.resize(program_.loops.size());
  closed_[closed.loop] = std::move(closed.line);
  open_.back().line.push_back({.action = Action::kLoopEnd, .loop = closed.loop, .inst = inst_});
}

void ProgramBuilder::AppendLine(std::span<const Operation> line, std::vector<Operation>* to) const {
  for (const Operation& operation : line) {
    if (operation.action == Action::kLoopEnd) AppendLine(closed_[operation.loop], to);
    to->push_back(operation);
  }
}

// Loads that only one operation reads become its last operand: of arithmetic, or of a conversion from f16.
void ProgramBuilder::FoldLoads(std::span<Operation> line, std::span<const int32_t> reads, std::vector<uint8_t>* kept) {
  std::vector<int32_t> loaded(program_.variables.size(), -1);  // where
  int effect = -1;                                              // the last one that memory may notice
  for (size_t i = 0; i < line.size(); ++i) {
    Operation& operation = line[i];
    if (!(*kept)[i]) continue;
    if (operation.has_effect() && operation.action != Action::kPrefetch) effect = static_cast<int>(i);
    const bool from_half = operation.action == Action::kConvert &&
                           operation.immediate == static_cast<int64_t>(ElementType::kF16);
    const ElementType element = from_half ? ElementType::kF16 : operation.element;
    const int width = BitWidth(element), bits = width * operation.lanes;
    const bool whole = element == ElementType::kF16 ? operation.lanes >= 8
                                                    : width >= 32 && (bits == 128 || bits == 256 || bits == 512);
    if (!whole) continue;
    if (operation.action == Action::kLoad && !operation.masked) loaded[operation.result.index] = static_cast<int>(i);
    if (!from_half && (operation.action != Action::kVector || operation.operand_count != 2)) continue;
    auto foldable = [&](Variable v) {
      const int at = loaded[v.index];
      if (at <= effect || reads[v.index] != 1 || program_.IsConstant(v)) return false;
      return BitWidth(line[at].element) == width && line[at].lanes == operation.lanes;
    };
    Variable &first = operation.operands[0], &last = operation.operands[operation.operand_count - 1];
    if (program_.IsConstant(last)) continue;  // is read from memory or a register of its own
    if (!foldable(last) && IsCommutative(operation.opcode) && foldable(first)) std::swap(first, last);
    if (!foldable(last)) continue;
    operation.address = line[loaded[last.index]].address;
    operation.folded = true;
    --operation.operand_count;
    (*kept)[loaded[last.index]] = false;
  }
}

// Loads go behind what does not need them yet, up to the next store or loop, so that they hold registers for less time.
// Only where registers are few: what is read in the order of the nest, run by run, is fetched ahead better.
std::vector<Operation> ProgramBuilder::SinkLoads(std::span<const Operation> line,
                                                 const std::vector<uint8_t>& kept) const {
  std::vector<Operation> result;
  result.reserve(line.size());
  std::vector<size_t> waiting;
  std::vector<uint8_t> waits(program_.variables.size());
  auto load_for = [&](Variable v) {
    if (!waits[v.index]) return;
    const auto load = std::find_if(waiting.begin(), waiting.end(), [&](size_t i) { return line[i].result == v; });
    waits[v.index] = false;
    result.push_back(line[*load]);
    waiting.erase(load);
  };
  for (size_t i = 0; i < line.size(); ++i) {
    if (!kept[i]) continue;
    const Operation& operation = line[i];
    if (operation.action == Action::kLoad && !operation.masked && operation.lanes > 1) {
      waits[operation.result.index] = true;
      waiting.push_back(i);
      continue;
    }
    VisitReads(operation, load_for);
    if (operation.has_effect() && operation.action != Action::kPrefetch) {
      for (size_t load : waiting) {
        waits[line[load].result.index] = false;
        result.push_back(line[load]);
      }
      waiting.clear();
    }
    result.push_back(operation);
  }
  return result;
}

Program ProgramBuilder::Finish() {
  size_t operations = open_[0].line.size();
  for (const std::vector<Operation>& line : closed_) operations += line.size();
  std::vector<Operation> line;
  line.reserve(operations);
  AppendLine(open_[0].line, &line);
  std::vector<int32_t> reads(program_.variables.size());
  auto mark = [&](Variable v) {
    if (v.valid()) ++reads[v.index];
  };
  for (const Loop& loop : program_.loops) {
    mark(loop.limit);
    for (Variable v : loop.inits) mark(v);
    for (Variable v : loop.yields) mark(v);
  }
  std::vector<uint8_t> kept(line.size());
  for (size_t i = line.size(); i-- > 0;) {
    if (!line[i].has_effect() && reads[line[i].result.index] == 0) continue;
    VisitReads(line[i], mark);
    kept[i] = true;
  }
  FoldLoads(line, reads, &kept);
  if (avx512()) {
    size_t count = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if (kept[i]) line[count++] = line[i];
    }
    line.resize(count);
  } else {
    line = SinkLoads(line, kept);
  }
  for (size_t i = 0; i < line.size(); ++i) {
    const Operation& operation = line[i];
    if (operation.action == Action::kLoopBegin) {
      program_.loops[operation.loop].begin = static_cast<int>(i);
    } else if (operation.action == Action::kLoopEnd) {
      program_.loops[operation.loop].end = static_cast<int>(i);
    }
  }
  program_.operations = std::move(line);
  return std::move(program_);
}

}  // namespace skein::x86
