#include "kernels/gemm.h"

#include <algorithm>

namespace skein {
namespace {

constexpr int64_t kChunk = 512;  // of the contraction order, DESIGN section 6

// One GEMM under construction: the loops that are open and what they run over.
struct Builder {
  LoopBuilder& b;
  const GemmSpec& spec;
  std::vector<DimExpr> batch;
  DimExpr row0, rows;            // first row of the block, rows in it
  DimExpr panel_index, columns;  // panel number, columns in it
  BufferId totals;               // scratch [block_rows, panel]
  BufferId packed;               // scratch [kChunk, panel], unless B is read in place

  void Enter() { spec.scope(true); }
  void Leave() { spec.scope(false); }

  absl::StatusOr<ValueId> LoadB(DimExpr chunk, DimExpr k) {
    if (spec.b_in_place) return spec.b_in_place(batch, chunk + k, panel_index);
    return b.Load(packed, k * spec.panel, static_cast<int>(spec.panel));
  }

  // Copies rows [chunk, chunk + depth) of the panel's columns into scratch.
  absl::Status PackB(DimExpr chunk, DimExpr depth) {
    DimExpr k = b.BeginLoop(LoopKind::kSerial, depth);
    Enter();
    DimExpr j = b.BeginVectorLoop(columns, static_cast<int>(spec.panel));
    Enter();
    SKEIN_ASSIGN_OR_RETURN(ValueId v, spec.b(batch, chunk + k, panel_index * spec.panel + j, j.index(),
                                             static_cast<int>(spec.panel)));
    b.Store(packed, k * spec.panel + j, b.Splat(v, static_cast<int>(spec.panel)));
    Leave();
    b.EndLoop();
    Leave();
    b.EndLoop();
    return absl::OkStatus();
  }

  // Rows [row, row + height) of the block: one register tile over one chunk of k.
  absl::Status Tile(DimExpr row, int height, DimExpr chunk, DimExpr depth) {
    const int lanes = static_cast<int>(spec.panel);
    std::vector<ValueId> zeros(height, b.Const(ElementType::kF32, 0.0, lanes));
    DimExpr k = b.BeginLoop(LoopKind::kSerial, depth, 1, zeros);
    Enter();
    SKEIN_ASSIGN_OR_RETURN(ValueId row_of_b, LoadB(chunk, k));
    std::vector<ValueId> next;
    for (int r = 0; r < height; ++r) {
      SKEIN_ASSIGN_OR_RETURN(ValueId a, spec.a(batch, row0 + row + r, chunk + k));
      next.push_back(b.Fma(b.Splat(a, lanes), row_of_b, b.Carried(r)));
    }
    Leave();
    std::vector<ValueId> sums = b.EndLoop(next);
    const bool one_chunk = ProveLessEqual(spec.k, kChunk);
    for (int r = 0; r < height; ++r) {
      DimExpr address = (row + r) * spec.panel;
      ValueId total = sums[r];
      if (!one_chunk) {  // the first chunk is the total so far; later ones are added to it
        ValueId later = b.Binary(Opcode::kNotEqual, b.Index(chunk), b.ConstInt(ElementType::kI64, 0));
        ValueId so_far = b.Load(totals, address, lanes);
        total = b.Select(b.Splat(later, lanes), b.Add(so_far, total), total);
      }
      b.Store(totals, address, total);
    }
    return absl::OkStatus();
  }

  // All rows of the block: as many full tiles as fit, then one tile each of halving heights.
  absl::Status Tiles(DimExpr chunk, DimExpr depth) {
    DimExpr done = 0;
    int64_t height = spec.tile_rows;
    while (height >= 1) {
      DimExpr left = rows - done;
      DimExpr tiles = FloorDiv(left, height);
      if (!tiles.IsConst(0)) {
        DimExpr t = b.BeginLoop(LoopKind::kSerial, tiles);
        Enter();
        SKEIN_RETURN_IF_ERROR(Tile(done + t * height, static_cast<int>(height), chunk, depth));
        Leave();
        b.EndLoop();
      }
      done = done + tiles * height;
      height /= 2;
    }
    return absl::OkStatus();
  }

