// Pages of machine code that kernels share. No page is ever writable and executable at once, in one
// mapping or in two.
//
// Other threads may be running code of a page while more is added to it, so a shared page is never
// made writable: it is mapped readable and executable once, and the kernel of the system writes
// into it, by pwrite to /proc/self/mem, as it does for a debugger's breakpoints. No writable
// mapping exists at any moment. Against the usual second mapping of a memfd this has two
// advantages: the memory is private, so that after fork() neither process sees what the other loads
// or reuses, and perf takes names from /tmp/perf-PID.map for anonymous memory only. The file is
// opened for each kernel (2.7 us): a descriptor that is kept names the parent's memory after
// fork(), and perhaps another file after a daemon has closed all it knows.
//
// Where the system refuses such writes (no /proc, proc_mem.force_override=never), code gets pages
// of its own, written first and then made executable.
#ifndef SKEIN_CODEGEN_CODE_POOL_H_
#define SKEIN_CODEGEN_CODE_POOL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"

namespace skein {

// Which bytes of [0, bytes) are free. Everything is handed out and given back in units of 64 bytes.
class FreeRanges {
 public:
  explicit FreeRanges(size_t bytes) : bytes_(bytes), free_{{0, bytes}} {}
  // The offset of `bytes` bytes, of the smallest free range that has them.
  std::optional<size_t> Take(size_t bytes);
  void Give(size_t offset, size_t bytes);
  bool all_free() const { return free_.size() == 1 && free_.begin()->second == bytes_; }

 private:
  size_t bytes_;
  std::map<size_t, size_t> free_;  // offset to bytes; no two are adjacent
};

class CodePool {
 public:
  struct Chunk;
  // Code, and the read-only data near it: within 2 GiB of each other, both 64-byte aligned.
  struct Space {
    uint8_t* code = nullptr;
    uint8_t* data = nullptr;
    size_t code_bytes = 0, data_bytes = 0;
    Chunk* chunk = nullptr;
    bool had_code = false;  // of another kernel, freed since
  };
  enum class Pages { kShared, kOwn };
  struct Usage {
    int chunks = 0;
    size_t bytes = 0;  // mapped, most of it not touched
  };

  CodePool();
  ~CodePool();
  CodePool(const CodePool&) = delete;
  CodePool& operator=(const CodePool&) = delete;
  static CodePool& Process();

  // Space to be written once. Errors: ResourceExhausted if there is no memory.
  absl::StatusOr<Space> Reserve(size_t code_bytes, size_t data_bytes, Pages pages);
  // Makes `code` runnable on every thread. The spans have the sizes that were reserved.
  // Errors: ResourceExhausted if the system refuses; the space is then to be freed, and
  // kOwn may go where kShared did not.
  absl::Status Write(const Space& space, std::span<const uint8_t> code,
                     std::span<const uint8_t> data);
  // Nothing runs or reads it any more. Its bytes are reused; a chunk that is empty is unmapped,
  // except one.
  void Free(const Space& space);

  Usage usage() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_CODE_POOL_H_
