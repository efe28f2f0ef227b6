// The kernel contract: how the launcher calls generated code and interpreted LoopNests alike.
#ifndef SKEIN_IR_KERNEL_ABI_H_
#define SKEIN_IR_KERNEL_ABI_H_

#include <cstdint>
#include <vector>

#include "ir/loop_nest.h"

namespace skein {

// Layout is part of the ABI (generated code reads it): offsets 0, 8 and 16.
struct KernelArgs {
  void* const* buffers;      // the nest's inputs and outputs, in its order (no scratch)
  const int64_t* arguments;  // a0, a1, ...
  uint64_t* status;          // bit `site` is or-ed in (atomically) by an index out of range
};

// Runs tiles [tile_begin, tile_end) of the flattened parallel loops. `scratch` is this worker's
// slot: 64-byte aligned, at least ScratchLayout::bytes long, content undefined. Generated code
// calls nothing, keeps no state and assumes MXCSR at its default.
using KernelFunction = void (*)(const KernelArgs* args, int64_t tile_begin, int64_t tile_end,
                                void* scratch);

// Where each scratch buffer of a nest starts in the slot: in order of declaration, each start
// rounded up to 64 bytes, each followed by 64 bytes of slack. Expressions over arguments.
struct ScratchLayout {
  std::vector<DimExpr> offsets;  // bytes, one per scratch buffer
  DimExpr bytes;                 // of the whole slot
};
ScratchLayout LayOutScratch(const LoopNest& nest);

// Number of tiles as an expression over arguments: the product of ceil(extent / step) of the
// parallel loops; 1 without one.
DimExpr TileCount(const LoopNest& nest);

// How many times the tiles in their order pass along that parallel loop whose iterations write farthest apart: the
// product of the counts of those around it; 1 where it is the outermost, or cannot be told. Workers that divide every
// pass among them, and not the tiles as a whole, write to parts of memory of their own.
DimExpr TilePasses(const LoopNest& nest);

// Bit-exact definition of what a LoopNest computes; checks bounds of every access. Same signature as
// a kernel. Errors: Internal, naming instruction, buffer and index, for an access out of bounds
// (sizes come from the buffers' size expressions).
absl::Status InterpretLoopNest(const LoopNest& nest, const KernelArgs& args, int64_t tile_begin,
                               int64_t tile_end, void* scratch);

}  // namespace skein

#endif  // SKEIN_IR_KERNEL_ABI_H_
