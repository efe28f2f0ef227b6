// The text form of a LoopNest: printing. ir/loop_nest_parse.cc reads it.
#include <cstdio>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ir/loop_nest.h"
#include "ir/numeric.h"

namespace skein {
namespace {

std::string TypeText(VectorType t) {
  std::string text(Name(t.element));
  if (t.lanes != 1) absl::StrAppend(&text, "x", t.lanes);
  return text;
}

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

// Numbers values and loops in the order in which the text names them.
class Printer {
 public:
  explicit Printer(const LoopNest& nest) : nest_(nest) {}

  std::string Print() {
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
  std::string Define(ValueId id) {
    const int number = static_cast<int>(numbers_.size());
    numbers_[id.index] = number;
    return absl::StrCat("%", number);
  }

  // A value that no line above defines can only stand in a nest that Verify refuses.
  std::string Use(ValueId id) const {
    const auto found = numbers_.find(id.index);
    if (found == numbers_.end()) return absl::StrCat("%undefined", id.index);
    return absl::StrCat("%", found->second);
  }

  DimExpr Renumber(DimExpr e) const {
    return Substitute(e, [this](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() == DimKind::kCoord) {
        const auto found = loops_.find(leaf.index());
        if (found != loops_.end()) return found->second;
      } else if (leaf.kind() == DimKind::kValue) {
        const auto found = numbers_.find(leaf.index());
        if (found != numbers_.end()) return DimExpr::Value(found->second);
      }
      return std::nullopt;
    });
  }
  std::string Expr(DimExpr e) const { return Renumber(e).ToString(); }

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
      absl::StrAppend(&out_, i == begin ? " " : ", ", Use(values[i]));
    }
  }

  void PrintLoop(const Inst& loop, int depth) {
    const std::string extent = Expr(loop.extent);
    std::vector<std::string> inits;
    for (ValueId init : loop.operands) inits.push_back(Use(init));
    for (size_t i = 0; i < loop.results.size(); ++i) {
      absl::StrAppend(&out_, i == 0 ? "" : ", ", Define(loop.results[i]));
    }
    if (!loop.results.empty()) out_ += " = ";
    const int number = static_cast<int>(loops_.size());
    absl::StrAppend(&out_, std::string(LoopText(loop.loop_kind)), " $", number, " < ", extent);
    if (loop.loop_kind == LoopKind::kVector) {
      absl::StrAppend(&out_, " lanes ", loop.lanes);
      if (loop.step != loop.lanes) absl::StrAppend(&out_, " step ", loop.step);
    } else if (loop.step != 1) {
      absl::StrAppend(&out_, " step ", loop.step);
    }
    const DimExpr renumbered_extent = Renumber(loop.extent);
    loops_[loop.loop] = DimExpr::Coord(number, renumbered_extent);
    const std::vector<ValueId>& arguments = nest_.block(loop.body).arguments;
    for (size_t i = 0; i < arguments.size(); ++i) {
      absl::StrAppend(&out_, i == 0 ? " carry (" : ", ", Define(arguments[i]), ": ",
                      TypeText(nest_.type(arguments[i])), " = ",
                      i < inits.size() ? inits[i] : "nothing");
    }
    if (!arguments.empty()) out_ += ')';
    out_ += " {\n";
    PrintBlock(loop.body, depth + 1);
    out_.append(2 * depth, ' ');
    out_ += '}';
  }

  void PrintPlain(const Inst& inst) {
    std::string line;
    std::swap(line, out_);  // operands are named before the result is
    PrintBody(inst);
    std::swap(line, out_);
    if (!inst.results.empty()) absl::StrAppend(&out_, Define(inst.results[0]), " = ");
    out_ += std::string(Name(inst.op));
    if (!inst.results.empty()) absl::StrAppend(&out_, " ", TypeText(inst.type));
    out_ += line;
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
        absl::StrAppend(&out_, " ", Expr(inst.expr));
        break;
      case Opcode::kExtract:
        absl::StrAppend(&out_, " ", Use(inst.operands[0]), "[", inst.lane, "]");
        break;
      case Opcode::kShuffle:
        PrintOperands(inst.operands, 0, values);
        for (size_t i = 0; i < inst.shuffle.size(); ++i) {
          absl::StrAppend(&out_, i == 0 ? " [" : " ", inst.shuffle[i]);
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
        absl::StrAppend(&out_, " site ", inst.imm, " below ", Expr(inst.expr));
        break;
      case Opcode::kReduce:
        absl::StrAppend(&out_, " ", std::string(Name(inst.reduce_op)));
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
    std::snprintf(decimal, sizeof(decimal), "%.9g", DoubleFromBits(t, inst.imm));
    absl::StrAppend(&out_, " 0x", absl::Hex(inst.imm), "  # ", decimal);
  }

  void PrintMemory(const Inst& inst, size_t values) {
    absl::StrAppend(&out_, " b", inst.buffer.index, "[", Expr(inst.address));
    if (!inst.stride.IsConst(1)) absl::StrAppend(&out_, "; ", Expr(inst.stride));
    out_ += ']';
    const bool writes = inst.op == Opcode::kStore || inst.op == Opcode::kScatter;
    if (writes) absl::StrAppend(&out_, ", ", Use(inst.operands[0]));
    if (inst.op == Opcode::kGather || inst.op == Opcode::kScatter) {
      absl::StrAppend(&out_, " at ", Use(inst.operands[values - 1]));
    }
    if (inst.op == Opcode::kPrefetch) absl::StrAppend(&out_, " level ", inst.imm);
    if (inst.masked) absl::StrAppend(&out_, " mask ", Use(inst.operands.back()));
    if (inst.streaming) out_ += " streaming";
  }

  const LoopNest& nest_;
  std::string out_;
  absl::flat_hash_map<int, int> numbers_;    // value -> number in the text
  absl::flat_hash_map<int, DimExpr> loops_;  // loop -> coordinate in the text
};

}  // namespace

std::string LoopNest::ToString() const { return Printer(*this).Print(); }

}  // namespace skein
