// Reads the text form of a LoopNest, one instruction a line. `#` starts a comment.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ir/loop_nest.h"
#include "ir/numeric.h"

namespace skein {
namespace {

constexpr int kMaxDepth = 64;  // of loops: everything that reads a nest recurses

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The unread rest of one line.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  std::string_view rest() const { return text_; }

  // Consumes `token` and the blanks after it, if the line goes on with it.
  bool Take(std::string_view token) {
    if (text_.substr(0, token.size()) != token) return false;
    Advance(token.size());
    return true;
  }

  std::string_view TakeWord() {
    size_t size = 0;
    while (size < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[size])) != 0 ||
                                   text_[size] == '_' || text_[size] == '-')) {
      ++size;
    }
    return Advance(size);
  }

  // Up to the first place where one of `ends` starts; the whole rest if none does.
  std::string_view TakeUntil(std::initializer_list<std::string_view> ends) {
    size_t size = text_.size();
    for (std::string_view end : ends) size = std::min(size, text_.find(end));
    return Trim(Advance(size));
  }

 private:
  std::string_view Advance(size_t size) {
    const std::string_view taken = text_.substr(0, size);
    text_ = Trim(text_.substr(size));
    return taken;
  }
  std::string_view text_;
};

template <typename T>
std::optional<T> ParseNumber(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename T>
absl::StatusOr<T> ParseNumberOr(std::string_view text, std::string_view what) {
  const std::optional<T> value = ParseNumber<T>(text);
  if (value.has_value()) return *value;
  return InvalidArgument("`", std::string(text), "` is not ", std::string(what));
}

absl::Status Expected(std::string_view what, const Cursor& at) {
  return InvalidArgument("expected ", std::string(what), " at `", std::string(at.rest()), "`");
}

std::optional<Opcode> ParseOpcode(std::string_view name) {
  for (int i = 0; i < kOpcodeCount; ++i) {
    if (Name(static_cast<Opcode>(i)) == name) return static_cast<Opcode>(i);
  }
  return std::nullopt;
}

std::optional<LoopKind> ParseLoopKind(std::string_view name) {
  if (name == "serial") return LoopKind::kSerial;
  if (name == "parallel") return LoopKind::kParallel;
  if (name == "vector") return LoopKind::kVector;
  if (name == "unrolled") return LoopKind::kUnrolled;
  return std::nullopt;
}

bool HasNoResult(Opcode op) {
  return op == Opcode::kStore || op == Opcode::kScatter || op == Opcode::kPrefetch;
}

class Parser {
 public:
  absl::StatusOr<LoopNest> Parse(std::string_view text) {
    nest_.root = nest_.NewBlock();
    int line_number = 0;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_number;
      line = Trim(line.substr(0, line.find('#')));
      if (line.empty()) continue;
      const absl::Status status = ParseLine(line);
      if (!status.ok()) return Annotate(status, absl::StrCat("line ", line_number));
    }
    if (state_ != State::kDone) return InvalidArgument("the text ends inside a nest");
    return std::move(nest_);
  }

 private:
  enum class State { kStart, kBuffers, kBody, kDone };

  absl::Status ParseLine(std::string_view line) {
    Cursor cursor(line);
    switch (state_) {
      case State::kStart:
        return ParseHeader(cursor);
      case State::kDone:
        return InvalidArgument("text after the end of the nest");
      case State::kBuffers: {
        const std::string_view word = Cursor(line).TakeWord();
        if (word == "in" || word == "out" || word == "scratch") return ParseBuffer(cursor);
        state_ = State::kBody;
        break;
      }
      case State::kBody:
        break;
    }
    if (line == "}") return Close();
    if (yielded_) return InvalidArgument("text after yield");
    return ParseInstruction(cursor);
  }

  BlockId block() const { return open_.empty() ? nest_.root : open_.back(); }

  absl::Status Close() {
    yielded_ = false;
    if (open_.empty()) {
      state_ = State::kDone;
      return absl::OkStatus();
    }
    const size_t carried = nest_.block(block()).arguments.size();
    if (nest_.block(block()).yields.size() != carried) {
      return InvalidArgument("a loop that carries ", carried, " values yields ",
                             nest_.block(block()).yields.size());
    }
    open_.pop_back();
    return absl::OkStatus();
  }

  absl::Status ParseHeader(Cursor& cursor) {
    if (!cursor.Take("nest") || !cursor.Take("(")) return Expected("nest(", cursor);
    while (!cursor.Take(")")) {
      if (nest_.argument_count > 0 && !cursor.Take(",")) return Expected("`,` or `)`", cursor);
      if (ArgumentNumber(cursor.TakeWord()) != nest_.argument_count) {
        return InvalidArgument("arguments must be a0, a1, ... in order");
      }
      ++nest_.argument_count;
    }
    if (!cursor.Take("{") || !cursor.done()) return Expected("{", cursor);
    state_ = State::kBuffers;
    return absl::OkStatus();
  }

  absl::StatusOr<BufferId> ParseBufferId(Cursor& cursor, int limit) {
    const std::string_view word = cursor.TakeWord();
    std::optional<int> number;
    if (!word.empty() && word[0] == 'b') number = ParseNumber<int>(word.substr(1));
    if (!number.has_value() || *number < 0 || *number >= limit) {
      return InvalidArgument("`", std::string(word), "` is not a buffer");
    }
    return BufferId(*number);
  }

  absl::Status ParseBuffer(Cursor& cursor) {
    Buffer buffer;
    const std::string_view kind = cursor.TakeWord();
    buffer.kind = kind == "in"    ? BufferKind::kInput
                  : kind == "out" ? BufferKind::kOutput
                                  : BufferKind::kScratch;
    SKEIN_ASSIGN_OR_RETURN(const VectorType type, ParseType(cursor));
    buffer.element = type.element;
    const int count = static_cast<int>(nest_.buffers.size());
    SKEIN_ASSIGN_OR_RETURN(const BufferId id, ParseBufferId(cursor, count + 1));
    if (id.index != count || type.lanes != 1) return Expected("buffers in order", cursor);
    if (!cursor.Take("[")) return Expected("[", cursor);
    SKEIN_ASSIGN_OR_RETURN(buffer.size, ParseExpr(cursor.TakeUntil({"]"})));
    if (!cursor.Take("]")) return Expected("]", cursor);
    if (cursor.Take("in_place")) {
      SKEIN_ASSIGN_OR_RETURN(const BufferId input, ParseBufferId(cursor, count));
      buffer.in_place_with = input.index;
    }
    if (!cursor.done()) return Expected("the end of the line", cursor);
    nest_.buffers.push_back(buffer);
    return absl::OkStatus();
  }

  absl::StatusOr<VectorType> ParseType(Cursor& cursor) {
    const std::string_view word = cursor.TakeWord();
    const size_t x = word.find('x');
    const std::optional<ElementType> element = ParseElementType(word.substr(0, x));
    std::optional<int> lanes = 1;
    if (x != std::string_view::npos) lanes = ParseNumber<int>(word.substr(x + 1));
    if (!element.has_value() || !lanes.has_value() || *lanes < 1 || *lanes > 64) {
      return InvalidArgument("`", std::string(word), "` is not a type");
    }
    return VectorType{*element, *lanes};
  }

  // Values and loops keep the order of the text, but may bear any numbers there.
  absl::StatusOr<DimExpr> ParseExpr(std::string_view text) {
    absl::Status missing;
    const auto extent_of = [&](int number) -> DimExpr {
      const auto found = loops_.find(number);
      if (found != loops_.end()) return found->second.extent();
      missing = InvalidArgument("$", number, " is not a loop");
      return DimExpr(1);
    };
    SKEIN_ASSIGN_OR_RETURN(const DimExpr e, ParseDimExpr(text, extent_of));
    VisitLeaves(e, [&](DimExpr leaf) {
      if (leaf.kind() == DimKind::kValue && !values_.contains(leaf.index())) {
        missing = InvalidArgument("%", leaf.index(), " is not defined");
      }
    });
    if (!missing.ok()) return missing;
    return Substitute(e, [this](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() == DimKind::kCoord) {
        const auto found = loops_.find(leaf.index());
        if (found != loops_.end()) return found->second;
      } else if (leaf.kind() == DimKind::kValue) {
        const auto found = values_.find(leaf.index());
        if (found != values_.end()) return DimExpr::Value(found->second.index);
      }
      return std::nullopt;
    });
  }

  absl::StatusOr<int> ParseValueNumber(Cursor& cursor) {
    if (!cursor.Take("%")) return Expected("a value", cursor);
    const std::string_view word = cursor.TakeWord();
    const std::optional<int> number = ParseNumber<int>(word);
    if (number.has_value() && *number >= 0) return *number;
    return InvalidArgument("`%", std::string(word), "` is not a value");
  }

  absl::StatusOr<ValueId> ParseUse(Cursor& cursor) {
    SKEIN_ASSIGN_OR_RETURN(const int number, ParseValueNumber(cursor));
    const auto found = values_.find(number);
    if (found == values_.end()) return InvalidArgument("%", number, " is not defined");
    return found->second;
  }

  template <typename Values>
  absl::Status ParseUses(Cursor& cursor, Values* values) {
    do {
      SKEIN_ASSIGN_OR_RETURN(const ValueId value, ParseUse(cursor));
      values->push_back(value);
    } while (cursor.Take(","));
    return absl::OkStatus();
  }

  absl::Status Define(int number, VectorType type, ValueId* id) {
    *id = nest_.NewValue(type);
    if (values_.emplace(number, *id).second) return absl::OkStatus();
    return InvalidArgument("%", number, " is defined twice");
  }

  absl::Status ParseInstruction(Cursor& cursor);
  absl::Status ParseLoop(Cursor& cursor, LoopKind kind, const std::vector<int>& results);
  absl::Status ParseCarried(Cursor& cursor, Inst* loop, std::vector<int>* numbers);
  absl::Status ParseBody(Cursor& cursor, Inst* inst);
  absl::Status ParseConst(Cursor& cursor, Inst* inst);
  absl::Status ParseShuffle(Cursor& cursor, Inst* inst);
  absl::Status ParseMemory(Cursor& cursor, Inst* inst);

  LoopNest nest_;
  State state_ = State::kStart;
  std::vector<BlockId> open_;                 // bodies of the loops around
  bool yielded_ = false;                      // in the innermost open block
  absl::flat_hash_map<int, ValueId> values_;  // by number in the text
  absl::flat_hash_map<int, DimExpr> loops_;   // by number in the text
};

