// LLVM's description of a Target.
#ifndef SKEIN_CODEGEN_LLVM_TARGET_MACHINE_H_
#define SKEIN_CODEGEN_LLVM_TARGET_MACHINE_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "ir/target.h"
#include "llvm/Target/TargetMachine.h"

namespace skein {

inline constexpr char kTriple[] = "x86_64-unknown-linux-gnu";
inline constexpr char kCpu[] = "x86-64-v3";
// What `target` has beyond kCpu, in LLVM's spelling.
std::string Features(const Target& target);

// Keeps the machine for whoever takes one next.
struct ReturnMachine {
  void operator()(llvm::TargetMachine* machine) const;
};
using TargetMachineRef = std::unique_ptr<llvm::TargetMachine, ReturnMachine>;

// Position-independent code, small code model, no fusing of multiplications with additions. The caller's alone until
// it gives it back; the process keeps as many as it ever used at once.
// Initializes LLVM's x86 target on first use; safe from many threads.
absl::StatusOr<TargetMachineRef> TakeTargetMachine(const Target& target);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_TARGET_MACHINE_H_
