// The text form of a LoopNest: printing. ir/loop_nest_parse.cc reads it.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "ir/loop_nest.h"
#include "ir/loop_nest_lines.h"
#include "ir/numeric.h"

namespace skein {
namespace {

std::string_view LoopText(LoopKind kind) {
  switch (kind) {
    case LoopKind::kSerial:
      return "serial";
    case LoopKind::kParallel:
      return "parallel";
    case LoopKind::kVector:
      return "vector";
    case LoopKind::kUnrolled:
      return "unrolled";
  }
  return "";
}

using LoopNumbers = absl::flat_hash_map<int, DimExpr>;  // loop -> coordinate in the text

int NumberOf(int value, const std::vector<int>& numbers) {
  return value >= 0 && value < static_cast<int>(numbers.size()) ? numbers[value] : -1;
}

// `e` with values and loops as the text numbers them.
DimExpr Renumber(DimExpr e, const std::vector<int>& values, const LoopNumbers& loops) {
  if (!HasCoords(e)) return e;
  return Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
    if (leaf.kind() == DimKind::kCoord) {
      const auto found = loops.find(leaf.index());
      if (found != loops.end()) return found->second;
    } else if (leaf.kind() == DimKind::kValue) {
      const int number = NumberOf(leaf.index(), values);
      if (number >= 0) return DimExpr::Value(number);
    }
    return std::nullopt;
  });
}

// Numbers values and loops in the order in which the text names them.
class Printer {
 public:
  explicit Printer(const LoopNest& nest) : nest_(nest), numbers_(nest.value_count(), -1) {}

  // Asks for the place in the text where each instruction begins; -1: nowhere.
  void NotePlaces(std::vector<int64_t>* places) {
    places->assign(nest_.inst_count(), -1);
    places_ = places;
  }
  std::vector<int>& numbers() { return numbers_; }
  LoopNumbers& loops() { return loops_; }

  std::string Print() {
    out_.reserve(48 * static_cast<size_t>(nest_.inst_count()));
    absl::StrAppend(&out_, "nest(");
    for (int i = 0; i < nest_.argument_count; ++i) {
      absl::StrAppend(&out_, i == 0 ? "a" : ", a", i);
    }
    absl::StrAppend(&out_, ") {\n");
    for (size_t i = 0; i < nest_.buffers.size(); ++i) PrintBuffer(i);
    if (nest_.root.valid()) PrintBlock(nest_.root, 1);
    absl::StrAppend(&out_, "}\n");
    return std::move(out_);
  }

 private:
  // Every kernel is printed to be named, so all that lines are made of is appended in place.
  void Append(std::string_view text) { out_.append(text); }
  void AppendNumber(int64_t number) {
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
  }
  void AppendType(VectorType t) {
    Append(Name(t.element));
    if (t.lanes == 1) return;
    out_ += 'x';
    AppendNumber(t.lanes);
  }
  void AppendExpr(DimExpr e) { Renumber(e).AppendTo(&out_); }
  DimExpr Renumber(DimExpr e) const {
    return loops_are_in_order_ && !e.node()->has_values ? e : skein::Renumber(e, numbers_, loops_);
  }

  void Define(ValueId id) {
    if (NumberOf(id.index) < 0) numbers_.resize(std::max<size_t>(numbers_.size(), id.index + 1), -1);
    numbers_[id.index] = count_++;
    Use(id);
  }

  // A value that no line above defines can only stand in a nest that Verify refuses.
  void Use(ValueId id) {
    const int number = NumberOf(id.index);
    Append(number < 0 ? "%undefined" : "%");
    AppendNumber(number < 0 ? id.index : number);
  }

  int NumberOf(int value) const { return skein::NumberOf(value, numbers_); }

  void PrintBuffer(size_t i) {
    const Buffer& buffer = nest_.buffers[i];
    const char* kind = buffer.kind == BufferKind::kInput    ? "in"
                       : buffer.kind == BufferKind::kOutput ? "out"
                                                            : "scratch";
    absl::StrAppend(&out_, "  ", kind, " ", std::string(Name(buffer.element)), " b", i, "[",
                    buffer.size.ToString(), "]");
    if (buffer.in_place_with >= 0) absl::StrAppend(&out_, " in_place b", buffer.in_place_with);
    out_ += '\n';
  }

  void PrintBlock(BlockId id, int depth) {
    const Block& block = nest_.block(id);
    for (InstId inst : block.insts) {
      if (places_ != nullptr) (*places_)[inst.index] = static_cast<int64_t>(out_.size());
      out_.append(2 * depth, ' ');
      if (nest_.inst(inst).op == Opcode::kLoop) {
        PrintLoop(nest_.inst(inst), depth);
      } else {
        PrintPlain(nest_.inst(inst));
      }
      out_ += '\n';
    }
    if (block.yields.empty()) return;
    out_.append(2 * depth, ' ');
    out_ += "yield";
    PrintOperands(block.yields, 0, block.yields.size());
    out_ += '\n';
  }

