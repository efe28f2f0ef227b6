#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "codegen/listing.h"
#include "codegen/llvm/target_machine.h"
#include "llvm-c/Disassembler.h"
#include "llvm-c/Target.h"

namespace skein {
namespace {

// "\tjl\t-204" -> "\tjl\t1a0", the offset jumped to.
void ShowTarget(Instruction& jump) {
  const size_t operand = jump.text.rfind('\t') + 1;
  int64_t distance;
  if (!absl::SimpleAtoi(jump.text.substr(operand), &distance)) return;
  jump.text.resize(operand);
  absl::StrAppendFormat(&jump.text, "%x", jump.offset + jump.bytes + distance);
}

}  // namespace

absl::StatusOr<std::vector<Instruction>> Decode(const ObjectCode& object, int entry) {
  // Also initializes the target.
  SKEIN_RETURN_IF_ERROR(TakeTargetMachine(Target{}).status());
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
  std::vector<Instruction> instructions;
  for (size_t at = 0; at < code.size();) {
    char text[256];
    size_t bytes = LLVMDisasmInstruction(disassembler.get(), code.data() + at, code.size() - at, at,
                                         text, sizeof(text));
    Instruction& next = instructions.emplace_back();
    next.text = bytes != 0 ? text : absl::StrFormat("\t.byte 0x%02x", code[at]);
    if (bytes == 0) bytes = 1;
    next.offset = static_cast<uint32_t>(at);
    next.bytes = static_cast<uint32_t>(bytes);
    if (next.text.starts_with("\tj")) ShowTarget(next);
    at += bytes;
  }
  return instructions;
}

}  // namespace skein
