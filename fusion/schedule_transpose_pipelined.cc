// Transposes beyond L2: reading, transposing and writing overlap.
//
//   parallel: all other dims, then tiles of `lanes`, then blocks of tiles of `rows`
//     the first tile of each odd value is copied to scratch
//     for each tile, by units of 16 lanes and 4 rows:
//       fetch a little of the tile after the next one; copy a little of the next one to the other half of scratch
//       4 vectors of 16 lanes, from 16 pieces of 4 elements in scratch; the rest of the kernel for them
// For kernels of whole units whose odd values are read, not computed, from memory; others are left to ScheduleTranspose.
// Source: SCHEDULE-RECIPES-MEMORY section 4.4, but that the next tile is copied between the stores of this one.
#include <algorithm>

#include "fusion/schedule_transpose.h"
#include "kernels/transpose_block.h"

namespace skein {
namespace {

constexpr int kLanes = kShortRows;
constexpr int64_t kUnitRows = 4;
constexpr int64_t kLine = 64;  // bytes

struct Tile {
  int64_t lanes, rows;
  int fetch_level;

  int64_t block_rows() const { return 32 * rows; }  // the first of 32 tiles is not overlapped with anything
  int64_t least_rows() const { return 8 * rows; }
  int64_t pitch() const { return rows + 16; }       // columns of scratch do not fall into one set of L1
  int64_t half() const { return lanes * pitch(); }
  int64_t unit_runs() const { return kLanes * kUnitRows / rows; }  // of the next tile, copied beside a unit
  int64_t unit_rows() const { return kLanes * kUnitRows / lanes; }  // of it, fetched of an even value
};

// Where the pitch is a power of two the lines of a tile lie in few sets of L2: 32 runs take half of their ways, 64 all of
// them, and what is read in order beside them then drives them out in one process of two (an addition: 52-56 % of a copy,
// or 70; 75-80 with 32). Where nothing is, pieces are of four lines: of those of two, where the value begins at an odd line,
// processors that fetch lines by pairs fetch half in vain (58-66 % there, 74-84 with four), and there is room in L1.
// (Zen 5, 4096x4096, LLVM's AVX-512 code.)
constexpr Tile kSquareTile = {32, 32, 1}, kDeepTile = {32, 64, 0};

Tile ChooseTile(const TransposePlan& plan, DimExpr rows) {
  const bool deep = plan.even.empty() && Mod(rows, kDeepTile.rows).IsConst(0) && ProveLessEqual(kDeepTile.least_rows(), rows);
  return deep ? kDeepTile : kSquareTile;
}

// Copies go by 16 bytes, in a loop. A processor that is not held back runs far ahead of its memory, and what it
// fetches in such bursts comes late or never. Measured on Zen 5, 4096x4096, both tiers, AVX-512 and AVX2: 72-78 % of a
// copy, with an addition 68-80 %; with copies of whole lines 57-66 % (up to 75 % in Xbyak's longer code), whatever the
// distance and the level of the fetches; with nothing but 64 idle instructions beside such a copy 80-90 %.
constexpr int64_t kPieceBytes = 16;

class PipelinedTranspose {
 public:
  PipelinedTranspose(Emitter& emitter, const PointwiseWork& work, const TransposePlan& plan, const Target& target)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), work_(work), plan_(plan), target_(target),
        place_(work.domain, plan), tile_(ChooseTile(plan, work.domain.extent(plan.rows))) {}

  bool Fits() const {
    if (std::find(plan_.odd_output.begin(), plan_.odd_output.end(), true) != plan_.odd_output.end()) return false;
    const DimExpr lanes = work_.domain.extent(plan_.lanes), rows = work_.domain.extent(plan_.rows);
    int64_t bytes = 0;
    for (const Demand& odd : plan_.odd) {
      const ElementType element = ElementOf(odd);
      if (!emitter_.IsLeaf(odd.value) || BitWidth(element) > 32) return false;
      if (!Mod(rows, PieceLanes(element)).IsConst(0)) return false;
      // What the last level of cache holds comes before it is missed: 1024x1024 took Xbyak's code a quarter longer.
      const DimExpr size = Product(graph_.type(odd.value).dims) * BytesFor(element, 1);
      if (!ProveLessEqual(target_.stream_intermediate_bytes, size)) return false;
      bytes += BytesFor(element, 2 * tile_.half());
    }
    return bytes <= target_.l1_bytes * 3 / 4 && Mod(lanes, kLanes).IsConst(0) && ProveLessEqual(tile_.least_rows(), rows);
  }

