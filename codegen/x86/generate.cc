// GenerateXbyak. The only file that meets Xbyak::Error.
#include <memory>
#include <optional>
#include <utility>

#include "codegen/codegen.h"
#include "codegen/legalize.h"
#include "codegen/listing.h"
#include "codegen/x86/emitter.h"
#include "codegen/x86/marks.h"
#include "codegen/x86/selector.h"

namespace skein {
namespace {

constexpr size_t kEntryAlignment = 32;  // as Emitter::EmitKernel aligns

// Bytes of code to make room for.
struct CodeEstimate {
  size_t per_kernel, per_operation, per_loop;

  size_t Bytes(const std::vector<x86::Program>& programs) const {
    size_t bytes = kEntryAlignment;
    for (const x86::Program& program : programs) {
      bytes +=
          per_kernel + program.operations.size() * per_operation + program.loops.size() * per_loop;
    }
    return bytes;
  }
};

// Two to three times what kernels take. Large blocks come from the system and go back to it each
// time, at 30 us of page faults for a kernel of 600 operations.
constexpr CodeEstimate kUsual{.per_kernel = 512, .per_operation = 24, .per_loop = 128};
// No operation takes more: the longest, a division, is about 80 bytes, and each operand may cost a
// spill and a reload of up to 12. A loop's brackets move every register at most once.
constexpr CodeEstimate kMost{.per_kernel = 1024, .per_operation = 256, .per_loop = 4096};

using CodePoints = std::vector<x86::CodePoint>;  // null: nobody wants to know

// Throws Xbyak::Error, among others where `bytes` are too few.
absl::StatusOr<ObjectCode> EmitPrograms(std::span<const NamedNest> nests,
                                        const std::vector<x86::Program>& programs,
                                        const Target& target, CodePoints* points, size_t bytes) {
  // Xbyak aligns addresses, entries are offsets: the same thing only where the buffer is aligned.
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes + kEntryAlignment]);
  uint8_t* const buffer =
      memory.get() + (-reinterpret_cast<uintptr_t>(memory.get())) % kEntryAlignment;
  x86::Emitter emitter(buffer, bytes, target);
  ObjectCode object;
  for (size_t i = 0; i < programs.size(); ++i) {
    const uint32_t begin = static_cast<uint32_t>((emitter.size() + kEntryAlignment - 1) /
                                                 kEntryAlignment * kEntryAlignment);
    if (!emitter.EmitKernel(programs[i], points)) {
      return Unimplemented("x86: ", nests[i].name, ": more operands than registers");
    }
    object.entries.push_back({nests[i].name, begin, static_cast<uint32_t>(emitter.size()) - begin});
  }
  object.code.assign(buffer, buffer + emitter.size());
  object.relocations = emitter.Relocations();
  return object;
}

absl::StatusOr<ObjectCode> EmitPrograms(std::span<const NamedNest> nests,
                                        const std::vector<x86::Program>& programs,
                                        const Target& target, CodePoints* points) {
  for (const CodeEstimate& estimate : {kUsual, kMost}) {
    if (points != nullptr) points->clear();
    try {
      return EmitPrograms(nests, programs, target, points, estimate.Bytes(programs));
    } catch (const Xbyak::Error& error) {
      const bool too_few = static_cast<int>(error) == Xbyak::ERR_CODE_IS_TOO_BIG;
      if (!too_few) return Internal("x86: Xbyak: ", error.what());
    }
  }
  return Internal("x86: Xbyak: the code does not fit");
}

// listing: of a single nest, gets what the code is for; null: nobody wants to know.
absl::StatusOr<ObjectCode> Generate(std::span<const NamedNest> nests, const Target& target, Listing* listing) {
  x86::ConstantPool constants;
  std::vector<x86::Program> programs;
  std::vector<x86::VariableNote> notes;
  std::optional<LoopNestLines> lines;
  for (const NamedNest& named : nests) {
    SKEIN_ASSIGN_OR_RETURN(const LoopNest legal, Legalize(*named.nest, target));
    absl::StatusOr<x86::Program> program =
        x86::Selector(legal, &constants, target.isa, listing != nullptr ? &notes : nullptr).Run();
    if (!program.ok()) return Annotate(program.status(), named.name);
    programs.push_back(*std::move(program));
    if (listing != nullptr) lines.emplace(legal);
  }
  CodePoints points;
  SKEIN_ASSIGN_OR_RETURN(ObjectCode object,
                         EmitPrograms(nests, programs, target, listing != nullptr ? &points : nullptr));
  object.data = constants.Take();
  object.tier = "xbyak";
  if (listing != nullptr) {
    listing->marks = x86::MarksOf(programs[0], notes, points, *lines);
    listing->lines = lines->lines();
  }
  return object;
}

}  // namespace

bool HaveXbyak() { return true; }

absl::StatusOr<ObjectCode> GenerateXbyak(std::span<const NamedNest> nests, const Target& target) {
  return Generate(nests, target, nullptr);
}

absl::StatusOr<Listing> ListXbyak(const NamedNest& nest, const Target& target) {
  Listing listing;
  SKEIN_ASSIGN_OR_RETURN(listing.object, Generate({&nest, 1}, target, &listing));
  return listing;
}

}  // namespace skein
