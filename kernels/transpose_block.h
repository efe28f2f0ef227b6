// The transpose of a square block in registers: what data movement and packing are made of.
#ifndef SKEIN_KERNELS_TRANSPOSE_BLOCK_H_
#define SKEIN_KERNELS_TRANSPOSE_BLOCK_H_

#include <span>
#include <vector>

#include "ir/loop_nest.h"

namespace skein {

// Rows of a block of `element`, and lanes of each: 16, or 8 for elements of 64 bits (a whole register of 512
// bits, but for narrow elements).
int TransposeBlockLanes(ElementType element);

// Lane j of result i is lane i of rows[j].
//   rows: TransposeBlockLanes values of as many lanes each, of one element type of 8 bits or more. Outside
//   vector loops only (shuffles).
// Source: interleaves within 128 bits, then exchanges of 128-bit blocks: one instruction each of AVX and AVX-512.
std::vector<ValueId> TransposeBlock(LoopBuilder& b, std::span<const ValueId> rows);

}  // namespace skein

#endif  // SKEIN_KERNELS_TRANSPOSE_BLOCK_H_
