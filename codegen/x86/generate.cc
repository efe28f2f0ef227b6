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

// More than a kernel takes. The longest operation, a division, is about 80 bytes, and each operand may cost a spill and
// a reload of up to 12. A loop's brackets move every register at most once.
size_t MostBytes(const x86::Program& program) {
  return kEntryAlignment + 1024 + program.operations.size() * 256 + program.loops.size() * 4096;
}

// Memory of this thread for `bytes` of code. Kept: a new block costs page faults, 30 us for a kernel of 600 operations.
// Xbyak aligns addresses, entries are offsets: the same thing only where the buffer is aligned.
uint8_t* Buffer(size_t bytes) {
  thread_local std::unique_ptr<uint8_t[]> memory;
  thread_local size_t room = 0;
  if (room < bytes) {
    memory.reset(new uint8_t[bytes + kEntryAlignment]);
    room = bytes;
  }
  return memory.get() + (-reinterpret_cast<uintptr_t>(memory.get())) % kEntryAlignment;
}

// Emits a kernel behind those of `object`. Throws Xbyak::Error.
absl::Status EmitProgram(const NamedNest& nest, const x86::Program& program, const Target& target,
                         std::vector<x86::CodePoint>* points, ObjectCode* object) {
  const size_t bytes = MostBytes(program);
  uint8_t* const buffer = Buffer(bytes);
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
  try {
    SKEIN_RETURN_IF_ERROR(EmitProgram(nest, *program, target, listing != nullptr ? &points : nullptr, object));
  } catch (const Xbyak::Error& error) {
    return Internal("x86: Xbyak: ", error.what());
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
