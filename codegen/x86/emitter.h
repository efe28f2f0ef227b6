// Program -> machine code for AVX-512 or AVX2, one operation after another. The only header that includes
// Xbyak.
#ifndef SKEIN_CODEGEN_X86_EMITTER_H_
#define SKEIN_CODEGEN_X86_EMITTER_H_

#include <vector>

#include "codegen/object_code.h"
#include "codegen/x86/liveness.h"
#include "codegen/x86/program.h"
#include "codegen/x86/registers.h"
#include "ir/target.h"
#include "xbyak/xbyak.h"

namespace skein::x86 {

// Where the code of an operation begins, or what the register allocator does for it; it holds up to the next one.
struct CodePoint {
  uint32_t offset;          // into the object's code
  int operation;            // its position in the program; behind the last: their number
  const char* moves = "";   // what the register allocator does here, if it does
  Variable variable = {};   // to this one
};

// Emits kernels one after another into a buffer of its caller. Throws Xbyak::Error, only.
class Emitter : private Xbyak::CodeGenerator, private Registers::Mover {
 public:
  Emitter(uint8_t* buffer, size_t bytes, const Target& target)
      : CodeGenerator(bytes, buffer), target_(target), avx512_(target.isa == Isa::kAvx512) {}

  // Appends a kernel. False if an operation wants more registers than there are.
  //   points: gets what the code is for, if not null.
  bool EmitKernel(const Program& program, std::vector<CodePoint>* points = nullptr);

  size_t size() const { return getSize(); }
  // Those of code that comes to lie at `offset`.
  void AddRelocations(uint32_t offset, std::vector<ObjectCode::Relocation>* relocations) const;

 private:
  using Xmm = Xbyak::Xmm;
  using Reg64 = Xbyak::Reg64;
  using Opmask = Xbyak::Opmask;

  // A vector operand that may be in memory: a constant, perhaps broadcast, or a variable in the frame.
  struct Source {
    int in_register = -1;
    Variable in_memory;
  };
  // What a loop's end needs of its beginning: where the body starts, and the jump around the loop, if there is one.
  // Not Xbyak's labels, which live in hash tables.
  struct OpenLoop {
    size_t header = 0, exit_jump = 0;
  };
  struct DataReference {
    size_t instruction;  // where it starts
    uint32_t data_offset;
  };
  // A streaming store's other ways, behind the code: where it jumps there, and where to go on. Its address is in rax.
  struct UnalignedStore {
    size_t jump, back;
    int position, high;  // high: a register for half of it
    Xmm value;
  };

  // --- one for each action: emitter.cc (structure), emit_general.cc, emit_mask.cc, emit_vector.cc, emit_memory.cc ---
#define ACTION(name, result, vectors, masks) void Emit##name(const Operation& op);
#include "codegen/x86/actions.inc"
#undef ACTION
  using EmitAction = void (Emitter::*)(const Operation&);
  static const EmitAction kEmitAction[];

  // --- emitter.cc ---
  void Prologue();
  void Epilogue();
  enum Condition : uint8_t { kNotZero = 0x5, kLess = 0xc, kGreaterOrEqual = 0xd, kLessOrEqual = 0xe };
  size_t JumpIf(Condition condition, size_t target);
  void Jump(size_t target);
  void Land(size_t jump) { rewrite(jump - 4, static_cast<uint32_t>(getSize() - jump), 4); }  // of JumpIf: to here
  void CompareWithLimit(const Reg64& index, Variable limit);
  void Note(const char* moves = "", Variable variable = {}) {
    if (points_ != nullptr) points_->push_back({static_cast<uint32_t>(getSize()), position_, moves, variable});
  }
  void Perform(const Registers::Movement& move) override;
  void Materialize(int to, const VariableInfo& constant);
  void Exchange(RegisterClass c, int a, int b);

  // --- emit_general.cc ---
  void Multiply(const Operation& op);
  void GeneralMinMax(const Operation& op);
  void GeneralShift(const Operation& op);
  void Divide(const Operation& op);

  // --- emit_mask.cc ---
  // The mask's bits, one a lane, with anything above its lanes.
  void MaskBits(const Xbyak::Reg32& to, Variable mask);
  void SkipUnless(const Operation& op, int lane, Xbyak::Label& skipped);
  static uint8_t Predicate(Opcode op);  // of vcmpps and vpcmpd, which agree
  void CompareAvx2(const Operation& op);

  // --- emit_vector.cc ---
  void Fma(const Operation& op);

  // --- emit_memory.cc ---
  void LoadScalar(const Operation& op, const Xmm& to, const Xbyak::RegExp& at);
  void LoadToEax(const Operation& op, const Xbyak::RegExp& at);
  void StoreScalar(const Operation& op, const Xbyak::RegExp& at);
  void StoreNarrow(const Operation& op, const Xbyak::RegExp& at);
  void StreamingStore(const Xmm& value, const Xbyak::RegExp& at);
  void UnalignedStores();
  void StoreNibble(const Operation& op, const Reg64& shift, const Reg64& mask);
  // Lanes of 32 bits with numbers of 16, to 128 bits. `to` is not `value`.   (AVX2)
  void Pack(const Operation& op, const Xmm& to, const Xmm& value);

  // --- operands ---
  const VariableInfo& info(Variable v) const { return program_->info(v); }
  Reg64 UseGeneral(Variable v) { return Reg64(registers_->Use(v)); }
  Opmask UseMask(Variable v) { return Opmask(registers_->Use(v)); }
  Xmm UseVector(Variable v, int bits) { return Vector(registers_->Use(v), bits); }
  // The operands have been used; those that die may give their register to the result.
  Xmm DefineOver(const Operation& op, int bits) {
    registers_->ReleaseDying();
    return Vector(registers_->Define(op.result), bits);
  }
  Reg64 ScratchGeneral() { return Reg64(registers_->Scratch(RegisterClass::kGeneral)); }
  static Xmm Vector(int r, int bits);
  Xbyak::Ymm Whole(int r) const { return avx512_ ? Xbyak::Zmm(r) : Xbyak::Ymm(r); }
  static int VectorBits(const Operation& op) { return op.lanes * (BitWidth(op.element) == 64 ? 64 : 32); }
  // Whether `v` is a constant that fits a sign-extended 32-bit immediate.
  bool IsImmediate(Variable v) const;
  bool IsZero(Variable v) const { return info(v).constant == ConstantKind::kBroadcast32 && info(v).bits == 0; }
  int32_t ImmediateOf(Variable v) const { return static_cast<int32_t>(info(v).bits); }
  // Where to read a vector operand of lanes of `element`: decided now, encoded by At right before
  // the instruction that reads it.
  Source Read(Variable v, ElementType element);
  const Xbyak::Operand& At(const Source& source, int bits);
  Xbyak::RegExp UseAddress(const Address& address);
  Xbyak::Address Data(const VariableInfo& constant, bool broadcast);
  Xbyak::RegExp Slot(int offset);

  const Target target_;
  const bool avx512_;
  const Program* program_ = nullptr;
  Registers* registers_ = nullptr;
  std::vector<CodePoint>* points_ = nullptr;
  int position_ = 0;
  size_t frame_size_at_ = 0;  // where the prologue's frame size stands
  std::vector<OpenLoop> loops_;
  std::vector<DataReference> data_;
  std::vector<UnalignedStore> unaligned_stores_;
  Xmm register_operand_;
  Xbyak::Address memory_operand_{0, false, Xbyak::RegExp()};
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_EMITTER_H_