absl::Status Parser::ParseInstruction(Cursor& cursor) {
  std::vector<int> results;
  if (cursor.rest().starts_with('%')) {
    do {
      SKEIN_ASSIGN_OR_RETURN(const int number, ParseValueNumber(cursor));
      results.push_back(number);
    } while (cursor.Take(","));
    if (!cursor.Take("=")) return Expected("=", cursor);
  }
  const std::string_view word = cursor.TakeWord();
  if (word == "yield") {
    yielded_ = true;
    if (!results.empty()) return InvalidArgument("yield has no results");
    SKEIN_RETURN_IF_ERROR(ParseUses(cursor, &nest_.block(block()).yields));
    return cursor.done() ? absl::OkStatus() : Expected("the end of the line", cursor);
  }
  if (const std::optional<LoopKind> kind = ParseLoopKind(word)) {
    return ParseLoop(cursor, *kind, results);
  }
  const std::optional<Opcode> op = ParseOpcode(word);
  if (!op.has_value() || *op == Opcode::kLoop) {
    return InvalidArgument("`", std::string(word), "` is not an instruction");
  }
  Inst inst;
  inst.op = *op;
  if (results.size() != (HasNoResult(*op) ? 0 : 1)) {
    return InvalidArgument(std::string(word), " with ", results.size(), " results");
  }
  if (!results.empty()) {
    SKEIN_ASSIGN_OR_RETURN(inst.type, ParseType(cursor));
  }
  SKEIN_RETURN_IF_ERROR(ParseBody(cursor, &inst));
  if (!cursor.done()) return Expected("the end of the line", cursor);
  if (!results.empty()) {
    inst.results.emplace_back();
    SKEIN_RETURN_IF_ERROR(Define(results[0], inst.type, &inst.results[0]));
  } else if (!inst.operands.empty()) {
    inst.type = nest_.type(inst.operands[0]);
  }
  nest_.block(block()).insts.push_back(nest_.NewInst(std::move(inst)));
  return absl::OkStatus();
}

