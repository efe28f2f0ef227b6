// Random valid kernels with inputs: interpreter against back ends, print against parse, pass
// against pass.
//
//   LoopNest nest = RandomLoopNest(seed, {});
//   RandomInputs a = MakeRandomInputs(nest, seed), b = a;
//   ... run the interpreter on a.buffers, the code under test on b.buffers ...
//   EXPECT_EQ(FirstDifference(nest, a, b), "");
//
// What a kernel computes never depends on the bits of a NaN, on uninitialized scratch, or on the
// order in which its tiles run, and it is in bounds for every argument >= 0. The same seed gives
// the same kernel on every machine.
#ifndef SKEIN_IR_RANDOM_LOOP_NEST_H_
#define SKEIN_IR_RANDOM_LOOP_NEST_H_

#include <functional>
#include <string>
#include <vector>

#include "ir/kernel_abi.h"

namespace skein {

struct RandomOptions {
  int operations = 12;  // about so many between two memory operations or loops
  int phases = 3;       // loops and straight pieces in a block, at most
  int max_lanes = 64;
  bool odd_lanes = false;  // lanes that are no power of two
  // Restricts arithmetic: whether `op` may be used on values of type `t` (of the operands; for
  // kConvert also asked for the result). f16, bf16, i4 and u4 occur in kLoad, kStore and kConvert
  // only.
  std::function<bool(Opcode op, ElementType t)> allow;
};

// A nest that Verify accepts.
LoopNest RandomLoopNest(uint64_t seed, const RandomOptions& options);

struct RandomInputs {
  std::vector<int64_t> arguments;
  std::vector<std::vector<uint8_t>> buffers;  // inputs and outputs, in the nest's order, all filled
  uint64_t status = 0;

  std::vector<void*> Pointers();  // for KernelArgs::buffers
};

// Arguments are sizes around 0, 1, vector widths and primes; buffers hold ordinary and special
// values.
RandomInputs MakeRandomInputs(const LoopNest& nest, uint64_t seed);

// Where the outputs or the status words of two runs differ ("b2[17]: 0x... and 0x..."), or "". All
// NaNs are equal.
std::string FirstDifference(const LoopNest& nest, const RandomInputs& a, const RandomInputs& b);

}  // namespace skein

#endif  // SKEIN_IR_RANDOM_LOOP_NEST_H_
