// LoopNest + Target -> machine code. Two back ends over the same IR, with bit-identical results.
#ifndef SKEIN_CODEGEN_CODEGEN_H_
#define SKEIN_CODEGEN_CODEGEN_H_

#include <span>
#include <string>

#include "base/status.h"
#include "codegen/object_code.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

struct NamedNest {
  const LoopNest* nest;
  std::string name;  // a C identifier
};

// One object with one entry per nest, in order. Nests are verified, not yet legalized.
// Errors: Unimplemented if the back end cannot take one (naming the opcode and why); Internal for a
// fault inside LLVM or Xbyak. LLVM has a compile-time budget a kernel: ObjectCode::Entry::in_a_hurry.
absl::StatusOr<ObjectCode> GenerateLlvm(std::span<const NamedNest> nests, const Target& target);
absl::StatusOr<ObjectCode> GenerateXbyak(std::span<const NamedNest> nests, const Target& target);

// Makes the function-local statics that LLVM needs all through a module (microseconds): whatever std::atexit() is given
// after this is run before they are destroyed.
void MakeLlvmStatics();

bool HaveLlvm();   // built with -DSKEIN_LLVM=ON
bool HaveXbyak();  // built with -DSKEIN_XBYAK=ON

// Text for `skein dump`: optimized LLVM IR, and assembly of either tier (LLVM's disassembler for both
// where LLVM is built in, else a hex dump).
absl::StatusOr<std::string> LlvmIrText(const NamedNest& nest, const Target& target);
absl::StatusOr<std::string> Disassemble(const ObjectCode& object, int entry);

// The best ISA of this machine: none if it has not even AVX2 + FMA.
absl::StatusOr<Target> HostTarget();

}  // namespace skein

#endif  // SKEIN_CODEGEN_CODEGEN_H_
