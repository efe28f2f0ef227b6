#include "codegen/gdb_symbols.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

// The names and layouts of GDB's interface.
extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};

struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;  // of jit_actions_t
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

// Attaching, GDB reads the list without any call.
__attribute__((visibility("hidden"), used))
jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};

// GDB stops here. The assembly keeps the call from being seen to do nothing.
__attribute__((visibility("hidden"), noinline, used)) void __jit_debug_register_code() {
  asm volatile("" ::: "memory");
}

}  // extern "C"

namespace skein {
namespace {

enum Action : uint32_t { kRegister = 1, kUnregister = 2 };

std::mutex& ListMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

void TellGdb(Action action, jit_code_entry* entry) {
  __jit_debug_descriptor.action_flag = action;
  __jit_debug_descriptor.relevant_entry = entry;
  __jit_debug_register_code();
}

template <typename T>
void Append(std::string* bytes, const T& value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// --- call frames ---

// Numbers of DWARF for the registers rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi of machine code; r8 to
// r15 and the return address (16) are their own.
constexpr uint8_t kDwarfNumber[] = {0, 2, 1, 3, 7, 6, 4, 5};
constexpr uint8_t kRax = 0, kRbx = 3, kRbp = 6, kRsp = 7, kReturnAddress = 16;
// DWARF 4, figures 24 and 40.
enum Dwarf : uint8_t {
  kAdvance = 0x40,  // | code bytes
  kOffset = 0x80,   // | register
  kDefineCfa = 0x0c,
  kDefineCfaExpression = 0x0f,
  kDereference = 0x06,
  kPlusConstant = 0x23,
  kBaseRegister = 0x70,  // + register
};

constexpr uint64_t kReturnAddressBytes = 8;

void AppendUnsigned(std::string* bytes, uint64_t value) {
  for (; value >= 128; value >>= 7) bytes->push_back(static_cast<char>(value | 128));
  bytes->push_back(static_cast<char>(value));
}

// Follows the canonical frame address (the caller's rsp) through a prologue.
class PrologueReader {
 public:
  explicit PrologueReader(std::span<const uint8_t> code) : code_(code) {}

  std::string Run() {
    while (AskForTiles() || Push() || MoveStackPointer() || Allocate() || SaveStackPointer()) {
    }
    return std::move(text_);
  }

 private:
  template <size_t n>
  bool Next(const std::array<uint8_t, n>& bytes) const {
    return code_.size() - at_ >= n && std::equal(bytes.begin(), bytes.end(), code_.begin() + at_);
  }
  // The instruction of `bytes` bytes is done; what is appended next holds after it.
  void Advance(size_t bytes) {
    at_ += bytes;
    text_.push_back(static_cast<char>(kAdvance | bytes));
  }
  void DefineCfa() {
    text_.push_back(kDefineCfa);
    text_.push_back(static_cast<char>(base_));
    AppendUnsigned(&text_, base_ == kRsp ? depth_ : base_depth_);
  }

  // cmp rsi, rdx or jge: LLVM may leave a kernel without tiles before it has pushed anything.
  bool AskForTiles() {
    if (depth_ > kReturnAddressBytes) return false;
    const size_t bytes = Next<3>({0x48, 0x39, 0xd6}) ? 3
                         : Next<1>({0x7d})           ? 2
                         : Next<2>({0x0f, 0x8d})     ? 6
                                                     : 0;
    if (bytes == 0 || code_.size() - at_ < bytes) return false;
    Advance(bytes);
    return true;
  }

  bool Push() {
    const bool extended = Next<1>({0x41});
    const size_t opcode = at_ + extended;
    if (opcode >= code_.size() || (code_[opcode] & 0xf8) != 0x50) return false;
    const uint8_t low = code_[opcode] & 7;
    const uint8_t number = extended ? 8 + low : kDwarfNumber[low];
    Advance(1 + extended);
    depth_ += 8;
    if (base_ == kRsp) DefineCfa();
    const bool callee_saved = number == kRbx || number == kRbp || number >= 12;
    if (callee_saved) {  // others are pushed to make room
      text_.push_back(static_cast<char>(kOffset | number));
      AppendUnsigned(&text_, depth_ / 8);
    }
    return true;
  }

  bool MoveStackPointer() {
    const bool to_rbp = Next<3>({0x48, 0x89, 0xe5}), to_rax = Next<3>({0x48, 0x89, 0xe0});
    if (!to_rbp && !to_rax) return false;
    Advance(3);
    base_ = to_rbp ? kRbp : kRax;
    base_depth_ = depth_;
    DefineCfa();
    return true;
  }

  // sub rsp, n or and rsp, -n; n has one byte or four.
  bool Allocate() {
    const bool one_byte = Next<2>({0x48, 0x83}), four_bytes = Next<2>({0x48, 0x81});
    const size_t bytes = one_byte ? 4 : 7;
    if ((!one_byte && !four_bytes) || code_.size() - at_ < bytes) return false;
    const bool subtract = code_[at_ + 2] == 0xec, align = code_[at_ + 2] == 0xe4;
    if (!subtract && !(align && base_ != kRsp)) return false;
    uint32_t count = code_[at_ + 3];
    if (four_bytes) std::memcpy(&count, code_.data() + at_ + 3, sizeof(count));
    Advance(bytes);
    if (subtract) depth_ += count;
    if (base_ == kRsp) DefineCfa();
    return true;
  }

  // mov [rsp], rax, where rax holds an earlier rsp: from here on rsp alone is fixed.
  bool SaveStackPointer() {
    if (base_ != kRax || !Next<4>({0x48, 0x89, 0x04, 0x24})) return false;
    Advance(4);
    std::string expression = {static_cast<char>(kBaseRegister + kRsp), 0, kDereference,
                              kPlusConstant};
    AppendUnsigned(&expression, base_depth_);
    text_.push_back(kDefineCfaExpression);
    AppendUnsigned(&text_, expression.size());
    text_ += expression;
    code_ = code_.first(at_);
    return true;
  }

  std::span<const uint8_t> code_;
  size_t at_ = 0;
  std::string text_;
  uint8_t base_ = kRsp;                   // the CFA is this register's value plus
  uint64_t depth_ = kReturnAddressBytes;  // this, for rsp, or
  uint64_t base_depth_ = 0;               // this, for another
};

// Puts the length in front and pads to whole words with no-operations.
void AppendFrameEntry(std::string* section, std::string entry) {
  entry.resize((entry.size() + 4 + 7) / 8 * 8 - 4, 0);
  Append(section, static_cast<uint32_t>(entry.size()));
  *section += entry;
}

std::string DebugFrame(std::span<const LoadedFunction> functions) {
  std::string section, common;
  Append(&common, uint32_t{0xffffffff});      // not a function's
  common += {1, 0, 1, 0x78, kReturnAddress};  // version, no augmentation, units of 1 and -8 bytes
  common += {kDefineCfa, kRsp, 8, static_cast<char>(kOffset | kReturnAddress), 1};
  AppendFrameEntry(&section, common);
  for (const LoadedFunction& function : functions) {
    std::string entry;
    Append(&entry, uint32_t{0});  // where the common entry is
    Append(&entry, reinterpret_cast<uint64_t>(function.code));
    Append(&entry, uint64_t{function.bytes});
    AppendFrameEntry(&section, entry + CallFrameInstructions({function.code, function.bytes}));
  }
  return section;
}

// --- ELF ---

enum Section { kNull, kText, kFrames, kSymbols, kStrings, kSectionNames, kSections };

// File header, section headers, sections.
class ElfWriter {
 public:
  void Add(Section section, const char* name, const std::string& bytes, Elf64_Shdr header) {
    header.sh_name = static_cast<Elf64_Word>(names_.size());
    names_.append(name, std::strlen(name) + 1);
    Place(section, bytes, header);
  }

  std::string Finish() {
    const auto name = static_cast<Elf64_Word>(names_.size());
    names_ += std::string(".shstrtab") + '\0';
    Place(kSectionNames, names_, {.sh_name = name, .sh_type = SHT_STRTAB});
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = kSections,
        .e_shstrndx = kSectionNames};
    std::memcpy(file_.data(), &header, sizeof(header));
    std::memcpy(file_.data() + sizeof(header), headers_, sizeof(headers_));
    return std::move(file_);
  }

 private:
  void Place(Section section, const std::string& bytes, Elf64_Shdr header) {
    file_.resize((file_.size() + 7) / 8 * 8);
    header.sh_offset = file_.size();
    header.sh_addralign = 8;
    if (header.sh_type != SHT_NOBITS) header.sh_size = bytes.size();
    file_ += bytes;
    headers_[section] = header;
  }

  std::string file_ = std::string(sizeof(Elf64_Ehdr) + kSections * sizeof(Elf64_Shdr), 0);
  std::string names_ = std::string(1, 0);
  Elf64_Shdr headers_[kSections] = {};
};

}  // namespace

std::string CallFrameInstructions(std::span<const uint8_t> code) {
  return PrologueReader(code).Run();
}

std::string SymbolFile(std::span<const LoadedFunction> functions) {
  uint64_t begin = UINT64_MAX, end = 0;
  for (const LoadedFunction& function : functions) {
    const auto at = reinterpret_cast<uint64_t>(function.code);
    begin = std::min(begin, at);
    end = std::max(end, at + function.bytes);
  }
  std::string strings(1, 0), symbols;
  Append(&symbols, Elf64_Sym{});
  for (const LoadedFunction& function : functions) {
    Append(&symbols, Elf64_Sym{.st_name = static_cast<Elf64_Word>(strings.size()),
                               .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                               .st_shndx = kText,
                               .st_value = reinterpret_cast<uint64_t>(function.code) - begin,
                               .st_size = function.bytes});
    strings.append(function.name.c_str(), function.name.size() + 1);
  }
  ElfWriter elf;
  // The code itself is in memory already.
  elf.Add(kText, ".text", "",
          {.sh_type = SHT_NOBITS,
           .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
           .sh_addr = begin,
           .sh_size = end - begin});
  elf.Add(kFrames, ".debug_frame", DebugFrame(functions), {.sh_type = SHT_PROGBITS});
  elf.Add(
      kSymbols, ".symtab", symbols,
      {.sh_type = SHT_SYMTAB, .sh_link = kStrings, .sh_info = 1, .sh_entsize = sizeof(Elf64_Sym)});
  elf.Add(kStrings, ".strtab", strings, {.sh_type = SHT_STRTAB});
  return elf.Finish();
}

struct GdbSymbols::ListEntry : jit_code_entry {};

GdbSymbols::GdbSymbols(std::span<const LoadedFunction> functions)
    : file_(SymbolFile(functions)), entry_(new ListEntry) {
  std::lock_guard lock(ListMutex());
  entry_->symfile_addr = file_.data();
  entry_->symfile_size = file_.size();
  entry_->prev_entry = nullptr;
  entry_->next_entry = __jit_debug_descriptor.first_entry;
  if (entry_->next_entry != nullptr) entry_->next_entry->prev_entry = entry_.get();
  __jit_debug_descriptor.first_entry = entry_.get();
  TellGdb(kRegister, entry_.get());
}

GdbSymbols::~GdbSymbols() {
  std::lock_guard lock(ListMutex());
  jit_code_entry*& link = entry_->prev_entry != nullptr ? entry_->prev_entry->next_entry
                                                        : __jit_debug_descriptor.first_entry;
  link = entry_->next_entry;
  if (entry_->next_entry != nullptr) entry_->next_entry->prev_entry = entry_->prev_entry;
  TellGdb(kUnregister, entry_.get());
}

}  // namespace skein