  absl::Status Run() {
    OpenBlocks();
    for (const Demand& odd : plan_.odd) {
      scratch_.push_back(b_.AddBuffer(BufferKind::kScratch, ElementOf(odd), 2 * tile_.half()));
    }
    for (size_t i = 0; i < plan_.odd.size(); ++i) {
      const DimExpr run = Open(LoopKind::kSerial, lanes_);
      Copy(i, 0, run, 0);
      Close();
    }
    ProvideColumns();
    at_ = Open(LoopKind::kSerial, block_rows_, tile_.rows);
    const DimExpr quad = Open(LoopKind::kSerial, FloorDiv(TileRows(at_), kUnitRows));
    for (int64_t r = 0; r < kUnitRows; ++r) SKEIN_RETURN_IF_ERROR(EmitInvariant(quad * kUnitRows + r));
    const DimExpr group = Open(LoopKind::kSerial, FloorDiv(lanes_, kLanes));
    FetchAndCopy(quad * FloorDiv(lanes_, kLanes) + group);
    SKEIN_RETURN_IF_ERROR(EmitUnit(quad, group));
    while (open_ > 0) Close();
    return absl::OkStatus();
  }

 private:
  ElementType ElementOf(const Demand& demand) const { return graph_.type(demand.value).element; }
  static int64_t PieceLanes(ElementType element) {
    return std::max<int64_t>(kPieceBytes / BytesFor(element, 1), kUnitRows);
  }

  // --- loops ---
  DimExpr Open(LoopKind kind, DimExpr extent, int64_t step = 1) {
    const DimExpr i = b_.BeginLoop(kind, extent, step);
    emitter_.PushScope();
    ++open_;
    return i;
  }
  void Close() {
    emitter_.SetLane({});
    emitter_.PopScope();
    b_.EndLoop();
    --open_;
  }
  void OpenBlocks() {
    for (int i = 0; i < work_.domain.loop_count(); ++i) {
      if (i != plan_.lanes && i != plan_.rows) place_.Set(i, Open(LoopKind::kParallel, work_.domain.extent(i)));
    }
    OpenPart(plan_.lanes, tile_.lanes, &lane0_, &lanes_);
    OpenPart(plan_.rows, tile_.block_rows(), &row0_, &block_rows_);
  }
  void OpenPart(int loop, int64_t size, DimExpr* first, DimExpr* extent) {
    const DimExpr whole = work_.domain.extent(loop);
    *first = 0;
    *extent = whole;
    if (ProveLessEqual(whole, size)) return;
    *first = Open(LoopKind::kParallel, CeilDiv(whole, size)) * size;
    *extent = Mod(whole, size).IsConst(0) ? DimExpr(size) : Min(size, whole - *first);
  }

  bool HasWholeTiles() const { return Mod(work_.domain.extent(plan_.rows), tile_.rows).IsConst(0); }
  // Of the tile at row `at` of the block; none past the block's end.
  DimExpr TileRows(DimExpr at) const {
    return HasWholeTiles() ? DimExpr(tile_.rows) : Max(0, Min(tile_.rows, block_rows_ - at));
  }
  // Where the tile at row `at` of the block is in scratch.
  DimExpr Half(DimExpr at) const { return Mod(FloorDiv(at, tile_.rows), 2) * tile_.half(); }

  // --- what a unit waits for ---

