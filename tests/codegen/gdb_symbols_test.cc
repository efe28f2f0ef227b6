#include "codegen/gdb_symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "codegen/codegen.h"
#include "tests/codegen/sample_nests.h"

// As GDB reads them.
extern "C" {
struct TestEntry {
  TestEntry *next, *previous;
  const char* file;
  uint64_t bytes;
};
struct TestDescriptor {
  uint32_t version, action;
  TestEntry *relevant, *first;
};
extern TestDescriptor __jit_debug_descriptor __attribute__((visibility("hidden")));
}

namespace skein {
namespace {

std::vector<LoadedFunction> TwoFunctions() {
  static const uint8_t code[64] = {0x90};
  return {{"skein_row_1_xbyak", code + 32, 20}, {"skein_dot_2_xbyak", code, 30}};
}

template <typename T>
T At(const std::string& file, size_t offset) {
  T value{};
  EXPECT_LE(offset + sizeof(T), file.size());
  if (offset + sizeof(T) <= file.size()) std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

std::optional<Elf64_Shdr> FindSection(const std::string& file, const std::string& name) {
  const auto header = At<Elf64_Ehdr>(file, 0);
  const auto section = [&](int i) {
    return At<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr));
  };
  const Elf64_Shdr names = section(header.e_shstrndx);
  for (int i = 1; i < header.e_shnum; ++i) {
    if (file.c_str() + names.sh_offset + section(i).sh_name == name) return section(i);
  }
  return std::nullopt;
}

TEST(SymbolFile, NamesFunctionsAtTheirAddresses) {
  const std::vector<LoadedFunction> functions = TwoFunctions();
  const std::string file = SymbolFile(functions);
  EXPECT_EQ(file.substr(0, 4), ELFMAG);
  EXPECT_EQ(At<Elf64_Ehdr>(file, 0).e_machine, EM_X86_64);
  const auto text = FindSection(file, ".text"), symbols = FindSection(file, ".symtab"),
             strings = FindSection(file, ".strtab"), frames = FindSection(file, ".debug_frame");
  ASSERT_TRUE(text && symbols && strings && frames);
  EXPECT_EQ(text->sh_addr, reinterpret_cast<uint64_t>(functions[1].code));
  EXPECT_EQ(text->sh_size, 52u);
  ASSERT_EQ(symbols->sh_size, 3 * sizeof(Elf64_Sym));
  for (int i = 0; i < 2; ++i) {
    const auto symbol = At<Elf64_Sym>(file, symbols->sh_offset + (i + 1) * sizeof(Elf64_Sym));
    EXPECT_EQ(file.c_str() + strings->sh_offset + symbol.st_name, functions[i].name);
    EXPECT_EQ(text->sh_addr + symbol.st_value, reinterpret_cast<uint64_t>(functions[i].code));
    EXPECT_EQ(symbol.st_size, functions[i].bytes);
    EXPECT_EQ(ELF64_ST_TYPE(symbol.st_info), STT_FUNC);
  }
  // Frames: what all share, then one a function, each a length and as many bytes.
  size_t at = frames->sh_offset;
  for (int i = -1; i < 2; ++i) {
    const auto length = At<uint32_t>(file, at);
    EXPECT_EQ(At<uint32_t>(file, at + 4), i < 0 ? 0xffffffff : 0);
    if (i >= 0) {
      EXPECT_EQ(At<uint64_t>(file, at + 8), reinterpret_cast<uint64_t>(functions[i].code));
      EXPECT_EQ(At<uint64_t>(file, at + 16), functions[i].bytes);
    }
    at += 4 + length;
  }
  EXPECT_EQ(at, frames->sh_offset + frames->sh_size);
}

std::string Bytes(std::initializer_list<int> bytes) { return {bytes.begin(), bytes.end()}; }

// rbx rbp r12 r13 r14 r15 pushed, which are 3 6 12 13 14 15 in DWARF.
const std::string kSixPushed = Bytes({0x41, 0x0c, 7, 16, 0x83, 2, 0x41, 0x0c, 7, 24, 0x86, 3,  //
                                      0x42, 0x0c, 7, 32, 0x8c, 4, 0x42, 0x0c, 7, 40, 0x8d, 5,  //
                                      0x42, 0x0c, 7, 48, 0x8e, 6, 0x42, 0x0c, 7, 56, 0x8f, 7});

TEST(CallFrames, OfXbyaksPrologue) {
  if (!HaveXbyak()) GTEST_SKIP();
  const LoopNest nest = PointwiseNest();
  const NamedNest named = {&nest, "f"};
  const auto object = GenerateXbyak({&named, 1}, Target{.isa = Isa::kAvx512});
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->tier, "xbyak");
  // mov rax, rsp: the CFA is rax + 56. sub, and. mov [rsp], rax: it is *(rsp) + 56.
  EXPECT_EQ(
      CallFrameInstructions(object->code),
      kSixPushed + Bytes({0x43, 0x0c, 0, 56, 0x47, 0x44, 0x44, 0x0f, 5, 0x77, 0, 0x06, 0x23, 56}));
}

