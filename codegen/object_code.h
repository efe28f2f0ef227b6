// Machine code of one or several kernels, position-independent, the same for every back end and for
// the disk; and the loader that maps it.
#ifndef SKEIN_CODEGEN_OBJECT_CODE_H_
#define SKEIN_CODEGEN_OBJECT_CODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "codegen/code_pool.h"
#include "ir/kernel_abi.h"

namespace skein {

struct ObjectCode {
  // A 32-bit pc-relative fix-up inside code: *(int32*)(code+offset) = target + addend -
  // (code+offset), where target is the address of `data` + data_offset. The only kind there is.
  struct Relocation {
    uint32_t offset;
    uint32_t data_offset;
    int32_t addend;
  };
  struct Entry {
    std::string name;  // for perf, GDB and traces
    uint32_t offset;   // into code
    uint32_t size;
    bool in_a_hurry = false;  // was over the back end's compile-time budget, and compiled with less care
  };
  std::vector<uint8_t> code;
  std::vector<uint8_t> data;  // read-only, wants 64-byte alignment
  std::vector<Relocation> relocations;
  std::vector<Entry> entries;
  std::string tier;  // the back end, "xbyak" or "llvm"; part of the names that tools are told
};

struct LoadedFunction {
  std::string name;
  const uint8_t* code;
  size_t bytes;
};

class GdbSymbols;

// Executable memory, out of the process's CodePool: never writable and executable at once. The
// destructor gives it back. Tools that the environment names (kernel_names.h) are told of its
// entries as NAME_TIER.
class LoadedCode {
 public:
  // Errors: Internal if a relocation or entry lies outside the object, ResourceExhausted if there
  // is no memory.
  static absl::StatusOr<std::unique_ptr<LoadedCode>> Load(const ObjectCode& object);
  ~LoadedCode();
  LoadedCode(const LoadedCode&) = delete;
  LoadedCode& operator=(const LoadedCode&) = delete;

  KernelFunction entry(int i) const { return entries_[i]; }

 private:
  LoadedCode();
  CodePool::Space space_;
  std::unique_ptr<GdbSymbols> gdb_symbols_;  // gone before the code is
  std::vector<KernelFunction> entries_;
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_OBJECT_CODE_H_
