// Kernels that read weights as they lie, for the runs until these weights are packed.
#ifndef SKEIN_FUSION_UNPACKED_H_
#define SKEIN_FUSION_UNPACKED_H_

#include <memory>
#include <vector>

#include "fusion/plan.h"

namespace skein {

// What a group of Phase::kProgram makes of a constant by moving its elements, so that nobody has to wait for it.
struct PackedWeight {
  int group;             // of the plan; reads and writes nothing else
  Value weight, packed;
};

// The kernel of a group of every run with other addresses: where it read a packed weight, it reads the same element of
// the weight itself. The same operations in the same order, so the same bits; beside them, prefetches.
struct UnpackedKernel {
  struct Read {
    int input;   // of the group: which buffer is the weight instead of the packed weight
    int weight;  // UnpackedKernels::weights
  };
  int group;  // of the plan
  std::vector<Read> reads;
  std::shared_ptr<const LoopNest> nest;  // shared by groups alike, and so is its text
  std::shared_ptr<const NestText> text;
};

struct UnpackedKernels {
  std::vector<PackedWeight> weights;
  std::vector<UnpackedKernel> kernels;  // of every group that reads one of them
};

// The weights that may be packed after the first run, and the kernels until then. A weight is left out where somebody
// reads it who has no such kernel: where elements side by side in the packed weight do not lie side by side.
//   least_bytes: of the weights that share a kernel, below which it is not worth making.
UnpackedKernels FindUnpackedKernels(const Plan& plan, int64_t least_bytes);

}  // namespace skein

#endif  // SKEIN_FUSION_UNPACKED_H_
