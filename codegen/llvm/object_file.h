// An ELF object that LLVM wrote -> ObjectCode.
#ifndef SKEIN_CODEGEN_LLVM_OBJECT_FILE_H_
#define SKEIN_CODEGEN_LLVM_OBJECT_FILE_H_

#include <span>
#include <string>

#include "base/status.h"
#include "codegen/object_code.h"
#include "llvm/ADT/StringRef.h"

namespace skein {

// Takes .text as the code, joins the .rodata sections into the data, and translates the relocations
// of the code, which all must be 32-bit, pc-relative and into the data.
//   elf: the bytes of the file.   names: of the entries, in order; global functions of the object.
// Errors: Internal for anything else in the object: other sections with content, relocations of
// data, undefined symbols (calls).
absl::StatusOr<ObjectCode> ParseObjectFile(llvm::StringRef elf, std::span<const std::string> names);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_OBJECT_FILE_H_