// kind $0 < extent [lanes n] [step n] [carry (%1: f32 = %0, ...)] {
absl::Status Parser::ParseLoop(Cursor& cursor, LoopKind kind, const std::vector<int>& results) {
  if (static_cast<int>(open_.size()) >= kMaxDepth) return InvalidArgument("loops are too deep");
  if (!cursor.Take("$")) return Expected("$", cursor);
  SKEIN_ASSIGN_OR_RETURN(const int number, ParseNumberOr<int>(cursor.TakeWord(), "a loop number"));
  if (!cursor.Take("<")) return Expected("<", cursor);
  Inst loop;
  loop.op = Opcode::kLoop;
  loop.loop_kind = kind;
  SKEIN_ASSIGN_OR_RETURN(loop.extent,
                         ParseExpr(cursor.TakeUntil({" lanes ", " step ", " carry ", "{"})));
  if (cursor.Take("lanes")) {
    SKEIN_ASSIGN_OR_RETURN(loop.lanes, ParseNumberOr<int>(cursor.TakeWord(), "a lane count"));
    loop.step = loop.lanes;
  }
  if (cursor.Take("step")) {
    SKEIN_ASSIGN_OR_RETURN(loop.step, ParseNumberOr<int64_t>(cursor.TakeWord(), "a step"));
  }
  std::vector<int> arguments;
  SKEIN_RETURN_IF_ERROR(ParseCarried(cursor, &loop, &arguments));
  if (!cursor.Take("{") || !cursor.done()) return Expected("{", cursor);
  if (results.size() != arguments.size()) {
    return InvalidArgument("a loop that carries ", arguments.size(), " values has ", results.size(),
                           " results");
  }
  loop.loop = nest_.loop_count++;
  if (!loops_.emplace(number, DimExpr::Coord(loop.loop, loop.extent)).second) {
    return InvalidArgument("$", number, " is used twice");
  }
  loop.body = nest_.NewBlock();
  for (size_t i = 0; i < results.size(); ++i) {
    loop.results.emplace_back();
    SKEIN_RETURN_IF_ERROR(Define(results[i], nest_.type(loop.operands[i]), &loop.results.back()));
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    ValueId argument;
    SKEIN_RETURN_IF_ERROR(Define(arguments[i], nest_.type(loop.operands[i]), &argument));
    nest_.block(loop.body).arguments.push_back(argument);
  }
  const BlockId body = loop.body;
  nest_.block(block()).insts.push_back(nest_.NewInst(std::move(loop)));
  open_.push_back(body);
  return absl::OkStatus();
}

