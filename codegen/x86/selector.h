// Instruction selection: a legalized LoopNest -> Program.
//
// How values are held: bool as a mask; one-lane i64 and u64 in a general register; 64-bit
// lanes in one vector register, or two if there are more than it holds; everything else in one vector
// register with 32 bits a lane (see Action). Lanes past the end of a short vector hold anything.
// What AVX2 has no instruction for is put together from what it has in select_avx2.cc.
#ifndef SKEIN_CODEGEN_X86_SELECTOR_H_
#define SKEIN_CODEGEN_X86_SELECTOR_H_

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "base/status.h"
#include "codegen/x86/index_builder.h"
#include "codegen/x86/program_builder.h"
#include "ir/loop_nest.h"

namespace skein::x86 {

// --- facts about element types ---
inline bool IsWide(ElementType e) { return BitWidth(e) == 64; }
inline bool IsNarrow(ElementType e) { return BitWidth(e) < 32 && !IsBool(e); }
inline bool InGeneral(VectorType t) {
  return t.lanes == 1 && (t.element == ElementType::kI64 || t.element == ElementType::kU64);
}
inline RegisterClass ClassOf(VectorType t) {
  if (IsBool(t.element)) return RegisterClass::kMask;
  return InGeneral(t) ? RegisterClass::kGeneral : RegisterClass::kVector;
}
// The 32 bits in which a lane of a narrow type is held.
uint32_t LaneBits(ElementType element, uint64_t bits);

// The registers of one value.
struct Parts {
  std::array<Variable, 2> part;
  int count = 0;
  Parts() = default;
  Parts(Variable v) : part{v}, count(1) {}  // NOLINT: one register is the usual case
  Variable operator[](int i) const { return part[i]; }
  void Add(Variable v) { part[count++] = v; }
};

class Selector {
 public:
  // nest: legalized for `isa`.   notes: gets what each variable holds, if not null.
  Selector(const LoopNest& nest, ConstantPool* pool, Isa isa, std::vector<VariableNote>* notes = nullptr);
  // Errors: Unimplemented naming the opcode and the type.
  absl::StatusOr<Program> Run();

 private:
  // --- structure (selector.cc) ---
  void SelectTiles();
  void SelectBlock(BlockId block);
  void SelectLoop(const Inst& loop);
  Parts SelectInst(const Inst& inst);
  void Bind(ValueId value, Parts parts);
  Parts NewParts(VectorType type);
  const Parts& Get(ValueId v) const { return values_[v.index]; }
  VectorType type(ValueId v) const { return nest_.type(v); }

  // --- building blocks (selector.cc) ---
  Variable Emit(const Operation& operation, std::initializer_list<Variable> operands = {}) {
    return builder_.Emit(operation, -1, operands);
  }
  // On lanes of `type`.
  Variable Emit(Action action, VectorType type, std::initializer_list<Variable> operands, Opcode opcode = Opcode::kAdd,
                int64_t immediate = 0);
  Variable General(Opcode op, Variable a, Variable b) {
    return Emit({.action = Action::kGeneral, .opcode = op}, {a, b});
  }
  Parts Constant(ElementType element, uint64_t bits, int lanes);
  int PartCount(VectorType t) const { return IsWide(t.element) && t.lanes > wide_lanes_ ? 2 : 1; }
  int PartLanes(VectorType t, int part) const {
    return IsWide(t.element) ? std::min(t.lanes - part * wide_lanes_, wide_lanes_) : t.lanes;
  }
  // Lanes of `element` that a register holds.
  int RegisterLanes(ElementType element) const { return IsWide(element) ? wide_lanes_ : 2 * wide_lanes_; }
  // The part of a mask for part `part` of a value of `element`.
  Variable MaskPart(Variable mask, int part, ElementType element);
  Variable JoinMasks(const Parts& masks, VectorType type);
  // Whether `mask` is a constant that is set, or not set, in all of `lanes`.
  bool IsAll(Variable mask, int lanes) const;
  bool IsNone(Variable mask, int lanes) const;
  Variable ToVector(const Parts& parts, VectorType type);  // of a one-lane value, one register
  Parts FromVector(Variable v, VectorType type);           // the other way round
  Variable LanesDown(Variable v, ElementType element, int distance);
  Variable Join(Variable low, Variable high, int lanes);  // lanes of 32 bits of the result

