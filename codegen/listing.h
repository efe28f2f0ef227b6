// Machine code of either tier with the LoopNest operation beside each instruction.
#ifndef SKEIN_CODEGEN_LISTING_H_
#define SKEIN_CODEGEN_LISTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "codegen/codegen.h"

namespace skein {

// What the code from `offset` up to the next mark is for.
struct CodeMark {
  uint32_t offset;   // from the kernel's first byte
  int line = -1;     // of the nest's text; -1: none
  std::string note;  // what it does besides: "spill of %9"; empty: it computes the line
};

struct Listing {
  ObjectCode object;               // of one kernel: the bytes that Generate... gives for it
  std::vector<std::string> lines;  // the legalized nest, which is what back ends read
  std::vector<CodeMark> marks;     // by offset
};

// Errors: as GenerateXbyak, GenerateLlvm.
absl::StatusOr<Listing> ListXbyak(const NamedNest& nest, const Target& target);
absl::StatusOr<Listing> ListLlvm(const NamedNest& nest, const Target& target);

struct Instruction {
  uint32_t offset, bytes;  // from the entry's first byte
  std::string text;        // "\tvaddps\tzmm0, zmm1, zmm2", Intel syntax
};
// The instructions of an entry. Errors: Unimplemented in a library without LLVM, whose disassembler it is.
absl::StatusOr<std::vector<Instruction>> Decode(const ObjectCode& object, int entry);

// One instruction a line, with the line of the nest that it computes where that changes, and what that line
// reads that has no instruction of its own. Without LLVM, bytes in place of instructions.
absl::StatusOr<std::string> ListingText(const Listing& listing);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LISTING_H_