  template <typename Values>
  void PrintOperands(const Values& values, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      Append(i == begin ? " " : ", ");
      Use(values[i]);
    }
  }

  void PrintLoop(const Inst& loop, int depth) {
    const DimExpr extent = Renumber(loop.extent);
    for (size_t i = 0; i < loop.results.size(); ++i) {
      if (i > 0) Append(", ");
      Define(loop.results[i]);
    }
    if (!loop.results.empty()) out_ += " = ";
    const int number = static_cast<int>(loops_.size());
    absl::StrAppend(&out_, std::string(LoopText(loop.loop_kind)), " $", number, " < ", extent.ToString());
    if (loop.loop_kind == LoopKind::kVector) {
      absl::StrAppend(&out_, " lanes ", loop.lanes);
      if (loop.step != loop.lanes) absl::StrAppend(&out_, " step ", loop.step);
    } else if (loop.step != 1) {
      absl::StrAppend(&out_, " step ", loop.step);
    }
    loops_[loop.loop] = DimExpr::Coord(number, extent);
    loops_are_in_order_ = loops_are_in_order_ && loop.loop == number && loop.extent == extent;
    const std::vector<ValueId>& arguments = nest_.block(loop.body).arguments;
    for (size_t i = 0; i < arguments.size(); ++i) {
      Append(i == 0 ? " carry (" : ", ");
      Define(arguments[i]);
      Append(": ");
      AppendType(nest_.type(arguments[i]));
      Append(" = ");
      if (i < loop.operands.size()) {
        Use(loop.operands[i]);
      } else {
        Append("nothing");
      }
    }
    if (!arguments.empty()) out_ += ')';
    out_ += " {\n";
    PrintBlock(loop.body, depth + 1);
    out_.append(2 * depth, ' ');
    out_ += '}';
  }

  void PrintPlain(const Inst& inst) {
    if (!inst.results.empty()) {
      Define(inst.results[0]);
      Append(" = ");
    }
    Append(Name(inst.op));
    if (!inst.results.empty()) {
      out_ += ' ';
      AppendType(inst.type);
    }
    PrintBody(inst);
  }

  // What follows the type.
  void PrintBody(const Inst& inst) {
    const size_t values = inst.operands.size() - (inst.masked ? 1 : 0);
    switch (inst.op) {
      case Opcode::kConst:
        PrintConst(inst);
        break;
      case Opcode::kIndex:
      case Opcode::kLaneMask:
        out_ += ' ';
        AppendExpr(inst.expr);
        break;
      case Opcode::kExtract:
        PrintOperands(inst.operands, 0, 1);
        out_ += '[';
        AppendNumber(inst.lane);
        out_ += ']';
        break;
      case Opcode::kShuffle:
      case Opcode::kLookup:
        PrintOperands(inst.operands, 0, values);
        for (size_t i = 0; i < inst.shuffle.size(); ++i) {
          Append(i == 0 ? " [" : " ");
          AppendNumber(inst.shuffle[i]);
        }
        out_ += ']';
        break;
      case Opcode::kLoad:
      case Opcode::kGather:
      case Opcode::kStore:
      case Opcode::kScatter:
      case Opcode::kPrefetch:
        PrintMemory(inst, values);
        break;
      case Opcode::kClampIndex:
        PrintOperands(inst.operands, 0, values);
        absl::StrAppend(&out_, " site ", inst.imm, " below ");
        AppendExpr(inst.expr);
        break;
      case Opcode::kReduce:
        out_ += ' ';
        Append(Name(inst.reduce_op));
        PrintOperands(inst.operands, 0, values);
        break;
      default:
        PrintOperands(inst.operands, 0, values);
    }
  }

  void PrintConst(const Inst& inst) {
    const ElementType t = inst.type.element;
    if (!IsFloat(t)) {
      if (t == ElementType::kU64) {
        absl::StrAppend(&out_, " ", inst.imm);
      } else {
        absl::StrAppend(&out_, " ", Int64FromBits(t, inst.imm));
      }
      return;
    }
    char decimal[40];
    const auto [end, error] = std::to_chars(decimal, decimal + sizeof(decimal), DoubleFromBits(t, inst.imm),
                                            std::chars_format::general, 9);
    absl::StrAppend(&out_, " 0x", absl::Hex(inst.imm), "  # ");
    out_.append(decimal, end);
  }

  void PrintMemory(const Inst& inst, size_t values) {
    Append(" b");
    AppendNumber(inst.buffer.index);
    out_ += '[';
    AppendExpr(ElementOf(inst));
    if (!inst.stride.IsConst(1)) {
      Append("; ");
      AppendExpr(inst.stride);
    }
    out_ += ']';
    const bool writes = inst.op == Opcode::kStore || inst.op == Opcode::kScatter;
    if (writes) {
      Append(", ");
      Use(inst.operands[0]);
    }
    if (inst.op == Opcode::kGather || inst.op == Opcode::kScatter) {
      Append(" at ");
      Use(inst.operands[values - 1]);
    }
    if (inst.op == Opcode::kPrefetch) absl::StrAppend(&out_, " level ", inst.imm);
    if (inst.masked) {
      Append(" mask ");
      Use(inst.operands.back());
    }
    if (inst.streaming) out_ += " streaming";
  }

  const LoopNest& nest_;
  std::string out_;
  std::vector<int> numbers_;                 // value -> number in the text; -1: none yet
  int count_ = 0;                            // of values that have one
  LoopNumbers loops_;
  bool loops_are_in_order_ = true;  // so far, the text numbers them as the nest does
  std::vector<int64_t>* places_ = nullptr;
};

}  // namespace

std::string LoopNest::ToString() const { return Printer(*this).Print(); }

LoopNestLines::LoopNestLines(const LoopNest& nest) : line_of_inst_(nest.inst_count(), -1) {
  Printer printer(nest);
  std::vector<int64_t> places;
  printer.NotePlaces(&places);
  const std::string text = printer.Print();
  std::vector<int> line_at(text.size());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    std::fill(line_at.begin() + begin, line_at.begin() + end, static_cast<int>(lines_.size()));
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    std::string& bare = lines_.emplace_back(line.substr(0, line.find('#')));
    absl::StripAsciiWhitespace(&bare);
    begin = end + 1;
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] >= 0) line_of_inst_[i] = line_at[places[i]];
  }
  values_ = std::move(printer.numbers());
  loops_ = std::move(printer.loops());
}

std::string LoopNestLines::Text(DimExpr e) const { return Renumber(e, values_, loops_).ToString(); }

}  // namespace skein