  // --- elementwise (select_elementwise.cc) ---
  Parts SelectElementwise(const Inst& inst);
  Parts Elementwise(Opcode op, VectorType type, const Parts& a, const Parts& b = {},
                    const Parts& c = {});
  Variable Vector(Opcode op, VectorType type, Variable a, Variable b = {}, Variable c = {});
  Variable Extremum(Opcode op, VectorType type, Variable a, Variable b);
  Variable AndIsNumber(VectorType type, Variable known, Variable v);
  Parts ElementwiseInVectors(Opcode op, VectorType type, Parts a, Parts b, const Parts& c);
  Parts GeneralElementwise(Opcode op, ElementType element, const Parts& a, const Parts& b);
  Parts Shift(Opcode op, VectorType type, Parts a, const Parts& amount);
  Variable ShiftBy(Opcode op, VectorType type, Variable a, int64_t amount);
  int PowerOfTwo(VectorType type, Variable v) const;
  Parts DivideByPower(Opcode op, VectorType type, const Parts& a, int power);
  Parts IntDivide(Opcode op, VectorType type, const Parts& a, const Parts& b);
  Parts WideIntDivide(Opcode op, VectorType type, const Parts& a, const Parts& b);
  Variable MaskLogic(Opcode op, int lanes, Variable a, Variable b = {});
  Variable MaskElementwise(Opcode op, int lanes, Variable a, Variable b);
  Parts Select(VectorType type, Variable mask, const Parts& a, const Parts& b);
  Variable Compare(Opcode op, VectorType type, const Parts& a, const Parts& b);
  Variable CompareInVectors(Opcode op, VectorType type, const Parts& a, const Parts& b);
  Parts Blend(VectorType type, Variable mask, const Parts& a, const Parts& b);
  Parts MaskedValue(VectorType type, Variable mask, const Parts& v);
  Parts Normalize(VectorType type, const Parts& v);  // extends narrow integers again
  Variable Extend(int bits, bool sign, int lanes, Variable v);

  // --- lanes (select_lanes.cc) ---
  Parts Splat(VectorType type, const Parts& v);
  Variable SplatOnce(VectorType type, Variable v);
  Variable LaneMask(DimExpr n, int lanes);
  Parts Extract(VectorType source, const Parts& v, int lane);
  Parts Lookup(const Inst& inst);
  Parts Shuffle(const Inst& inst);
  Variable ShufflePart(bool wide, std::span<const Variable> tables, std::span<const std::pair<int, int>> lanes);
  Variable ShuffleTwo(std::span<const int> from, Variable a, Variable b);
  Variable Shuffle(ShuffleBy by, int immediate, Variable a, Variable b);
  Variable Permute(std::span<const int> from, Variable a);
  Variable Indices(std::span<const int> from);
  bool IsSplat(Variable v) const;
  Parts Reduce(Opcode op, VectorType source, Parts v);
  Parts Iota(VectorType type);
  Parts Bitcast(VectorType from, VectorType to, const Parts& v);

  // --- conversions (select_convert.cc) ---
  Parts Convert(const Inst& inst);
  Parts ToFloat32(VectorType from, const Parts& v);  // from integers or floats
  Parts ToFloat64(VectorType from, const Parts& v);
  Parts ToHalf(VectorType from, ElementType to, const Parts& v);
  Parts ToInteger(VectorType from, VectorType to, const Parts& v);
  Parts FloatToInteger(ElementType from, VectorType to, const Parts& v);
  Parts Int64Odd(VectorType from, const Parts& v);
  Parts Float64ToFloat32Odd(const Parts& v, int lanes);
  Variable Float32ToBFloat16(Variable v, int lanes);
  Variable ConvertPart(VectorType from, ElementType to, Variable v);
  Parts ConvertLanes(VectorType from, ElementType to, const Parts& v);