  absl::Status Epilogue() {
    DimExpr row = b.BeginLoop(LoopKind::kSerial, rows);
    Enter();
    const int lanes = spec.epilogue_lanes;
    const int loop = b.nest().loop_count;  // the number that the vector loop will get
    DimExpr column = DimExpr::Coord(loop, columns);
    SKEIN_RETURN_IF_ERROR(spec.row_prologue(batch, row0 + row, panel_index * spec.panel + column,
                                            [loop](int i) { return i == loop; }));
    DimExpr j = b.BeginVectorLoop(columns, lanes);
    Enter();
    ValueId total = b.Load(totals, row * spec.panel + j);
    SKEIN_RETURN_IF_ERROR(spec.epilogue(batch, row0 + row, panel_index * spec.panel + j, j.index(),
                                        lanes, total));
    Leave();
    b.EndLoop();
    Leave();
    b.EndLoop();
    return absl::OkStatus();
  }
};

}  // namespace

void ChooseTiles(const Target& target, GemmSpec* spec) {
  // 24 accumulators of 16 lanes on AVX-512, 12 of 8 lanes on AVX2: both leave room for a row of B and a
  // broadcast of A, and spill nothing (FIELD-NOTES, "Rates").
  spec->panel = target.isa == Isa::kAvx512 ? 64 : 16;
  spec->tile_rows = 6;
}

void ChooseBlocks(GemmSpec* spec) {
  // A block's totals and its part of A stay in L2 beside the panel of B. Packing B in the kernel is paid once a
  // block, so the blocks are larger there.
  spec->block_rows = spec->b_in_place ? 96 : 252;
}

absl::Status BuildGemm(LoopBuilder& b, const GemmSpec& spec) {
  Builder g{b, spec, {}, {}, {}, {}, {}, {}, {}};
  int loops = 0;
  auto parallel = [&](DimExpr extent) -> DimExpr {
    if (extent.IsConst(1)) return 0;
    ++loops;
    DimExpr i = b.BeginLoop(LoopKind::kParallel, extent);
    g.Enter();
    return i;
  };
  for (DimExpr extent : spec.batch) g.batch.push_back(parallel(extent));
  g.panel_index = parallel(CeilDiv(spec.n, spec.panel));
  DimExpr block = parallel(CeilDiv(spec.m, spec.block_rows));
  g.row0 = block * spec.block_rows;
  g.rows = Min(spec.block_rows, spec.m - g.row0);
  g.columns = Min(spec.panel, spec.n - g.panel_index * spec.panel);
  g.totals = b.AddBuffer(BufferKind::kScratch, ElementType::kF32, spec.block_rows * spec.panel);
  if (!spec.b_in_place) {
    g.packed = b.AddBuffer(BufferKind::kScratch, ElementType::kF32, kChunk * spec.panel);
  }
  const bool one_chunk = ProveLessEqual(spec.k, kChunk);
  DimExpr chunk = 0, depth = spec.k;
  // K = 0 still walks one (empty) chunk, so that the totals become +0.
  if (!one_chunk) {
    chunk = b.BeginLoop(LoopKind::kSerial, Max(spec.k, 1), kChunk);
    g.Enter();
    depth = Min(kChunk, spec.k - chunk);
  }
  if (!spec.b_in_place) SKEIN_RETURN_IF_ERROR(g.PackB(chunk, depth));
  SKEIN_RETURN_IF_ERROR(g.Tiles(chunk, depth));
  if (!one_chunk) {
    g.Leave();
    b.EndLoop();
  }
  SKEIN_RETURN_IF_ERROR(g.Epilogue());
  for (int i = 0; i < loops; ++i) {
    g.Leave();
    b.EndLoop();
  }
  return absl::OkStatus();
}

}  // namespace skein
