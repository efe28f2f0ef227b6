// Runs a LoopNest in the interpreter on vectors: what the LoopNest tests share.
#ifndef SKEIN_TESTS_IR_LOOP_NEST_RUN_H_
#define SKEIN_TESTS_IR_LOOP_NEST_RUN_H_

#include <cstring>
#include <vector>

#include "ir/dim_expr_eval.h"
#include "ir/kernel_abi.h"

namespace skein {

inline int64_t OverArguments(DimExpr e, const std::vector<int64_t>& arguments) {
  return CompiledDimExpr::Compile(e, ArgumentNumber).value().Eval(arguments);
}

// Bytes of a vector, and back.
template <typename T>
std::vector<char> Bytes(const std::vector<T>& values) {
  std::vector<char> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}
template <typename T>
std::vector<T> FromBytes(const std::vector<char>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// All tiles of `nest`, on inputs and outputs in its order. Returns the interpreter's status.
inline absl::Status RunNest(const LoopNest& nest, std::vector<std::vector<char>>& buffers,
                            const std::vector<int64_t>& arguments = {},
                            uint64_t* status = nullptr) {
  std::vector<void*> pointers;
  for (std::vector<char>& buffer : buffers) pointers.push_back(buffer.data());
  uint64_t ignored = 0;
  const KernelArgs args{pointers.data(), arguments.data(), status != nullptr ? status : &ignored};
  std::vector<char> scratch(OverArguments(LayOutScratch(nest).bytes, arguments) + 64);
  char* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
  return InterpretLoopNest(nest, args, 0, OverArguments(TileCount(nest), arguments), aligned);
}

}  // namespace skein

#endif  // SKEIN_TESTS_IR_LOOP_NEST_RUN_H_
