#include "ir/loop_nest.h"

namespace skein {
namespace {

constexpr std::string_view kOpcodeNames[] = {
    "const",       "index",     "iota",   "lane_mask", "splat",      "extract", "shuffle",
    "lookup",      "bitcast",   "load",   "gather",    "store",      "scatter", "prefetch",
    "clamp_index", "add",       "sub",    "mul",       "div",        "int_div", "int_rem",
    "fma",         "min",       "max",    "min_x86",   "max_x86",    "neg",     "abs",
    "sqrt",        "floor",     "ceil",   "trunc",     "round_even", "and",     "or",
    "xor",         "not",       "shl",    "shr",       "sar",        "less",    "less_equal",
    "equal",       "not_equal", "select", "convert",   "reduce",     "dot4",    "loop",
};
static_assert(std::size(kOpcodeNames) == kOpcodeCount);

}  // namespace

std::string_view Name(Opcode op) { return kOpcodeNames[static_cast<int>(op)]; }

int ArgumentNumber(std::string_view symbol) {
  if (symbol.size() < 2 || symbol.size() > 7 || symbol[0] != 'a') return -1;
  if (symbol[1] == '0' && symbol.size() > 2) return -1;
  int number = 0;
  for (char c : symbol.substr(1)) {
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

ValueId LoopNest::NewValue(VectorType type) {
  value_types_.push_back(type);
  return ValueId(static_cast<int64_t>(value_types_.size()) - 1);
}

InstId LoopNest::NewInst(const Inst& inst) {
  insts_.push_back(inst);
  return InstId(static_cast<int64_t>(insts_.size()) - 1);
}

InstId LoopNest::NewInst(Inst&& inst) {
  insts_.push_back(std::move(inst));
  return InstId(static_cast<int64_t>(insts_.size()) - 1);
}

BlockId LoopNest::NewBlock() {
  blocks_.emplace_back();
  return BlockId(static_cast<int64_t>(blocks_.size()) - 1);
}

void LoopNest::Reserve(int insts, int values) {
  insts_.reserve(insts);
  value_types_.reserve(values);
}

}  // namespace skein
