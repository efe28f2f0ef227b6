// Shuffles that one instruction does without indices in a register.
#ifndef SKEIN_CODEGEN_X86_FIXED_SHUFFLE_H_
#define SKEIN_CODEGEN_X86_FIXED_SHUFFLE_H_

#include <optional>
#include <span>

#include "codegen/x86/program.h"

namespace skein::x86 {

struct FixedShuffle {
  ShuffleBy by;
  int immediate;
  bool swapped;  // the second register comes first
};

// The instruction that makes lane i of 32 bits from lane from[i] of two registers of `lanes` (8 or 16) each: of a, or
// past those of b, or -1 for anything. `same`: a and b are one register. `splats`: bit 0 if a's lanes are all alike, bit 1 if b's.
std::optional<FixedShuffle> FindFixedShuffle(std::span<const int> from, int lanes, bool same, int splats = 0);

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_FIXED_SHUFFLE_H_
