// Writes a Program. While loops are open, operations go to the innermost one or, hoisted, to any loop around it: each
// keeps a line of its own, which joins its parent's in the end, so what is hoisted now stands in front of the loops that
// are open now. Operations stay where they were emitted; lines are their numbers.
#ifndef SKEIN_CODEGEN_X86_PROGRAM_BUILDER_H_
#define SKEIN_CODEGEN_X86_PROGRAM_BUILDER_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "codegen/x86/constants.h"
#include "codegen/x86/program.h"

namespace skein::x86 {

using OpcodeSet = uint64_t;
static_assert(kOpcodeCount <= 64);
constexpr OpcodeSet SetOf(std::initializer_list<Opcode> ops) {
  OpcodeSet set = 0;
  for (Opcode op : ops) set |= OpcodeSet{1} << static_cast<int>(op);
  return set;
}
constexpr bool IsIn(Opcode op, OpcodeSet set) { return (set >> static_cast<int>(op) & 1) != 0; }
constexpr bool IsCommutative(Opcode op) {
  using enum Opcode;
  return IsIn(op, SetOf({kAdd, kMul, kMin, kMax, kAnd, kOr, kXor}));
}

class ProgramBuilder {
 public:
  ProgramBuilder(ConstantPool* pool, Isa isa);

  Variable NewVariable(RegisterClass register_class) { return Add({.register_class = Held(register_class)}); }
  const VariableInfo& info(Variable v) const { return program_.info(v); }

  // Constants; equal ones are one variable. With AVX2 a mask is one of 32-bit lanes.
  Variable Immediate(int64_t value);
  Variable MaskConstant(uint16_t bits);
  Variable Broadcast32(uint32_t bits);
  Variable Broadcast64(uint64_t bits);
  Variable Vector32(std::span<const uint32_t> lanes);  // up to a register; the rest is 0
  Variable Vector64(std::span<const uint64_t> lanes);

  // What is appended from here on is for `inst`.
  void SetInst(InstId inst) { inst_ = inst; }
  InstId inst() const { return inst_; }
  // Number of open loops.
  int depth() const { return static_cast<int>(open_.size()) - 1; }
  // How many of them change `v`.
  int DepthOf(Variable v) const { return program_.info(v).depth; }
  // Appends an operation at `depth` (-1: the innermost), with its result, for the caller to fill in. Filled in where it
  // stays: copying what was written just now, in other pieces, waits until it is in memory.
  Operation& Append(Action action, int depth = -1);
  // Appends at `depth` and returns the result, which is invalid if there is none.
  //   operands: behind those that `operation` has.
  Variable Emit(const Operation& operation, int depth = -1, std::initializer_list<Variable> operands = {});

  // The kernel's parameter number i: args, tile_begin, tile_end, scratch.
  Variable Parameter(int i) const { return program_.parameters[i]; }

  // The operation that computes `v`, up to the next Emit; null if there is none.
  Operation* DefinitionOf(Variable v) {
    const int32_t at = program_.info(v).operation;
    return at < 0 ? nullptr : &emitted_[at];
  }
  // Makes `v` the same in all lanes if it comes from a scalar load that can broadcast at no cost.
  bool BroadcastAtLoad(Variable v);

  // Opens a loop. `loop` has its limit, inits and arguments.
  int OpenLoop(Loop loop);
  // Closes the innermost loop. `results`: one for each argument.
  void CloseLoop(std::span<const Variable> yields, std::span<const Variable> results);

  // Removes what nobody reads and numbers the brackets.
  Program Finish();

 private:
  using Line = Recycled<int32_t>;  // of operations in emitted_; -1: dropped
  struct Open {
    int loop = -1;
    Line line;
  };

  Variable Add(const VariableInfo& info) {
    program_.variables.push_back(info);
    return Variable(program_.variables.size() - 1);
  }
  // `reads`: of each variable.
  void FoldLoads(Line* line, std::span<const int32_t> reads);
  // With the lines of the loops that were closed in it.
  void AppendLine(const Line& line, Line* to) const;
  // A line with loads moved close to their readers.
  Line SinkLoads(const Line& line) const;
  // Masks are vectors with AVX2.
  RegisterClass Held(RegisterClass c) const {
    return c == RegisterClass::kMask && !avx512() ? RegisterClass::kVector : c;
  }
  Variable Constant(RegisterClass c, ConstantKind kind, uint64_t bits, uint32_t data_offset = 0);
  // The offset of a constant of lanes in the data. AVX-512 reads a splat from one lane, AVX2 all of them.
  template <typename T>
  uint32_t AddSplat(T bits);
  template <typename T>
  Variable Lanes(std::span<const T> lanes, uint64_t bits = 0);
  bool avx512() const { return program_.isa == Isa::kAvx512; }

  ConstantPool* pool_;
  Program program_;
  InstId inst_;
  Recycled<Operation> emitted_;
  std::vector<Open> open_;
  std::vector<Line> closed_;  // by loop, without those of the loops in them
  std::vector<Variable> constants_;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_PROGRAM_BUILDER_H_
