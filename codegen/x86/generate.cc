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

  size_t Bytes(const x86::Program& program) const {
    return kEntryAlignment + per_kernel + program.operations.size() * per_operation +
           program.loops.size() * per_loop;
  }
};

// Two to three times what kernels take. Large blocks come from the system and go back to it each
// time, at 30 us of page faults for a kernel of 600 operations.
constexpr CodeEstimate kUsual{.per_kernel = 512, .per_operation = 24, .per_loop = 128};
// No operation takes more: the longest, a division, is about 80 bytes, and each operand may cost a
// spill and a reload of up to 12. A loop's brackets move every register at most once.
constexpr CodeEstimate kMost{.per_kernel = 1024, .per_operation = 256, .per_loop = 4096};

// Emits a kernel behind those of `object`. Throws Xbyak::Error, among others where `bytes` are too few.
absl::Status EmitProgram(const NamedNest& nest, const x86::Program& program, const Target& target, size_t bytes,
                         std::vector<x86::CodePoint>* points, ObjectCode* object) {
  // Xbyak aligns addresses, entries are offsets: the same thing only where the buffer is aligned.
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes + kEntryAlignment]);
  uint8_t* const buffer =
      memory.get() + (-reinterpret_cast<uintptr_t>(memory.get())) % kEntryAlignment;
  x86::Emitter emitter(buffer, bytes, target);
  if (!emitter.EmitKernel(program, points)) {
    return Unimplemented("x86: ", nest.name, ": more operands than registers");
  }
  constexpr uint8_t kTrap = 0xcc;
  object->code.resize((object->code.size() + kEntryAlignment - 1) / kEntryAlignment * kEntryAlignment, kTrap);
  const uint32_t offset = static_cast<uint32_t>(object->code.size());
  object->entries.push_back({nest.name, offset, static_cast<uint32_t>(emitter.size())});
  object->code.insert(object->code.end(), buffer, buffer + emitter.size());
  emitter.AddRelocations(offset, &object->relocations);
  return absl::OkStatus();
}

// listing: gets what the code is for; null: nobody wants to know.
absl::Status Generate(const NamedNest& nest, const Target& target, x86::ConstantPool* constants, ObjectCode* object,
                      Listing* listing) {
  std::vector<x86::VariableNote> notes;
  std::vector<x86::CodePoint> points;
  SKEIN_ASSIGN_OR_RETURN(const LoopNest legal, Legalize(*nest.nest, target));
  const absl::StatusOr<x86::Program> program =
      x86::Selector(legal, constants, target.isa, listing != nullptr ? &notes : nullptr).Run();
  if (!program.ok()) return Annotate(program.status(), nest.name);
  for (const CodeEstimate* estimate : {&kUsual, &kMost}) {
    points.clear();
    try {
      SKEIN_RETURN_IF_ERROR(EmitProgram(nest, *program, target, estimate->Bytes(*program),
                                        listing != nullptr ? &points : nullptr, object));
      break;
    } catch (const Xbyak::Error& error) {
      const bool too_few = static_cast<int>(error) == Xbyak::ERR_CODE_IS_TOO_BIG && estimate != &kMost;
      if (!too_few) return Internal("x86: Xbyak: ", error.what());
    }
  }
  if (listing == nullptr) return absl::OkStatus();
  const LoopNestLines lines(legal);
  listing->marks = x86::MarksOf(*program, notes, points, lines);
  listing->lines = lines.lines();
  return absl::OkStatus();
}

}  // namespace

bool HaveXbyak() { return true; }

absl::StatusOr<ObjectCode> GenerateXbyak(std::span<const NamedNest> nests, const Target& target) {
  // One after the other: what belongs to a kernel is in cache while it is made.
  ObjectCode object{.tier = "xbyak"};
  x86::ConstantPool constants;
  for (const NamedNest& nest : nests) {
    SKEIN_RETURN_IF_ERROR(Generate(nest, target, &constants, &object, nullptr));
  }
  object.data = constants.Take();
  return object;
}

absl::StatusOr<Listing> ListXbyak(const NamedNest& nest, const Target& target) {
  Listing listing{.object = {.tier = "xbyak"}};
  x86::ConstantPool constants;
  SKEIN_RETURN_IF_ERROR(Generate(nest, target, &constants, &listing.object, &listing));
  listing.object.data = constants.Take();
  return listing;
}

}  // namespace skein