  // --- what AVX2 lacks (select_avx2.cc); values of one register ---
  static bool Avx2Lacks(Opcode op, ElementType element);
  Variable VectorOnAvx2(Opcode op, VectorType type, Variable a, Variable b);
  Variable MultiplyWide(VectorType type, Variable a, Variable b);
  Variable Sign(VectorType type, Variable a);
  Variable CompareOnAvx2(Opcode op, VectorType type, Variable a, Variable b);
  Variable NotOnAvx2(Variable mask);
  Variable LaneMaskOnAvx2(DimExpr n, int64_t first, int lanes);
  Variable WideMaskOnAvx2(Variable mask, int part);
  Variable ConvertOnAvx2(VectorType from, ElementType to, Variable v);
  Variable Float64ToInt64OnAvx2(bool is_signed, int lanes, Variable v);
  Variable ShuffleOnAvx2(std::span<const int> from, Variable a, Variable b);
  Variable JoinOnAvx2(std::array<Variable, 2> from, std::array<int, 2> half);

  // --- memory (select_memory.cc) ---
  Parts SelectMemory(const Inst& inst);
  Parts Load(const Inst& inst, VectorType type);
  bool StartsWithByte(const Inst& inst) const;
  Parts Gather(const Inst& inst, const Parts& index);
  Parts LoadLanes(const Inst& inst, VectorType type, const Parts& index);
  Variable JoinBlocks(std::span<const Variable> blocks);
  void Store(const Inst& inst);
  void Scatter(const Inst& inst, const Parts& value, const Parts& index);
  void StoreLanes(const Inst& inst, VectorType type, const Parts& value, const Parts& index);
  Parts ClampIndex(const Inst& inst);
  Parts StrideVector(const Inst& inst, int lanes);
  Variable Mask(const Inst& inst, int lane = -1) const;  // its mask operand; none if all lanes, or `lane`, take part
  bool IsNone(const Inst& inst, int lane) const;         // whether lane `lane` never takes part
  bool IsNatural(ElementType element, int lanes) const;
  bool GoesByLanes(VectorType type, bool apart, bool masked) const;
  Operation& PartAccess(Action action, VectorType type, int p, Address address, Variable* mask);
  int NarrowAccess(ElementType element, int lanes, Variable* mask) const;
  Variable ExactMask(Variable mask, ElementType element, int lanes);
  Address OfNeighbours(const Inst& inst, const Parts& index);
  Address IndexedBase(const Inst& inst);
  Address LaneAddress(const Inst& inst, Address base, const Parts& index, int lane);

  const LoopNest& nest_;
  const bool avx512_;
  const int wide_lanes_;  // 64-bit lanes of a register
  ProgramBuilder builder_;
  IndexBuilder index_;
  std::vector<VariableNote>* notes_;
  Recycled<Parts> values_;
  absl::Status status_;  // of the first instruction for which there is no code
  struct KnownSplat {
    Variable scalar, splat;
    bool wide;
    int depth;
  };
  const Inst* last_shuffle_ = nullptr;   // of the open loop
  bool streams_ = false;                 // the store at hand may go around the caches
  std::vector<bool> even_loops_;         // by number: the index is always even
  std::vector<KnownSplat> splats_;  // in loops that are open
  // AVX2: compared 64-bit lanes, before they became a mask of 32-bit lanes.
  struct WideMask {
    Variable mask;
    Parts lanes;
  };
  std::vector<WideMask> wide_masks_;
  // AVX2: what was put together from halves of registers, which may be taken from there again.
  struct Halves {
    Variable result;
    std::array<Variable, 2> from;
    std::array<int, 2> half;
  };
  std::vector<Halves> halves_;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_SELECTOR_H_
