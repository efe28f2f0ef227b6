// Program -> machine code for AVX-512 or AVX2, one operation after another. The only header that includes
// Xbyak.
#ifndef SKEIN_CODEGEN_X86_EMITTER_H_
#define SKEIN_CODEGEN_X86_EMITTER_H_

#include <memory>
#include <vector>

#include "codegen/object_code.h"
#include "codegen/x86/code_points.h"
#include "codegen/x86/liveness.h"
#include "codegen/x86/program.h"
#include "codegen/x86/registers.h"
#include "ir/target.h"
#include "xbyak/xbyak.h"

namespace skein::x86 {

// Emits kernels one after another into a buffer of its caller. Throws Xbyak::Error, only.
class Emitter : private Xbyak::CodeGenerator, private Registers::Mover {
 public:
  Emitter(uint8_t* buffer, size_t bytes, const Target& target)
      : CodeGenerator(bytes, buffer), target_(target), avx512_(target.isa == Isa::kAvx512) {}

  // Appends a kernel. False if an operation wants more registers than there are.
  //   points: gets what the code is for, if not null.
  bool EmitKernel(const Program& program, std::vector<CodePoint>* points = nullptr);

  size_t size() const { return getSize(); }
  std::vector<ObjectCode::Relocation> Relocations() const;

 private:
  using Xmm = Xbyak::Xmm;
  using Reg64 = Xbyak::Reg64;
  using Opmask = Xbyak::Opmask;

  // A vector operand that may be in memory: a constant, perhaps broadcast, or a variable in the frame.
  struct Source {
    int in_register = -1;
    Variable in_memory;
  };
  struct Labels {
    Xbyak::Label header, exit;
  };
  struct DataReference {
    size_t instruction;  // where it starts
    uint32_t data_offset;
  };

  // --- emitter.cc: structure and register moves ---
  void EmitOperation(const Operation& op);
  void Prologue();
  void Epilogue();
  void Entry();
  void LoopBegin(const Operation& op);
  void LoopEnd(const Operation& op);
  void CompareWithLimit(const Reg64& index, Variable limit);
  void Spill(RegisterClass c, int from, int offset) override;
  void Reload(RegisterClass c, int to, int offset) override;
  void Materialize(int to, const VariableInfo& constant) override;
  void Move(RegisterClass c, int to, int from) override;
  void Swap(RegisterClass c, int a, int b) override;

  // --- emit_general.cc ---
  bool EmitGeneralOperation(const Operation& op);  // false: not of this kind
  void General(const Operation& op);
  void Multiply(const Operation& op);
  void GeneralMinMax(const Operation& op);
  void GeneralShift(const Operation& op);
  void Divide(const Operation& op);
  void FloorDivide(const Operation& op, bool modulo);
  void ClampGeneral(const Operation& op);
  void SetStatus(const Reg64& args, int64_t bit);
  void CompareGeneral(Variable a, Variable b);
  void SetByte(Opcode op, bool is_unsigned);

  // --- emit_mask.cc ---
  bool EmitMaskOperation(const Operation& op);
  void LaneMask(const Operation& op);
  void MaskReduce(const Operation& op);

  // --- emit_vector.cc ---
  bool EmitVectorOperation(const Operation& op);
  void Elementwise(const Operation& op);
  void Arithmetic(Opcode opcode, ElementType element, const Xmm& d, const Xmm& a,
                  const Xbyak::Operand& b);
  void ArithmeticUnary(Opcode opcode, ElementType element, const Xmm& d, const Xmm& a);
  void Fma(const Operation& op);
  void ShiftImmediate(const Operation& op);
  void Compare(const Operation& op);
  static uint8_t Predicate(Opcode op);  // of vcmpps and vpcmpd, which agree
  void Blend(const Operation& op);
  void Convert(const Operation& op);
  void Shuffle(const Operation& op);
  void Permute(const Operation& op);
  void Dot4(const Operation& op);
  void InsertGeneral(const Operation& op);
  void ClampVector(const Operation& op);

  // --- emit_memory.cc ---
  bool EmitMemoryOperation(const Operation& op);
  void Load(const Operation& op);
  void LoadScalar(const Operation& op, const Xmm& to, const Xbyak::RegExp& at);
  void Store(const Operation& op);
  void StoreScalar(const Operation& op, const Xbyak::RegExp& at);
  void StreamingStore(const Xmm& value, const Xbyak::RegExp& at);
  void LoadNibbles(const Operation& op);
  void LoadLane(const Operation& op);
  void LoadLaneElement(const Operation& op, const Xbyak::RegExp& at);
  void StoreLane(const Operation& op);
  void StoreNibble(const Operation& op, const Reg64& shift, const Reg64& mask);
  void Gather(const Operation& op);
  void Scatter(const Operation& op);

  // --- emit_avx2.cc: where AVX2 needs other instructions ---
  bool EmitAvx2Operation(const Operation& op);  // false: the same as AVX-512
  void CompareAvx2(const Operation& op);
  void BlendAvx2(const Operation& op);
  void PermuteAvx2(const Operation& op);
  bool ConvertAvx2(const Operation& op);
  void ClampVectorAvx2(const Operation& op);
  void StoreAvx2(const Operation& op);
  void MoveNarrowLanes(const Operation& op, const Xmm& mask, const Xmm& value);
  void PackAvx2(const Operation& op, const Xmm& to, const Xmm& value);
  void LoadLaneAvx2(const Operation& op);
  void StoreLaneAvx2(const Operation& op);

  // --- operands ---
  const VariableInfo& info(Variable v) const { return program_->info(v); }
  Reg64 UseGeneral(Variable v) { return Reg64(registers_->Use(v)); }
  Opmask UseMask(Variable v) { return Opmask(registers_->Use(v)); }
  Xmm UseVector(Variable v, int bits) { return Vector(registers_->Use(v), bits); }
  static Xmm Vector(int r, int bits);
  Xbyak::Ymm Whole(int r) const { return avx512_ ? Xbyak::Zmm(r) : Xbyak::Ymm(r); }
  static int VectorBits(const Operation& op);
  // Whether `v` is a constant that fits a sign-extended 32-bit immediate.
  bool IsImmediate(Variable v) const;
  int32_t ImmediateOf(Variable v) const { return static_cast<int32_t>(info(v).bits); }
  // Where to read a vector operand of lanes of `element`: decided now, encoded by At right before
  // the instruction that reads it.
  Source Read(Variable v, ElementType element);
  const Xbyak::Operand& At(const Source& source, int bits);
  Xbyak::RegExp UseAddress(const Address& address);
  Xbyak::Address Data(const VariableInfo& constant, bool broadcast);
  Xbyak::RegExp Slot(int offset);
  Xbyak::RegExp OwnBytes();  // 32 bytes of the frame for the use of one operation

  const Target target_;
  const bool avx512_;
  const Program* program_ = nullptr;
  Registers* registers_ = nullptr;
  int position_ = 0;
  bool streams_ = false;
  size_t frame_size_at_ = 0;  // where the prologue's frame size stands
  std::vector<std::unique_ptr<Labels>> labels_;
  std::vector<DataReference> data_;
  Xmm register_operand_;
  Xbyak::Address memory_operand_{0, false, Xbyak::RegExp()};
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_EMITTER_H_
