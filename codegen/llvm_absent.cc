// The LLVM back end's part of codegen.h in a library that is built without it.
#include "codegen/codegen.h"

#if !SKEIN_HAVE_LLVM

#include "codegen/listing.h"

namespace skein {

bool HaveLlvm() { return false; }

void MakeLlvmStatics() {}

absl::StatusOr<ObjectCode> GenerateLlvm(std::span<const NamedNest>, const Target&) {
  return Unimplemented("this library is built without LLVM");
}

absl::StatusOr<std::string> LlvmIrText(const NamedNest&, const Target&) {
  return Unimplemented("this library is built without LLVM");
}

absl::StatusOr<Listing> ListLlvm(const NamedNest&, const Target&) {
  return Unimplemented("this library is built without LLVM");
}

absl::StatusOr<std::vector<Instruction>> Decode(const ObjectCode&, int) {
  return Unimplemented("no disassembler: this library is built without LLVM");
}

}  // namespace skein

#endif  // !SKEIN_HAVE_LLVM