  DimExpr Address(const Demand& demand, DimExpr row, DimExpr lane) const {
    return Linearize(place_.At(demand, row, lane).coords, graph_.type(demand.value).dims);
  }
  void Fetch(const Demand& demand, DimExpr row, DimExpr lane, int64_t elements) {
    const TensorType& type = graph_.type(demand.value);
    if (ProveLessEqual(Product(type.dims) * BytesFor(type.element, 1), target_.l2_bytes / 2)) return;
    const DimExpr address = Address(demand, row, lane);
    for (int64_t i = 0; i < elements; i += kLine / BytesFor(type.element, 1)) {
      b_.Prefetch(emitter_.InputBuffer(demand.value), address + i, tile_.fetch_level);
    }
  }
  // Run `run` of the tile at row `at` of the block.
  void Copy(size_t i, DimExpr at, DimExpr run, DimExpr half) {
    const Demand& odd = plan_.odd[i];
    const int64_t lanes = PieceLanes(ElementOf(odd));
    const DimExpr row = Open(LoopKind::kSerial, TileRows(at), lanes);
    const ValueId piece = b_.Load(emitter_.InputBuffer(odd.value), Address(odd, row0_ + at + row, lane0_ + run),
                                  static_cast<int>(lanes));
    b_.Store(scratch_[i], half + run * tile_.pitch() + row, piece);
    Close();
  }
  // Unit `unit`'s share: a row of what is read in order, runs of what is not. Copies lie between the fetches of the two: with
  // all fetches in front Xbyak's code is slow where what is read in order begins at an even line (an addition of 4096x4096
  // 6.5 ms, 4.8 to 5.0 in this order), with the other order LLVM's is in every other process (7.2 to 8.5 ms).
  void FetchAndCopy(DimExpr unit) {
    const int64_t runs = tile_.unit_runs(), rows = tile_.unit_rows();
    // After the last tile of a block, if all are whole, that one again.
    const DimExpr next = HasWholeTiles() ? Min(at_ + tile_.rows, block_rows_ - tile_.rows) : at_ + tile_.rows;
    for (const Demand& even : plan_.even) {
      for (int64_t r = 0; r < rows; ++r) Fetch(even, row0_ + at_ + tile_.rows + unit * rows + r, lane0_, tile_.lanes);
    }
    const bool alone = plan_.even.empty();  // 2% faster in front then
    if (alone) FetchOdd(unit);
    for (size_t i = 0; i < plan_.odd.size(); ++i) {
      for (int64_t r = 0; r < runs; ++r) Copy(i, next, unit * runs + r, tile_.half() - Half(at_));
    }
    if (!alone) FetchOdd(unit);
  }
  void FetchOdd(DimExpr unit) {
    const int64_t runs = tile_.unit_runs();
    for (const Demand& odd : plan_.odd) {
      for (int64_t r = 0; r < runs; ++r) Fetch(odd, row0_ + at_ + 2 * tile_.rows, lane0_ + unit * runs + r, tile_.rows);
    }
  }

  // --- units ---

  // An odd value is what the registers hold that its columns were turned into.
  void ProvideColumns() {
    for (const Demand& odd : plan_.odd) {
      emitter_.Provide(odd.value, [this](const Demand& demand) -> absl::StatusOr<ValueId> {
        auto it = columns_.find(demand);
        if (it != columns_.end()) return it->second;
        return emitter_.EmitComputed(demand);
      });
    }
  }
  // What is the same for all lanes of a row of the tile.
  absl::Status EmitInvariant(DimExpr row) {
    const DimExpr lane = work_.domain.Placeholder(plan_.lanes);
    for (const OutputPath& path : work_.paths) {
      SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant({path.core, place_.Coords(row0_ + at_ + row, lane)},
                                                   [&](int i) { return i == lane.index(); }));
    }
    return absl::OkStatus();
  }
  absl::Status EmitUnit(DimExpr quad, DimExpr group) {
    // A loop of one trip, whose index stands for the lanes.
    const DimExpr index = Open(LoopKind::kSerial, kLanes, kLanes);
    emitter_.SetLane({index.index(), kLanes});
    const DimExpr row = row0_ + at_ + quad * kUnitRows, lane = lane0_ + group * kLanes + index;
    for (size_t i = 0; i < plan_.odd.size(); ++i) {
      const DimExpr corner = Half(at_) + group * kLanes * tile_.pitch() + quad * kUnitRows;
      std::vector<ValueId> pieces;
      for (int64_t l = 0; l < kLanes; ++l) pieces.push_back(b_.Load(scratch_[i], corner + l * tile_.pitch(), kUnitRows));
      const std::vector<ValueId> columns = ShortRowsToColumns(b_, pieces);
      for (int64_t r = 0; r < kUnitRows; ++r) columns_[place_.At(plan_.odd[i], row + r, lane)] = columns[r];
    }
    for (size_t p = 0; p < work_.paths.size(); ++p) {
      for (int64_t r = 0; r < kUnitRows; ++r) {
        SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, work_.paths[p], work_.buffers[p], place_.Coords(row + r, lane)));
      }
    }
    return absl::OkStatus();
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  const PointwiseWork& work_;
  const TransposePlan& plan_;
  const Target& target_;
  TransposePlace place_;
  const Tile tile_;
  int open_ = 0;
  DimExpr lane0_, lanes_;       // of the tile
  DimExpr row0_, block_rows_;   // of the block
  DimExpr at_;                  // row of the block where the tile begins
  std::vector<BufferId> scratch_;  // of each odd value: two tiles, by turns
  absl::flat_hash_map<Demand, ValueId> columns_;
};

}  // namespace

absl::StatusOr<bool> SchedulePipelinedTranspose(Emitter& emitter, const PointwiseWork& work,
                                                const TransposePlan& plan, const Target& target) {
  PipelinedTranspose pipelined(emitter, work, plan, target);
  if (!pipelined.Fits()) return false;
  SKEIN_RETURN_IF_ERROR(pipelined.Run());
  return true;
}

}  // namespace skein
