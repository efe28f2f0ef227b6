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

using CodePoints = std::vector<x86::CodePoint>;  // null: nobody wants to know

// Throws Xbyak::Error, among others where `bytes` are too few.
absl::StatusOr<ObjectCode> EmitProgram(const NamedNest& nest, const x86::Program& program, const Target& target,
                                       CodePoints* points, size_t bytes) {
  // Xbyak aligns addresses, entries are offsets: the same thing only where the buffer is aligned.
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes + kEntryAlignment]);
  uint8_t* const buffer =
      memory.get() + (-reinterpret_cast<uintptr_t>(memory.get())) % kEntryAlignment;
  x86::Emitter emitter(buffer, bytes, target);
  if (!emitter.EmitKernel(program, points)) {
    return Unimplemented("x86: ", nest.name, ": more operands than registers");
  }
  ObjectCode object;
  object.entries.push_back({nest.name, 0, static_cast<uint32_t>(emitter.size())});
  object.code.assign(buffer, buffer + emitter.size());
  object.relocations = emitter.Relocations();
  return object;
}

absl::StatusOr<ObjectCode> EmitProgram(const NamedNest& nest, const x86::Program& program, const Target& target,
                                       CodePoints* points) {
  for (const CodeEstimate& estimate : {kUsual, kMost}) {
    if (points != nullptr) points->clear();
    try {
      return EmitProgram(nest, program, target, points, estimate.Bytes(program));
    } catch (const Xbyak::Error& error) {
      const bool too_few = static_cast<int>(error) == Xbyak::ERR_CODE_IS_TOO_BIG;
      if (!too_few) return Internal("x86: Xbyak: ", error.what());
    }
  }
  return Internal("x86: Xbyak: the code does not fit");
}

// listing: gets what the code is for; null: nobody wants to know.
absl::StatusOr<ObjectCode> Generate(const NamedNest& nest, const Target& target, Listing* listing) {
  x86::ConstantPool constants;
  std::vector<x86::VariableNote> notes;
  SKEIN_ASSIGN_OR_RETURN(const LoopNest legal, Legalize(*nest.nest, target));
  const absl::StatusOr<x86::Program> program =
      x86::Selector(legal, &constants, target.isa, listing != nullptr ? &notes : nullptr).Run();
  if (!program.ok()) return Annotate(program.status(), nest.name);
  CodePoints points;
  SKEIN_ASSIGN_OR_RETURN(ObjectCode object, EmitProgram(nest, *program, target, listing != nullptr ? &points : nullptr));
  object.data = constants.Take();
  object.tier = "xbyak";
  if (listing != nullptr) {
    const LoopNestLines lines(legal);
    listing->marks = x86::MarksOf(*program, notes, points, lines);
    listing->lines = lines.lines();
  }
  return object;
}

// Puts the kernel of one object behind those of another.
void Append(ObjectCode kernel, ObjectCode* object) {
  constexpr size_t kDataAlignment = 64;
  const auto align = [](std::vector<uint8_t>& bytes, size_t alignment) {
    constexpr uint8_t kTrap = 0xcc;
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, kTrap);
    return static_cast<uint32_t>(bytes.size());
  };
  const uint32_t code = align(object->code, kEntryAlignment), data = align(object->data, kDataAlignment);
  for (ObjectCode::Entry& entry : kernel.entries) {
    entry.offset += code;
    object->entries.push_back(std::move(entry));
  }
  for (ObjectCode::Relocation relocation : kernel.relocations) {
    relocation.offset += code;
    relocation.data_offset += data;
    object->relocations.push_back(relocation);
  }
  object->code.insert(object->code.end(), kernel.code.begin(), kernel.code.end());
  object->data.insert(object->data.end(), kernel.data.begin(), kernel.data.end());
}

}  // namespace

bool HaveXbyak() { return true; }

absl::StatusOr<ObjectCode> GenerateXbyak(std::span<const NamedNest> nests, const Target& target) {
  // One after the other: what belongs to a kernel is in cache while it is made.
  ObjectCode object{.tier = "xbyak"};
  for (const NamedNest& nest : nests) {
    SKEIN_ASSIGN_OR_RETURN(ObjectCode kernel, Generate(nest, target, nullptr));
    Append(std::move(kernel), &object);
  }
  return object;
}

absl::StatusOr<Listing> ListXbyak(const NamedNest& nest, const Target& target) {
  Listing listing;
  SKEIN_ASSIGN_OR_RETURN(listing.object, Generate(nest, target, &listing));
  return listing;
}

}  // namespace skein
