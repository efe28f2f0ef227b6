// Register allocation, during emission: one walk over the program, in which variables move into registers when they are
// wanted and leave them, furthest next use first, when room is short. See REGISTERS.md.
//
// For every operation the emitter calls Begin, then Use (operands), Scratch (temporaries), ReleaseDying, Define or
// Overwrite (the result), then End. Registers used, scratch or defined since Begin are never taken away before End.
#ifndef SKEIN_CODEGEN_X86_REGISTERS_H_
#define SKEIN_CODEGEN_X86_REGISTERS_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "codegen/x86/liveness.h"
#include "codegen/x86/program.h"

namespace skein::x86 {

class Registers {
 public:
  // What moving variables about takes of machine code.
  struct Movement {
    enum class Kind : uint8_t { kSpill, kReload, kConstant, kMove, kExchange };
    Kind kind;
    Variable variable;  // `variable`'s class is that of the registers
    int to;             // a register; kSpill: bytes from the frame's start
    int from = -1;      // likewise; kReload: bytes from the frame's start
  };
  class Mover {
   public:
    virtual ~Mover() = default;
    virtual void Perform(const Movement& movement) = 0;
  };

  // allocatable: by class, a bit for each register.
  Registers(const Program& program, const Liveness& liveness,
            const std::array<uint32_t, kClassCount>& allocatable, Mover* mover);

  void Begin(int position);
  // The register that holds `v`, loaded if need be.
  int Use(Variable v);
  // Counts as a use without needing a register: the emitter reads `v` where it is.
  void UseInPlace(Variable v) { touched_.push_back(v); }
  bool InRegister(Variable v) const { return state_[v.index].in_register >= 0; }
  int RegisterOf(Variable v) const { return state_[v.index].in_register; }
  bool IsFull(RegisterClass c) const { return now_.free[static_cast<int>(c)] == 0; }
  int SpillOffset(Variable v) const { return state_[v.index].offset; }  // of a spilled variable
  // A register for use until End.
  int Scratch(RegisterClass c);
  // Operands that are not read any more give up their registers to the result.
  void ReleaseDying();
  int Define(Variable v);
  // A register for `result` that starts with the value of `operand`: the operand's own if this is
  // its last use, else a copy.
  int Overwrite(Variable result, Variable operand);
  // Whether nobody reads `v` any more; never true of a constant.
  bool Dies(Variable v) const { return state_[v.index].last_use <= position_; }
  void End();
  // `v` is defined by the caller's hand in register `r`.
  void Bind(Variable v, int r);

  // The stations of a loop. BeginLoop puts the initial values into the arguments' registers and makes room. What is in
  // registers then is so again at the exit, taken or not. EnterBody loads what the body will want; EndBody makes
  // everything as EnterBody left it, with the yields in the arguments' registers; LeaveLoop goes back to the state of
  // BeginLoop, results in the arguments' registers.
  void BeginLoop(int loop);
  void EnterBody(int loop);
  void EndBody(int loop);
  void LeaveLoop(int loop);

  int frame_bytes() const { return frame_bytes_; }
  // An operation wanted more registers than there are: the code is no good.
  bool overflowed() const { return overflowed_; }

 private:
  struct VariableState {
    RegisterClass register_class = RegisterClass::kGeneral;
    int8_t in_register = -1;
    int8_t hint = -1;
    bool spilled = false;  // its value is in the frame at `offset`
    bool pinned = false;   // an argument that lives there: keeps its slot for the next trip
    Variable next_of;      // the argument that lives there whose next value this is
    int32_t offset = -1;
    int32_t next_use = 0;  // index into the liveness's uses
    int32_t last_use = -1;  // as the liveness says
  };
  // What is in registers. `holder` counts where `free` has no bit.
  struct Contents {
    std::array<std::array<Variable, 32>, kClassCount> holder;
    std::array<uint32_t, kClassCount> free;
  };
  struct OpenLoop {
    Contents at_exit, at_header;
    std::vector<int8_t> argument_registers;  // -1: lives in the frame
    size_t spills_before = 0;
  };
  // A register that gets the value of another one of its class, of the frame, or of a constant.
  struct Transfer {
    RegisterClass c;
    int to;
    int from;  // -1: not in a register
    Variable source;
  };

  RegisterClass ClassOf(Variable v) const { return state_[v.index].register_class; }
  int NextUse(Variable v);
  int Take(RegisterClass c, int hint);
  void Evict(RegisterClass c, int r);
  void SpillIfNeeded(Variable v);
  bool HasHome(const VariableState& s) const;
  void Hold(RegisterClass c, int r, Variable v);
  void Free(Variable v);
  void Fetch(Variable v, int to);
  int FrameSlot(RegisterClass c);
  void StartInFrame(Variable argument, Variable init);
  void CopyToFrame(Variable source, int offset);
  std::vector<std::pair<Variable, int>> YieldToFrame(const Loop& loop);
  void MakeRoom(int loop, RegisterClass c);
  void Preload(int loop, bool constants, std::array<int, kClassCount>& room);
  template <typename Visit>  // (RegisterClass, register, Variable)
  void VisitHeld(const Contents& contents, Visit visit) const;
  void Restore(const Contents& contents);
  void MoveAll(std::vector<Transfer>& moves);

  const Program& program_;
  const Liveness& liveness_;
  const std::array<uint32_t, kClassCount> allocatable_;
  Mover* mover_;
  Recycled<VariableState> state_;
  Contents now_;
  std::array<uint32_t, kClassCount> locked_{};
  std::array<uint32_t, kClassCount> scratch_{};
  Recycled<Variable> touched_;
  Recycled<OpenLoop> open_;
  Recycled<Variable> spills_;  // in order; undone when a loop is left
  Recycled<int> mark_;         // scratch set of variables
  int mark_stamp_ = 0;
  std::array<std::vector<int>, kClassCount> free_slots_;
  int position_ = 0;
  int frame_bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_REGISTERS_H_
