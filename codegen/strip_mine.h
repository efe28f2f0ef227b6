// The first half of legalization: vector and unrolled loops become serial loops and straight code.
#ifndef SKEIN_CODEGEN_STRIP_MINE_H_
#define SKEIN_CODEGEN_STRIP_MINE_H_

#include "ir/loop_nest.h"

namespace skein {

// Returns the same kernel without kVector and kUnrolled loops. Values keep their lanes, except that
// in the tail of a vector loop of constant extent they have only as many as the tail needs, rounded
// up to whole registers of `register_lanes`. Loops of one constant trip are inlined.
//   nest: verified.   Numerics: the same bits.
LoopNest StripMine(const LoopNest& nest, int register_lanes);

}  // namespace skein

#endif  // SKEIN_CODEGEN_STRIP_MINE_H_