absl::Status Parser::ParseCarried(Cursor& cursor, Inst* loop, std::vector<int>* numbers) {
  if (!cursor.Take("carry")) return absl::OkStatus();
  if (!cursor.Take("(")) return Expected("(", cursor);
  do {
    SKEIN_ASSIGN_OR_RETURN(const int number, ParseValueNumber(cursor));
    if (!cursor.Take(":")) return Expected(":", cursor);
    SKEIN_ASSIGN_OR_RETURN(const VectorType type, ParseType(cursor));
    if (!cursor.Take("=")) return Expected("=", cursor);
    SKEIN_ASSIGN_OR_RETURN(const ValueId init, ParseUse(cursor));
    if (nest_.type(init) != type) return InvalidArgument("%", number, " has its init's type");
    numbers->push_back(number);
    loop->operands.push_back(init);
  } while (cursor.Take(","));
  return cursor.Take(")") ? absl::OkStatus() : Expected(")", cursor);
}

absl::Status Parser::ParseBody(Cursor& cursor, Inst* inst) {
  switch (inst->op) {
    case Opcode::kConst:
      return ParseConst(cursor, inst);
    case Opcode::kIota:
      return absl::OkStatus();
    case Opcode::kIndex:
    case Opcode::kLaneMask: {
      SKEIN_ASSIGN_OR_RETURN(inst->expr, ParseExpr(cursor.TakeUntil({})));
      return absl::OkStatus();
    }
    case Opcode::kExtract: {
      SKEIN_RETURN_IF_ERROR(ParseUses(cursor, &inst->operands));
      if (!cursor.Take("[")) return Expected("[", cursor);
      SKEIN_ASSIGN_OR_RETURN(inst->lane, ParseNumberOr<int>(cursor.TakeWord(), "a lane"));
      return cursor.Take("]") ? absl::OkStatus() : Expected("]", cursor);
    }
    case Opcode::kShuffle:
    case Opcode::kLookup:
      return ParseShuffle(cursor, inst);
    case Opcode::kLoad:
    case Opcode::kGather:
    case Opcode::kStore:
    case Opcode::kScatter:
    case Opcode::kPrefetch:
      return ParseMemory(cursor, inst);
    case Opcode::kClampIndex: {
      SKEIN_RETURN_IF_ERROR(ParseUses(cursor, &inst->operands));
      if (!cursor.Take("site")) return Expected("site", cursor);
      SKEIN_ASSIGN_OR_RETURN(inst->imm, ParseNumberOr<uint64_t>(cursor.TakeWord(), "a site"));
      if (!cursor.Take("below")) return Expected("below", cursor);
      SKEIN_ASSIGN_OR_RETURN(inst->expr, ParseExpr(cursor.TakeUntil({})));
      return absl::OkStatus();
    }
    case Opcode::kReduce: {
      const std::string_view word = cursor.TakeWord();
      const std::optional<Opcode> op = ParseOpcode(word);
      if (!op.has_value()) return InvalidArgument("`", std::string(word), "` is not an operation");
      inst->reduce_op = *op;
      return ParseUses(cursor, &inst->operands);
    }
    default:
      return ParseUses(cursor, &inst->operands);
  }
}

