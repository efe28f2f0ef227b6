// What instruction selection hands to register allocation and emission: a kernel as one line of
// operations, each of which becomes one to about ten machine instructions and computes at most one
// variable. A variable wants one machine register. Loops are brackets in the line.
#ifndef SKEIN_CODEGEN_X86_PROGRAM_H_
#define SKEIN_CODEGEN_X86_PROGRAM_H_

#include <array>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein::x86 {

enum class RegisterClass : uint8_t { kGeneral, kVector, kMask };
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
  uint64_t bits = 0;
  uint32_t data_offset = 0;
};

// Operands in the order in which `operands` holds them. "General" values are 64-bit integers. A
// vector of 8- and 16-bit integers (f16 and bf16 too) holds one element per 32-bit lane, extended
// by its sign or with zeros as its type says. With AVX-512, masks hold lane i in bit i and anything above
// `lanes`. With AVX2 they are vectors, all ones or zeros in each 32-bit lane, or in each 64-bit lane where they
// act on 64-bit lanes; actions marked (512) do not occur there, and those marked (AVX2) only there.
enum class Action : uint8_t {
  kEntry,  // defines the four parameters of a kernel
  kLoopBegin,
  kLoopEnd,
  // --- general registers; the second operand may be a constant ---
  kLoadGeneral,  // [address]
  kLea,          // the address itself
  kGeneral,      // opcode: add sub mul int_div int_rem min max and or xor shl shr sar neg not abs
  kFloorDiv,
  kMod,  // towards -inf; x/0 = 0
  kGeneralLess,
  kGeneralEqual,    // 0 or 1
  kGeneralSelect,   // (c, a, b)
  kGeneralCompare,  // opcode -> mask of one bit
  kGeneralBlend,    // (mask, a, b) by bit 0
  kWrap,            // (index, extent): index < extent ? index : 0
  kCarry,           // (outer, index, extent): index < extent ? outer : outer + immediate
  kClampGeneral,    // (index, extent, args); immediate: status bit
  // --- between classes ---
  kGeneralFromVector,
  kVectorFromGeneral,  // 64 bits, lane 0
  kSplatGeneral,
  kGeneralFromMask,  // bit 0
  kLaneMask,  // (512) (general n); immediate 1 + m if 0 <= n <= 255, for the mask of n - m lanes; else 0
  kMaskedValue,     // (512) (mask, vector): lanes where the mask is set, else 0
  kMaskFromVector,  // (512) lanes != 0, as integers
  // --- masks; (512), but for the last ---
  kMaskLogic,   // opcode: and or xor not
  kMaskBlend,   // (c, a, b)
  kMaskShift,   // right by immediate
  kMaskJoin,    // (low 8 lanes, high 8 lanes)
  kMaskSplat,   // bit 0 to all
  kMaskReduce,  // opcode and or, of `lanes` bits, to bit 0
  // --- vectors ---
  kVector,          // opcode, elementwise; 64-bit mul on AVX2: of the low halves. (512) min, max of floats: the number
                    // where there is one NaN
  kShiftImmediate,  // opcode, by immediate
  kSignExtend,      // the low `immediate` bits of every 32-bit lane
  kCompare,         // (a, b), opcode -> mask; immediate: 4 for the opposite (not of integers on AVX2), else 0; with
                    // kEqual 7: both are numbers.
                    // AVX-512, masked: (a, b, mask), and the mask
  kBlend,           // (mask, a, b)
  kConversion,      // immediate: Conversion
  kSplatVector,     // lane 0 to all
  kLanesDown,       // lane i = lane i + immediate, if AVX2 has them in one half of the register
  kJoinHalves,      // (low 256 bits, high 256 bits)
  kPermute,         // (indices, a): one table
  kPermute2,        // (512) (indices, a, b): two tables
  kShuffle,         // (a, b) as `lanes` of 32 bits, 8 or 16; immediate: ShuffleBy << 8 | its immediate
  kDot4,            // (acc, a, b)
  kInsertGeneral,   // (vector, general): lane `immediate` replaced
  kClampVector,     // (index, limits = extent - 1, args, zeros); immediate: status bit
  // --- memory; a mask is the last operand if masked ---
  kLoad,         // -> vector or mask
  kStore,        // (value [, mask])
  kLoadNibbles,  // 16 elements of 4 bits from a byte boundary
  kLoadLane,     // (vector [, mask]): lane `immediate`, AVX2: modulo 128 bits, replaced by the element at the address
  kStoreLane,    // (vector [, mask]): lane `immediate`, AVX2: modulo a register, alone
  kGather,       // (512) (indices low [, high] [, mask]): 32-bit lanes need both index vectors
  kScatter,      // (512) (value, indices low [, high] [, mask])
  kPrefetch,     // immediate: level
};

enum class Conversion : uint8_t {
  kI32ToF32,
  kU32ToF32,
  kF32ToI32,
  kF32ToU32,
  kI32ToF64,
  kU32ToF64,
  kF64ToI32,
  kF64ToU32,
  kI64ToF32,
  kU64ToF32,
  kI64ToF64,
  kU64ToF64,
  kF32ToI64,
  kF32ToU64,
  kF64ToI64,
  kF64ToU64,
  kF32ToF64,
  kF64ToF32,
  kI32ToI64,
  kU32ToU64,
  kI64ToI32,
  kF16ToF32,
  kF32ToF16,  // f16 in 32-bit lanes
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
  Action action;
  Opcode opcode = Opcode::kAdd;
  ElementType element = ElementType::kI64;  // of lanes, or in memory
  int8_t lanes = 1;
  bool masked = false;
  bool streaming = false;
  bool broadcast = false;  // kLoad of one lane: to all lanes
  // kVector, kConversion: the last operand is at the address; kStore of f16: the value is f32.
  bool folded = false;
  bool index = false;  // part of the arithmetic of addresses and loop bounds
  int8_t operand_count = 0;
  int32_t loop = -1;
  Variable result;
  std::array<Variable, 4> operands;
  Address address;
  InstId inst;  // of the nest; what it was selected for
  int64_t immediate = 0;

  void AddOperand(Variable v) { operands[operand_count++] = v; }
};

struct Loop {
  int parent = -1;
  // A counted loop's first argument is its index: from its init, by `step`, while < limit. A loop
  // of at most one trip has no index: it runs if limit > 0.
  bool at_most_once = false;
  bool at_least_once = false;
  Variable limit;
  std::vector<Variable> inits, arguments, yields, results;
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
  std::vector<VariableInfo> variables;
  std::vector<Operation> operations;
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
