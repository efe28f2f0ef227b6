// Where the code of each operation of a Program lies, for listings.
#ifndef SKEIN_CODEGEN_X86_CODE_POINTS_H_
#define SKEIN_CODEGEN_X86_CODE_POINTS_H_

#include <cstdint>
#include <vector>

#include "codegen/x86/program.h"
#include "codegen/x86/registers.h"
#include "xbyak/xbyak.h"

namespace skein::x86 {

// Holds up to the next one.
struct CodePoint {
  uint32_t offset;          // into the object's code
  int operation;            // its position in the program; behind the last: their number
  const char* moves = "";   // what the register allocator does here, if it does
  Variable variable = {};   // to this one
};

// Stands between the register allocator and the emitter, and notes what passes.
class RecordingMover : public Registers::Mover {
 public:
  RecordingMover(Mover* emitter, const Xbyak::CodeArray& code, std::vector<CodePoint>* points)
      : emitter_(emitter), code_(code), points_(points) {}
  void Watch(const Program* program, const Registers* registers) {
    program_ = program;
    registers_ = registers;
  }

  void Spill(RegisterClass c, int from, int offset) override {
    Note("spill of", Held(c, from), [&] { emitter_->Spill(c, from, offset); });
  }
  void Reload(RegisterClass c, int to, int offset) override {
    auto here = [&](Variable v) { return registers_->SpillOffset(v) == offset; };
    Note("reload of", Find(c, here), [&] { emitter_->Reload(c, to, offset); });
  }
  void Materialize(int to, const VariableInfo& constant) override {
    const Variable v(&constant - program_->variables.data());
    Note("constant", v, [&] { emitter_->Materialize(to, constant); });
  }
  void Move(RegisterClass c, int to, int from) override {
    Note("move of", Held(c, from), [&] { emitter_->Move(c, to, from); });
  }
  void Swap(RegisterClass c, int a, int b) override {
    Note("exchange of", Held(c, a), [&] { emitter_->Swap(c, a, b); });
  }

 private:
  template <typename Emit>
  void Note(const char* moves, Variable v, Emit emit) {
    const int operation = points_->back().operation;
    points_->push_back({static_cast<uint32_t>(code_.getSize()), operation, moves, v});
    emit();
    points_->push_back({static_cast<uint32_t>(code_.getSize()), operation});
  }
  Variable Held(RegisterClass c, int r) const {
    return Find(c, [&](Variable v) { return registers_->RegisterOf(v) == r; });
  }
  template <typename Condition>
  Variable Find(RegisterClass c, Condition condition) const {
    for (size_t i = 0; i < program_->variables.size(); ++i) {
      if (program_->variables[i].register_class == c && condition(Variable(i))) return Variable(i);
    }
    return {};
  }

  Mover* const emitter_;
  const Xbyak::CodeArray& code_;
  std::vector<CodePoint>* const points_;
  const Program* program_ = nullptr;
  const Registers* registers_ = nullptr;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_CODE_POINTS_H_
