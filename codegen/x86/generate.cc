// GenerateXbyak. The only file that meets Xbyak::Error.
#include <memory>
#include <utility>

#include "codegen/codegen.h"
#include "codegen/legalize.h"
#include "codegen/x86/emitter.h"
#include "codegen/x86/selector.h"

namespace skein {
namespace {

// No operation takes more: the longest, a division, is about 80 bytes, and each operand may cost a
// spill and a reload of up to 12.
constexpr size_t kBytesPerOperation = 256;
constexpr size_t kBytesPerKernel = 1024;
constexpr size_t kEntryAlignment = 32;  // as Emitter::EmitKernel aligns

// Sum over loops of what their brackets may move: every register once.
size_t BracketBytes(const x86::Program& program) { return program.loops.size() * 4096; }

absl::StatusOr<ObjectCode> EmitPrograms(std::span<const NamedNest> nests,
                                        const std::vector<x86::Program>& programs,
                                        x86::ConstantPool& constants, const Target& target) {
  size_t bytes = 0;
  for (const x86::Program& program : programs) {
    bytes +=
        kBytesPerKernel + program.operations.size() * kBytesPerOperation + BracketBytes(program);
  }
  // Xbyak aligns addresses, entries are offsets: the same thing only where the buffer is aligned.
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes + kEntryAlignment]);
  uint8_t* const buffer =
      memory.get() + (-reinterpret_cast<uintptr_t>(memory.get())) % kEntryAlignment;
  ObjectCode object;
  try {
    x86::Emitter emitter(buffer, bytes, target);
    for (size_t i = 0; i < programs.size(); ++i) {
      const uint32_t begin = static_cast<uint32_t>((emitter.size() + kEntryAlignment - 1) /
                                                   kEntryAlignment * kEntryAlignment);
      if (!emitter.EmitKernel(programs[i])) {
        return Unimplemented("x86: ", nests[i].name,
                             " carries more values than there are registers");
      }
      object.entries.push_back(
          {nests[i].name, begin, static_cast<uint32_t>(emitter.size()) - begin});
    }
    object.code.assign(buffer, buffer + emitter.size());
    object.relocations = emitter.Relocations();
  } catch (const Xbyak::Error& error) {
    return Internal("x86: Xbyak: ", error.what());
  }
  object.data = constants.Take();
  return object;
}

}  // namespace

bool HaveXbyak() { return true; }

absl::StatusOr<ObjectCode> GenerateXbyak(std::span<const NamedNest> nests, const Target& target) {
  if (target.isa != Isa::kAvx512) return Unimplemented("x86: no code for targets without AVX-512");
  x86::ConstantPool constants;
  std::vector<x86::Program> programs;
  for (const NamedNest& named : nests) {
    SKEIN_ASSIGN_OR_RETURN(const LoopNest legal, Legalize(*named.nest, target));
    absl::StatusOr<x86::Program> program = x86::Selector(legal, &constants).Run();
    if (!program.ok()) return Annotate(program.status(), named.name);
    programs.push_back(*std::move(program));
  }
  return EmitPrograms(nests, programs, constants, target);
}

}  // namespace skein
