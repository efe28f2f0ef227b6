// Hand-written nests that between them use every construct of LoopNest. Extents named in the
// comments are arguments a0, a1 ...
#ifndef SKEIN_TESTS_CODEGEN_SAMPLE_NESTS_H_
#define SKEIN_TESTS_CODEGEN_SAMPLE_NESTS_H_

#include <cstdint>
#include <vector>

#include "ir/loop_nest.h"

namespace skein {

// out[3, a0] = max(x * 2.5 + y, 0.25); with `constant` >= 0 the columns are that constant instead.
LoopNest PointwiseNest(int64_t constant = -1, bool streaming = false);
// The same onto the memory of x.
LoopNest InPlaceNest();
// out[a0, a1] = e / sum(e) by rows, e = (x - max(x))^2, kept in scratch.
LoopNest NormalizeRowsNest();
// out[a1] = sum over a0 rows, by a serial loop inside a vector loop.
LoopNest ColumnSumNest();
// out[a1] = max over rows of a *constant* shape, so that the tail is narrower.
LoopNest ConstantColumnMaxNest(int64_t rows, int64_t columns);
// c[rows, 64] = a[rows, a0] * b[a0, 64], accumulators in registers; rows and columns constant.
LoopNest GemmTileNest(int rows, int columns);
// out[a0] = table[index[a0]], table of a1 elements; status bit 5 for an index outside.
LoopNest GatherNest(ElementType element);
// out[index[i]] = x[i] for i < a0, one after another; out of a1 elements.
LoopNest ScatterNest(ElementType element);
// out[t] = convert(x) on a0 elements for each type t of ElementType, in order; and of element 0
// alone.
LoopNest ConvertNest(ElementType from);
inline constexpr int kElementTypes = static_cast<int>(ElementType::kF64) + 1;
// All operations that `element` allows on x and y of a0 elements, one output each.
LoopNest ArithmeticNest(ElementType element);
// Bool tensors, explicit masks on loads, gathers and stores, compares: on a0 elements.
LoopNest MaskNest();
// Rows of some columns, each value stored past the caches; rows do not end where cache lines do.
LoopNest StreamedRowsNest(int64_t columns);
// Shuffles, extracts, reductions and iota of 64, 24 and 8 lanes, outside vector loops.
LoopNest ShuffleNest();
// A table of 16 entries by a0 indices.
LoopNest LookupNest();
// Strided and broadcast accesses, also with a stride that is an argument (a1).
LoopNest StrideNest(ElementType element);
// acc + dot4(a, b) on a0 lanes.
LoopNest Dot4Nest();
// Minima and maxima of up to five of four inputs of a0 elements: one after another, in pairs, of both kinds, with
// steps that are stored too.
LoopNest ExtremaNest(ElementType element);
// Four inputs of it: every combination of numbers, zeros, infinities and NaN of both signs.
inline constexpr int64_t kExtremaElements = 9 * 9 * 9 * 9;
std::vector<double> ExtremaInput(int number);
// Unrolled and nested serial loops, prefetches, index arithmetic with div and mod; tiles a0 x a1
// x 5.
LoopNest IndexNest();

}  // namespace skein

#endif  // SKEIN_TESTS_CODEGEN_SAMPLE_NESTS_H_