TEST(CallFrames, OfPrologues) {
  using Code = std::vector<uint8_t>;
  EXPECT_EQ(CallFrameInstructions({}), "");
  EXPECT_EQ(CallFrameInstructions(Code{0x41}), "");
  EXPECT_EQ(CallFrameInstructions(Code{0x48, 0x83, 0xec}), "");  // cut short
  EXPECT_EQ(CallFrameInstructions(Code{0xc3, 0x53}), "");
  // cmp rsi, rdx; jge +0x12 or +0x1234; push rbx; jge, which is no more of the prologue
  EXPECT_EQ(CallFrameInstructions(Code{0x48, 0x39, 0xd6, 0x7d, 0x12, 0x53, 0x7d, 0x12}),
            Bytes({0x43, 0x42, 0x41, 0x0c, 7, 16, 0x83, 2}));
  EXPECT_EQ(CallFrameInstructions(Code{0x0f, 0x8d, 0x34, 0x12, 0, 0, 0x53}),
            Bytes({0x46, 0x41, 0x0c, 7, 16, 0x83, 2}));
  // push rax (for room); sub rsp, 0x100; nop
  EXPECT_EQ(CallFrameInstructions(Code{0x50, 0x48, 0x81, 0xec, 0, 1, 0, 0, 0x90}),
            Bytes({0x41, 0x0c, 7, 16, 0x47, 0x0c, 7, 0x90, 2}));
  // push rbp; mov rbp, rsp; push rbx; and rsp, -64; sub rsp, 64
  EXPECT_EQ(CallFrameInstructions(
                Code{0x55, 0x48, 0x89, 0xe5, 0x53, 0x48, 0x83, 0xe4, 0xc0, 0x48, 0x83, 0xec, 0x40}),
            Bytes({0x41, 0x0c, 7, 16, 0x86, 2, 0x43, 0x0c, 6, 16, 0x41, 0x83, 3, 0x44, 0x44}));
}

TEST(GdbSymbols, AreListedWhileTheyLive) {
  const TestDescriptor& list = __jit_debug_descriptor;
  EXPECT_EQ(list.version, 1u);
  TestEntry* const before = list.first;
  std::vector<std::unique_ptr<GdbSymbols>> symbols;
  std::vector<TestEntry*> entries;
  for (int i = 0; i < 3; ++i) {
    symbols.push_back(std::make_unique<GdbSymbols>(TwoFunctions()));
    entries.push_back(list.first);
    EXPECT_EQ(list.action, 1u);  // JIT_REGISTER_FN
    EXPECT_EQ(list.relevant, list.first);
    EXPECT_EQ(std::string(list.first->file, list.first->bytes), SymbolFile(TwoFunctions()));
  }
  symbols[1].reset();          // out of the middle
  EXPECT_EQ(list.action, 2u);  // JIT_UNREGISTER_FN
  EXPECT_EQ(list.relevant, entries[1]);
  EXPECT_EQ(list.first, entries[2]);
  EXPECT_EQ(list.first->next, entries[0]);
  EXPECT_EQ(entries[0]->previous, entries[2]);
  symbols[2].reset();
  EXPECT_EQ(list.first, entries[0]);
  EXPECT_EQ(entries[0]->previous, nullptr);
  symbols[0].reset();
  EXPECT_EQ(list.first, before);
}

TEST(GdbSymbols, ClashWithNobodys) {
  // What others see is libLLVM's or nothing.
  EXPECT_NE(dlsym(RTLD_DEFAULT, "__jit_debug_descriptor"), &__jit_debug_descriptor);
  EXPECT_EQ(dlsym(RTLD_DEFAULT, "__jit_debug_descriptor") != nullptr, HaveLlvm());
}

}  // namespace
}  // namespace skein
