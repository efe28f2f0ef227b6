#include "codegen/llvm/object_file.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "codegen/llvm/llvm_status.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFObjectFile.h"

namespace skein {
namespace {

using llvm::object::ELF64LEObjectFile;
using llvm::object::ELFSectionRef;
using llvm::object::ELFSymbolRef;
using llvm::object::SectionRef;

constexpr char kParsing[] = "reading its object file";

#define SKEIN_LLVM_ASSIGN_OR_RETURN(lhs, expr) \
  SKEIN_LLVM_ASSIGN_OR_RETURN_IMPL(SKEIN_CONCAT_(expected_, __LINE__), lhs, expr)
#define SKEIN_LLVM_ASSIGN_OR_RETURN_IMPL(expected, lhs, expr)     \
  auto expected = (expr);                                         \
  if (!expected) return ToStatus(expected.takeError(), kParsing); \
  lhs = std::move(*expected)

class ObjectParser {
 public:
  explicit ObjectParser(const ELF64LEObjectFile& file) : file_(file) {}

  absl::StatusOr<ObjectCode> Parse(std::span<const std::string> names) {
    SKEIN_RETURN_IF_ERROR(PlaceSections());
    SKEIN_RETURN_IF_ERROR(FindEntries(names));
    SKEIN_RETURN_IF_ERROR(TranslateRelocations());
    return std::move(object_);
  }

 private:
  absl::Status PlaceSections() {
    for (const SectionRef& section : file_.sections()) {
      const uint64_t flags = ELFSectionRef(section).getFlags();
      if ((flags & llvm::ELF::SHF_ALLOC) == 0 || section.getSize() == 0) continue;
      SKEIN_LLVM_ASSIGN_OR_RETURN(const llvm::StringRef name, section.getName());
      SKEIN_LLVM_ASSIGN_OR_RETURN(const llvm::StringRef contents, section.getContents());
      if (name == ".text") {
        text_ = section.getIndex();
        object_.code.assign(contents.bytes_begin(), contents.bytes_end());
      } else if (name.starts_with(".rodata") && (flags & llvm::ELF::SHF_WRITE) == 0) {
        const uint64_t align = section.getAlignment().value();
        if (align > 64) return Internal("LLVM: section ", name.str(), " is aligned to ", align);
        object_.data.resize((object_.data.size() + align - 1) / align * align);
        data_offset_[section.getIndex()] = static_cast<uint32_t>(object_.data.size());
        object_.data.insert(object_.data.end(), contents.bytes_begin(), contents.bytes_end());
      } else {
        return Internal("LLVM: a kernel needs section ", name.str());
      }
    }
    return absl::OkStatus();
  }

  absl::Status FindEntries(std::span<const std::string> names) {
    absl::flat_hash_map<std::string, ObjectCode::Entry> functions;
    for (const ELFSymbolRef symbol : file_.symbols()) {
      if (symbol.getELFType() != llvm::ELF::STT_FUNC) continue;
      SKEIN_LLVM_ASSIGN_OR_RETURN(const llvm::StringRef name, symbol.getName());
      SKEIN_LLVM_ASSIGN_OR_RETURN(const uint64_t value, symbol.getValue());
      functions[name.str()] = {name.str(), static_cast<uint32_t>(value),
                               static_cast<uint32_t>(symbol.getSize())};
    }
    for (const std::string& name : names) {
      const auto found = functions.find(name);
      if (found == functions.end()) return Internal("LLVM: function ", name, " is missing");
      object_.entries.push_back(found->second);
    }
    return absl::OkStatus();
  }

  absl::Status TranslateRelocations() {
    for (const SectionRef& section : file_.sections()) {
      if (section.relocation_begin() == section.relocation_end()) continue;
      SKEIN_LLVM_ASSIGN_OR_RETURN(const auto target, section.getRelocatedSection());
      if (target == file_.section_end()) continue;
      const bool allocated = (ELFSectionRef(*target).getFlags() & llvm::ELF::SHF_ALLOC) != 0;
      if (!allocated) continue;
      if (target->getIndex() != text_) return Internal("LLVM: relocations outside the code");
      for (const llvm::object::ELFRelocationRef relocation : section.relocations()) {
        SKEIN_RETURN_IF_ERROR(TranslateRelocation(relocation));
      }
    }
    return absl::OkStatus();
  }

  absl::Status TranslateRelocation(const llvm::object::ELFRelocationRef& relocation) {
    const ELFSymbolRef symbol = *relocation.getSymbol();
    SKEIN_LLVM_ASSIGN_OR_RETURN(const auto section, symbol.getSection());
    const auto place = section == file_.section_end() ? data_offset_.end()
                                                      : data_offset_.find(section->getIndex());
    if (relocation.getType() != llvm::ELF::R_X86_64_PC32 || place == data_offset_.end()) {
      SKEIN_LLVM_ASSIGN_OR_RETURN(const llvm::StringRef name, symbol.getName());
      return Internal("LLVM: relocation of type ", relocation.getType(), " to symbol '", name.str(),
                      "' (generated code must call nothing)");
    }
    SKEIN_LLVM_ASSIGN_OR_RETURN(const uint64_t value, symbol.getValue());
    SKEIN_LLVM_ASSIGN_OR_RETURN(const int64_t addend, relocation.getAddend());
    object_.relocations.push_back({static_cast<uint32_t>(relocation.getOffset()),
                                   place->second + static_cast<uint32_t>(value),
                                   static_cast<int32_t>(addend)});
    return absl::OkStatus();
  }

  const ELF64LEObjectFile& file_;
  ObjectCode object_;
  std::optional<uint64_t> text_;
  absl::flat_hash_map<uint64_t, uint32_t> data_offset_;  // of each .rodata section, by its index
};

}  // namespace

absl::StatusOr<ObjectCode> ParseObjectFile(llvm::StringRef elf,
                                           std::span<const std::string> names) {
  auto file = ELF64LEObjectFile::create(llvm::MemoryBufferRef(elf, "kernels"));
  if (!file) return ToStatus(file.takeError(), kParsing);
  return ObjectParser(*file).Parse(names);
}

}  // namespace skein
