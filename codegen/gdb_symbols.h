// GDB's JIT compilation interface: an ELF file in memory with the names of loaded functions, and
// how to find the caller of each from anywhere in it but its last instructions.
//
// GDB looks in every file of the program for the function __jit_debug_register_code, sets a
// breakpoint there and reads the list at the __jit_debug_descriptor of the same file. libLLVM, and
// whatever else compiles, has a pair of its own. Ours are hidden symbols: they clash with nobody's,
// our calls reach ours even where libLLVM was loaded first, libLLVM (which reads its descriptor
// through the dynamic symbol table, and calls its function directly) keeps its own, and RTLD_LOCAL
// makes no difference. GDB finds them in the symbol table of the program or library that Skein is
// linked into, so it must not be stripped of that (`strip -g` is fine). GDB before 11 takes the
// first file only that has such a function; the program itself comes first, libraries in the order
// of loading. Source: the GDB manual, "JIT Compilation Interface"; DWARF 4, section 6.4.
#ifndef SKEIN_CODEGEN_GDB_SYMBOLS_H_
#define SKEIN_CODEGEN_GDB_SYMBOLS_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/object_code.h"

namespace skein {

// Known to GDB while this object lives.
class GdbSymbols {
 public:
  explicit GdbSymbols(std::span<const LoadedFunction> functions);
  ~GdbSymbols();
  GdbSymbols(const GdbSymbols&) = delete;
  GdbSymbols& operator=(const GdbSymbols&) = delete;

 private:
  struct ListEntry;
  std::string file_;
  std::unique_ptr<ListEntry> entry_;
};

// An ELF object: functions as symbols of a section .text at their addresses, and .debug_frame.
std::string SymbolFile(std::span<const LoadedFunction> functions);

// DWARF call frame instructions for a function of either back end, read off its prologue: what
// pushes and moves the stack pointer. At its first instruction, the caller's stack pointer is rsp
// + 8.
std::string CallFrameInstructions(std::span<const uint8_t> code);

}  // namespace skein

#endif  // SKEIN_CODEGEN_GDB_SYMBOLS_H_
