#include <memory>

#include "absl/strings/str_format.h"
#include "codegen/codegen.h"
#include "codegen/llvm/target_machine.h"
#include "llvm-c/Disassembler.h"
#include "llvm-c/Target.h"

namespace skein {

absl::StatusOr<std::string> Disassemble(const ObjectCode& object, int entry) {
  if (entry < 0 || entry >= static_cast<int>(object.entries.size())) {
    return InvalidArgument("disassemble: entry ", entry, " of ", object.entries.size());
  }
  // Also initializes the target.
  SKEIN_RETURN_IF_ERROR(CreateTargetMachine(Target{}).status());
  // Code of either back end may use more than a Target names; whatever LLVM knows is decoded.
  const std::string features = Features(Target{.vnni = true}) + ",+avx512bf16,+avx512fp16";
  std::unique_ptr<void, void (*)(LLVMDisasmContextRef)> disassembler(
      LLVMCreateDisasmCPUFeatures(kTriple, kCpu, features.c_str(), nullptr, 0, nullptr, nullptr),
      LLVMDisasmDispose);
  if (disassembler == nullptr) return Internal("LLVM has no disassembler for ", kTriple);
  LLVMSetDisasmOptions(disassembler.get(),
                       LLVMDisassembler_Option_AsmPrinterVariant |  // Intel syntax
                           LLVMDisassembler_Option_PrintImmHex);
  const ObjectCode::Entry& function = object.entries[entry];
  std::vector<uint8_t> code(object.code.begin() + function.offset,
                            object.code.begin() + function.offset + function.size);
  std::string text = absl::StrFormat("%s:\n", function.name);
  for (size_t at = 0; at < code.size();) {
    char line[256];
    size_t bytes = LLVMDisasmInstruction(disassembler.get(), code.data() + at, code.size() - at, at,
                                         line, sizeof(line));
    if (bytes == 0) {
      absl::StrAppendFormat(&text, "%6x:\t.byte 0x%02x\n", at, code[at]);
      bytes = 1;
    } else {
      absl::StrAppendFormat(&text, "%6x:%s\n", at, line);
    }
    at += bytes;
  }
  return text;
}

}  // namespace skein