absl::Status Parser::ParseConst(Cursor& cursor, Inst* inst) {
  const std::string_view word = cursor.TakeWord();
  const ElementType t = inst->type.element;
  std::optional<uint64_t> bits;
  if (word.starts_with("0x")) {
    bits = ParseNumber<uint64_t>(word.substr(2), 16);
  } else if (!IsFloat(t)) {
    bits = ParseNumber<uint64_t>(word);
    const std::optional<int64_t> value = ParseNumber<int64_t>(word);
    if (value.has_value()) bits = BitsFromInt64(t, *value);
  }
  if (!bits.has_value()) {
    return InvalidArgument("`", std::string(word), "` is not a constant of type ",
                           std::string(Name(t)));
  }
  inst->imm = *bits;
  return absl::OkStatus();
}

absl::Status Parser::ParseShuffle(Cursor& cursor, Inst* inst) {
  SKEIN_RETURN_IF_ERROR(ParseUses(cursor, &inst->operands));
  if (!cursor.Take("[")) return Expected("[", cursor);
  while (!cursor.Take("]")) {
    SKEIN_ASSIGN_OR_RETURN(const int index, ParseNumberOr<int>(cursor.TakeWord(), "a lane"));
    inst->shuffle.push_back(index);
  }
  return absl::OkStatus();
}

// b0[address; stride][, %value][ at %index][ level n][ mask %mask][ streaming]
absl::Status Parser::ParseMemory(Cursor& cursor, Inst* inst) {
  SKEIN_ASSIGN_OR_RETURN(inst->buffer,
                         ParseBufferId(cursor, static_cast<int>(nest_.buffers.size())));
  if (!cursor.Take("[")) return Expected("[", cursor);
  SKEIN_ASSIGN_OR_RETURN(inst->address, ParseExpr(cursor.TakeUntil({";", "]"})));
  if (cursor.Take(";")) {
    SKEIN_ASSIGN_OR_RETURN(inst->stride, ParseExpr(cursor.TakeUntil({"]"})));
  }
  if (!cursor.Take("]")) return Expected("]", cursor);
  const auto take_operand = [&]() -> absl::Status {
    SKEIN_ASSIGN_OR_RETURN(const ValueId value, ParseUse(cursor));
    inst->operands.push_back(value);
    return absl::OkStatus();
  };
  if (inst->op == Opcode::kStore || inst->op == Opcode::kScatter) {
    if (!cursor.Take(",")) return Expected(",", cursor);
    SKEIN_RETURN_IF_ERROR(take_operand());
  }
  if (inst->op == Opcode::kGather || inst->op == Opcode::kScatter) {
    if (!cursor.Take("at")) return Expected("at", cursor);
    SKEIN_RETURN_IF_ERROR(take_operand());
  }
  if (inst->op == Opcode::kPrefetch) {
    if (!cursor.Take("level")) return Expected("level", cursor);
    SKEIN_ASSIGN_OR_RETURN(inst->imm, ParseNumberOr<uint64_t>(cursor.TakeWord(), "a level"));
  }
  if (cursor.Take("mask")) {
    inst->masked = true;
    SKEIN_RETURN_IF_ERROR(take_operand());
  }
  inst->streaming = cursor.Take("streaming");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LoopNest> ParseLoopNest(std::string_view text) { return Parser().Parse(text); }

}  // namespace skein
