// A packed, register-tiled matrix product as a LoopNest: C[m, n] = sum over k of A[m, k] * B[k, n].
//
// K is walked in order by fma from +0 within chunks of 512, chunks are added left to right (the order of
// `dot`), so the result does not depend on tile sizes, blocking, threads or ISA.
//
//   parallel: batch dims, row blocks of `block_rows`, column panels of `panel` columns (one tile each)
//     for each chunk of 512 k
//       [pack the chunk of B's panel into scratch, unless B is read in place]
//       for each register tile of up to `tile_rows` rows
//         tile_rows x panel accumulators in registers over k; added to the block's total in scratch
//     for each row, 64 columns at a time: epilogue
// Source: Goto 2008 (panels and blocks); SCHEDULE-RECIPES-CONTRACTIONS section 1.
#ifndef SKEIN_KERNELS_GEMM_H_
#define SKEIN_KERNELS_GEMM_H_

#include <functional>
#include <vector>

#include "base/status.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

struct GemmSpec {
  std::vector<DimExpr> batch;   // extents of the batch loops
  DimExpr m, n, k;
  int64_t panel = 64;           // columns of a register tile and of a packed panel
  int64_t tile_rows = 6;
  int64_t block_rows = 128;
  int epilogue_lanes = 64;      // of the loop that calls `epilogue`; divides the panel

  using Scope = std::function<void(bool enter)>;  // told around every loop that is opened
  Scope scope;
  // One element of A as a scalar at batch coordinates, m and k.
  std::function<absl::StatusOr<ValueId>(std::span<const DimExpr> batch, DimExpr m, DimExpr k)> a;
  // `panel` adjacent elements of row k of B, starting at column n0 = panel * index; or null: packed by `b`.
  std::function<absl::StatusOr<ValueId>(std::span<const DimExpr> batch, DimExpr k, DimExpr panel_index)>
      b_in_place;
  // Element (k, n) of B, n = the index of the vector loop around plus an offset; used to pack.
  std::function<absl::StatusOr<ValueId>(std::span<const DimExpr> batch, DimExpr k, DimExpr n,
                                        int lane_coord, int lanes)> b;
  // Called inside a vector loop over columns with the total; stores the outputs.
  std::function<absl::Status(std::span<const DimExpr> batch, DimExpr m, DimExpr n, int lane_coord,
                             int lanes, ValueId total)> epilogue;
  // Called before that loop, once a row: what does not depend on the column may be emitted here.
  std::function<absl::Status(std::span<const DimExpr> batch, DimExpr m, DimExpr n,
                             const std::function<bool(int)>& inner)> row_prologue;
};

// Register tile and panel for a target; rows of a block, once it is known whether B is packed in the kernel.
void ChooseTiles(const Target& target, GemmSpec* spec);
void ChooseBlocks(GemmSpec* spec);

absl::Status BuildGemm(LoopBuilder& b, const GemmSpec& spec);

}  // namespace skein

#endif  // SKEIN_KERNELS_GEMM_H_
