#include "codegen/code_pool.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace skein {
namespace {

constexpr size_t kUnit = 64;
// Of a chunk. Kernels have 1 to 3 KB of code and a tenth of that in constants; only what is touched
// takes memory.
constexpr size_t kCodeBytes = 192 << 10;
constexpr size_t kDataBytes = 64 << 10;

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

absl::Status Refused(std::string_view what) {
  return absl::ResourceExhaustedError(absl::StrCat(ForStrCat(what), ": ", std::strerror(errno)));
}

// Writes into memory of this process that is mapped without write permission.
bool WriteSealed(int memory, uint8_t* at, std::span<const uint8_t> bytes) {
  const auto offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(at));
  return bytes.empty() ||
         pwrite(memory, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size());
}

// Where other code was before, a core may have fetched that already, guessing that a jump goes
// there again. After this none holds instructions fetched before (Intel SDM volume 3, 9.1.3:
// cross-modifying code).
bool RefetchOnAllCores() {
  const auto call = [](int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; };
  if (call(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)) return true;
  return errno == EPERM && call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) &&
         call(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
}

}  // namespace

std::optional<size_t> FreeRanges::Take(size_t bytes) {
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
  }
  if (best == free_.end()) return std::nullopt;
  const auto [offset, size] = *best;
  free_.erase(best);
  if (size > bytes) free_.emplace(offset + bytes, size - bytes);
  return offset;
}

void FreeRanges::Give(size_t offset, size_t bytes) {
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && next->first == offset + bytes) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += bytes;
      return;
    }
  }
  free_.emplace(offset, bytes);
}

// One mapping: pages of code, then pages of data, which are not executable: constants come from
// model files, and would be a place to plant instructions.
struct CodePool::Chunk {
  Chunk(uint8_t* base, size_t code_bytes, size_t data_bytes, Pages pages)
      : base(base),
        code_bytes(code_bytes),
        data_bytes(data_bytes),
        pages(pages),
        code(code_bytes),
        data(data_bytes) {}
  ~Chunk() { munmap(base, bytes()); }

  size_t bytes() const { return code_bytes + data_bytes; }
  bool empty() const { return code.all_free() && data.all_free(); }
  bool usual() const {
    return pages == Pages::kShared && code_bytes == kCodeBytes && data_bytes == kDataBytes;
  }
  // False if it does not fit.
  bool Take(size_t code_size, size_t data_size, Space* space) {
    const std::optional<size_t> code_at = code.Take(code_size);
    if (!code_at.has_value()) return false;
    const std::optional<size_t> data_at =
        data_size > 0 ? data.Take(data_size) : std::make_optional<size_t>(0);
    if (!data_at.has_value()) {
      code.Give(*code_at, code_size);
      return false;
    }
    *space = {base + *code_at,   base + code_bytes + *data_at, code_size, data_size, this,
              *code_at < touched};
    touched = std::max(touched, *code_at + code_size);
    return true;
  }

  uint8_t* const base;
  const size_t code_bytes, data_bytes;
  const Pages pages;
  FreeRanges code, data;
  size_t touched = 0;  // code was never beyond
};

CodePool::CodePool() = default;
CodePool::~CodePool() = default;

CodePool& CodePool::Process() {
  static auto* pool = new CodePool;
  return *pool;
}

absl::StatusOr<CodePool::Space> CodePool::Reserve(size_t code_bytes, size_t data_bytes,
                                                  Pages pages) {
  code_bytes = std::max(RoundUp(code_bytes, kUnit), kUnit);
  data_bytes = RoundUp(data_bytes, kUnit);
  const bool shared = pages == Pages::kShared;
  std::lock_guard lock(mutex_);
  Space space;
  for (const std::unique_ptr<Chunk>& chunk : chunks_) {
    if (shared && chunk->pages == Pages::kShared && chunk->Take(code_bytes, data_bytes, &space))
      return space;
  }
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t code_pages = RoundUp(std::max(code_bytes, shared ? kCodeBytes : 0), page);
  const size_t data_pages = RoundUp(std::max(data_bytes, shared ? kDataBytes : 0), page);
  void* base = mmap(nullptr, code_pages + data_pages, PROT_READ | (shared ? PROT_EXEC : PROT_WRITE),
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return Refused("cannot map memory for code");
  auto chunk = std::make_unique<Chunk>(static_cast<uint8_t*>(base), code_pages, data_pages, pages);
  if (shared && mprotect(chunk->base + code_pages, data_pages, PROT_READ) != 0) {
    return Refused("cannot protect constants");
  }
  chunk->Take(code_bytes, data_bytes, &space);
  chunks_.push_back(std::move(chunk));
  return space;
}

absl::Status CodePool::Write(const Space& space, std::span<const uint8_t> code,
                             std::span<const uint8_t> data) {
  if (space.chunk->pages == Pages::kOwn) {
    std::copy(code.begin(), code.end(), space.code);
    std::copy(data.begin(), data.end(), space.data);
    const Chunk& chunk = *space.chunk;
    if (mprotect(chunk.base, chunk.code_bytes, PROT_READ | PROT_EXEC) != 0 ||
        mprotect(chunk.base + chunk.code_bytes, chunk.data_bytes, PROT_READ) != 0) {
      return Refused("cannot make code executable");
    }
    return absl::OkStatus();
  }
  const int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (memory < 0) return Refused("cannot open /proc/self/mem");
  const bool written =
      WriteSealed(memory, space.data, data) && WriteSealed(memory, space.code, code);
  close(memory);
  if (!written || (space.had_code && !RefetchOnAllCores())) return Refused("cannot write code");
  return absl::OkStatus();
}

void CodePool::Free(const Space& space) {
  if (space.chunk == nullptr) return;
  std::unique_ptr<Chunk> unused;  // unmapped outside the lock
  std::lock_guard lock(mutex_);
  Chunk& chunk = *space.chunk;
  chunk.code.Give(space.code - chunk.base, space.code_bytes);
  if (space.data_bytes > 0)
    chunk.data.Give(space.data - chunk.base - chunk.code_bytes, space.data_bytes);
  if (!chunk.empty()) return;
  // One empty chunk stays, so that loading and unloading one kernel again and again maps nothing.
  const bool spare =
      chunk.usual() && std::none_of(chunks_.begin(), chunks_.end(), [&](const auto& other) {
        return other.get() != &chunk && other->usual() && other->empty();
      });
  if (spare) return;
  const auto it = std::find_if(chunks_.begin(), chunks_.end(),
                               [&](const auto& other) { return other.get() == &chunk; });
  unused = std::move(*it);
  chunks_.erase(it);
}

CodePool::Usage CodePool::usage() const {
  std::lock_guard lock(mutex_);
  Usage usage;
  for (const std::unique_ptr<Chunk>& chunk : chunks_) {
    ++usage.chunks;
    usage.bytes += chunk->bytes();
  }
  return usage;
}

}  // namespace skein
