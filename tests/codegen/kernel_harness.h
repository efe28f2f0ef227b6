// Runs one LoopNest through every implementation there is and compares bits.
#ifndef SKEIN_TESTS_CODEGEN_KERNEL_HARNESS_H_
#define SKEIN_TESTS_CODEGEN_KERNEL_HARNESS_H_

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "codegen/codegen.h"
#include "ir/kernel_abi.h"
#include "ir/loop_nest.h"

namespace skein {

// Bytes that end right before a page that faults, and start after one where the size allows.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t bytes);
  ~GuardedBytes();
  GuardedBytes(GuardedBytes&& other) noexcept;
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_;
  size_t size_;
  void* mapping_;
  size_t mapped_;
};

struct KernelOutcome {
  std::vector<std::vector<uint8_t>> buffers;  // inputs and outputs after the run
  uint64_t status = 0;
};

using Bytes = std::vector<uint8_t>;
template <typename T>
Bytes ToBytes(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// What a kernel is run on: its arguments and the contents of all inputs and outputs before the run.
struct KernelCase {
  const LoopNest* nest;
  std::vector<int64_t> arguments;
  std::vector<Bytes> buffers;
};

// Buffers of the right sizes: inputs random (floats of moderate size with some special values),
// outputs filled with a pattern. Callers replace what they want.
KernelCase MakeCase(const LoopNest& nest, std::vector<int64_t> arguments, uint32_t seed = 1);

absl::StatusOr<KernelOutcome> Interpret(const KernelCase& run, const LoopNest& nest);
// Runs all tiles, in two calls. Errors: Internal if the kernel crashes.
absl::StatusOr<KernelOutcome> Execute(const KernelCase& run, KernelFunction kernel);

using Generator = absl::StatusOr<ObjectCode> (*)(std::span<const NamedNest>, const Target&);
// The same with code that is generated and loaded for this one case.
absl::StatusOr<KernelOutcome> Execute(const KernelCase& run, Generator generate,
                                      const Target& target);

// The first difference in an output or in the status, or "". NaNs are equal to each other.
std::string Difference(const LoopNest& nest, const KernelOutcome& want, const KernelOutcome& got);

// Interpreter on the nest, interpreter on the legalized nest, and `generate`d code, for every ISA
// that this machine has: expects equal outputs and status. All cases are of one nest, which is
// compiled once.
void ExpectAllAgree(const std::vector<KernelCase>& cases, Generator generate = GenerateLlvm);
void ExpectAllAgree(const KernelCase& run, Generator generate = GenerateLlvm);

}  // namespace skein

#endif  // SKEIN_TESTS_CODEGEN_KERNEL_HARNESS_H_
