// Legalization: a LoopNest of up to 64 lanes -> one whose vectors fit the target's registers, with the
// same bits. Shared by both back ends, and itself an ordinary LoopNest that the interpreter runs.
//
// Let W = target.lanes() (16 for AVX-512, 8 for AVX2), whatever the element type. After the pass:
//   * Every value has at most W lanes. A value of L > W lanes became L/W values ("pieces").
//   * There is no kVector loop. One became a serial loop over the full vectors (extent
//     floordiv(extent, lanes)*lanes), then, unless the extent is provably a multiple of `lanes`, a loop of
//     0 or 1 trips for the rest, in which kLaneMask values make masks and carried-value selects
//     explicit (`masked` operands on memory operations; pieces that are entirely inactive still run).
//     Where these are constants, a single trip is straight code, and the rest has only the pieces it needs.
//   * Inside straight-line code, pieces are emitted group by group: all operations on pieces
//     [g, g + u) before those on the next group, u = 4 on AVX-512 and 2 on AVX2, so that few registers are
//     live; an operation that crosses pieces (kReduce, kShuffle, kExtract) waits for all of its inputs.
//     Stores, gathers and loops keep their order relative to other memory operations on the same buffer.
//   * kReduce is left only on power-of-two lanes <= W; kShuffle reads at most two pieces; gathers and
//     loads are split by pieces (stride respected). A kLoad of stride 0 became a scalar load and kSplat.
//     Pieces of one access share its `address` and differ in `offset`.
//   * kUnrolled loops with constant extents are unrolled.
#ifndef SKEIN_CODEGEN_LEGALIZE_H_
#define SKEIN_CODEGEN_LEGALIZE_H_

#include "base/status.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

absl::StatusOr<LoopNest> Legalize(const LoopNest& nest, const Target& target);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LEGALIZE_H_
