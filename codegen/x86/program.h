// What instruction selection hands to register allocation and emission: a kernel as one line of
// operations, each of which becomes one to about ten machine instructions and computes at most one
// variable. A variable wants one machine register. Loops are brackets in the line.
#ifndef SKEIN_CODEGEN_X86_PROGRAM_H_
#define SKEIN_CODEGEN_X86_PROGRAM_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/ids.h"
#include "codegen/recycled.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein::x86 {

enum class RegisterClass : uint8_t { kGeneral, kVector, kMask, kNone };
inline constexpr int kClassCount = 3;

using Variable = Id<struct X86VariableTag>;

// A constant is never spilled: it is made again wherever it is needed.
enum class ConstantKind : uint8_t {
  kNone,
  kImmediate,    // general and mask registers: bits
  kBroadcast32,  // the 32 bits at data_offset in every lane
  kBroadcast64,
  kVector,  // the 64 bytes at data_offset
};

struct VariableInfo {
  RegisterClass register_class = RegisterClass::kGeneral;
  ConstantKind constant = ConstantKind::kNone;
  int8_t depth = 0;  // of loops around its definition
  uint32_t data_offset = 0;
  uint64_t bits = 0;
  int32_t operation = -1;  // ProgramBuilder's: which computes it, if one does
};

enum class Action : uint8_t {
#define ACTION(name, result, vectors, masks) k##name,
#include "codegen/x86/actions.inc"
#undef ACTION
};

struct ActionFacts {
  RegisterClass result;  // kNone: it has an effect instead
  int8_t vectors, masks;  // scratch registers: an estimate, from above
};
inline constexpr ActionFacts kActionFacts[] = {
#define ACTION(name, result, vectors, masks) {RegisterClass::result, vectors, masks},
#include "codegen/x86/actions.inc"
#undef ACTION
};

// How eight lanes come from those of a and b, where one instruction of AVX2 does it.
enum class ShuffleBy : uint8_t { kBlend, kUnpackLow, kUnpackHigh, kInBlocks, kHalves, kBlocks };

// base + index * scale + displacement, in bytes. `base` is always there. Lane accesses to 4-bit
// elements count index + displacement in elements, from the byte at `base`.
struct Address {
  Variable base, index;
  int scale = 1;
  int32_t displacement = 0;
};

struct Operation {
  Action action{};
  Opcode opcode = Opcode::kAdd;
  ElementType element = ElementType::kI64;  // of lanes, or in memory
  int8_t lanes = 1;
  bool masked = false;
  bool streaming = false;
  bool broadcast = false;  // kLoad of one lane: to all lanes
  // kVector, kConvert: the last operand is at the address; kStore of f16: the value is f32.
  bool folded = false;
  bool index = false;  // part of the arithmetic of addresses and loop bounds
  int8_t operand_count = 0;
  int32_t loop = -1;
  Variable result;
  std::array<Variable, 4> operands;
  Address address;
  InstId inst;  // of the nest; what it was selected for
  int64_t immediate = 0;

  void AddOperand(Variable v) {  // none where `v` is invalid
    if (v.valid()) operands[operand_count++] = v;
  }
  const ActionFacts& facts() const { return kActionFacts[static_cast<int>(action)]; }
  bool has_effect() const { return facts().result == RegisterClass::kNone; }
};

struct Loop {
  // A counted loop's first argument is its index: from its init, by `step`, while < limit. A loop
  // of at most one trip has no index: it runs if limit > 0.
  bool at_most_once = false;
  bool at_least_once = false;
  Variable limit;
  absl::InlinedVector<Variable, 4> inits, arguments, yields, results;
  int begin = -1, end = -1;  // positions of the brackets
};

// What a variable holds, for listings: an expression of the nest, or the address of that element.
struct VariableNote {
  Variable variable;
  DimExpr expr;  // a Value too
  int buffer = -1;
};

struct Program {
  Isa isa;
  Recycled<VariableInfo> variables;
  Recycled<Operation> operations;
  std::vector<Loop> loops;
  std::array<Variable, 4> parameters;  // args, tile_begin, tile_end, scratch

  const VariableInfo& info(Variable v) const { return variables[v.index]; }
  bool IsConstant(Variable v) const { return info(v).constant != ConstantKind::kNone; }
};

// Calls visit(Variable) for everything that an operation reads, brackets excepted.
template <typename Visit>
void VisitReads(const Operation& operation, Visit visit) {
  for (int i = 0; i < operation.operand_count; ++i) visit(operation.operands[i]);
  if (operation.address.base.valid()) visit(operation.address.base);
  if (operation.address.index.valid()) visit(operation.address.index);
}

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_PROGRAM_H_
