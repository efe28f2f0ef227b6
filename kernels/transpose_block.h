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

// Sixteen short rows to columns and back, in registers: where rows have fewer elements than a vector has lanes.
inline constexpr int kShortRows = 16;
// Lanes of a register that holds a row of `elements`, 1..16: 4, 8 or 16.
int ShortRowLanes(int64_t elements);

// Lane r of result c is lane c of rows[r].
//   rows: 16 values of 4, 8 or 16 lanes, of one element type of 8 to 32 bits. Outside vector loops only. As many
//   results as a row has lanes; shuffles of results that are not used are dead.
std::vector<ValueId> ShortRowsToColumns(LoopBuilder& b, std::span<const ValueId> rows);
// The reverse, without gaps: the elements of 16 rows as they lie in memory, row after row.
//   columns: 1 to 32 values of 16 lanes. As many results, of 16 lanes.
std::vector<ValueId> ColumnsToShortRows(LoopBuilder& b, std::span<const ValueId> columns);

}  // namespace skein

#endif  // SKEIN_KERNELS_TRANSPOSE_BLOCK_H_
