#include "fusion/schedule_transpose.h"

#include <algorithm>

#include "kernels/transpose_block.h"

namespace skein {
namespace {

struct TileShape {
  int64_t lanes, rows;
};
// In L2, lines that are touched once per row of a tile stay in L1, also at power-of-two pitches. Beyond, results in
// runs of 512 bytes take memory a fifth of the time that runs of 64 bytes do, and the few columns of the tile that
// is fetched ahead still fit the sets of L2. Measured on Zen 5: 4096x4096 68 % of a copy, 256x256 60 % (tiles of
// 64x64: 55 %, 32 %).
constexpr TileShape kFarTile{128, 32}, kNearTile{32, 32};

constexpr int kMaxLanes = 64;

// Constant rows up to this many elements are one tile where they do not divide into tiles.
constexpr int64_t kWholeRow = 128;

// Memory answers within two of the small tiles of one row; further ahead, lines push each other out of L2.
constexpr int64_t kTilesAhead = 2;

// Into L2: the rows of a tile fall into few sets of L1 where their pitch is a power of two (4096x4096: 65-70 % of a
// copy, against 60 % through L1; other pitches do not care).
constexpr int kFetchLevel = 1;

constexpr int64_t kLine = 64;   // bytes
constexpr int64_t kBlock = 16;  // lanes of the largest block; tiles are made of whole ones

// Pads a row of scratch, so that its columns do not fall into one set of L1.
constexpr int64_t kPad = 16;

class TransposeScheduler {
 public:
  TransposeScheduler(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work,
                     const TransposePlan& plan, const Target& target)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), spec_(spec), work_(work),
        plan_(plan), target_(target), place_(work.domain, plan) {}

  absl::Status Run() {
    OpenTiles();
    for (const Demand& odd : plan_.odd) SKEIN_RETURN_IF_ERROR(TransposeIn(odd));
    if (!plan_.only_moves) SKEIN_RETURN_IF_ERROR(Compute());
    for (const Staged& staged : staged_) SKEIN_RETURN_IF_ERROR(TransposeOut(staged));
    while (open_ > 0) Close();
    return absl::OkStatus();
  }

 private:
  // A two-dimensional tile in memory: runs of adjacent elements.
  struct Side {
    BufferId buffer;
    std::function<DimExpr(DimExpr run, DimExpr at)> address;
    bool padded = false;   // scratch: whole blocks may be touched
    bool fetched = false;  // the tile that comes next is fetched ahead
  };
  struct Scratch {
    BufferId buffer;
    int64_t pitch = 0;
    Side side() const {
      return {buffer, [pitch = pitch](DimExpr run, DimExpr at) { return run * pitch + at; }, true};
    }
  };
  struct Staged {
    size_t path;
    Scratch scratch;
  };

  // --- loops ---
  DimExpr Open(LoopKind kind, DimExpr extent, int64_t step = 1) {
    DimExpr i = b_.BeginLoop(kind, extent, step);
    emitter_.PushScope();
    ++open_;
    return i;
  }
  // Over part of a tile of `size`.
  DimExpr OpenVector(DimExpr extent, int64_t size) {
    const int lanes = static_cast<int>(std::min<int64_t>(size, kMaxLanes));
    DimExpr i = b_.BeginVectorLoop(extent, lanes);
    emitter_.PushScope();
    ++open_;
    emitter_.SetLane({i.index(), lanes});
    return i;
  }
  void Close() {
    emitter_.SetLane({});
    emitter_.PopScope();
    b_.EndLoop();
    --open_;
  }

  void OpenTiles() {
    const Domain& domain = work_.domain;
    tile_ = spec_.locality.far ? kFarTile : kNearTile;
    // A row of a few elements more than a tile is left whole: its lines are not fetched twice.
    const std::optional<int64_t> rows = domain.extent(plan_.rows).AsConst();
    if (rows && *rows <= kWholeRow && *rows % tile_.rows != 0) tile_.rows = (*rows + kBlock - 1) / kBlock * kBlock;
    for (int i = 0; i < domain.loop_count(); ++i) {
      if (i != plan_.lanes && i != plan_.rows) place_.Set(i, Open(LoopKind::kParallel, domain.extent(i)));
    }
    if (OpenTile(plan_.lanes, tile_.lanes, &lane0_, &lanes_)) ahead_ = {tile_.lanes, 0};
    if (OpenTile(plan_.rows, tile_.rows, &row0_, &rows_)) ahead_ = {0, kTilesAhead * tile_.rows};
  }
  // Cuts a loop into tiles; true if there may be several.
  bool OpenTile(int loop, int64_t size, DimExpr* first, DimExpr* extent) {
    const DimExpr whole = work_.domain.extent(loop);
    if (ProveLessEqual(whole, size)) {
      *extent = whole;
      return false;
    }
    *first = Open(LoopKind::kParallel, CeilDiv(whole, size)) * size;
    *extent = Mod(whole, size).IsConst(0) ? DimExpr(size) : Min(size, whole - *first);
    return true;
  }

  // At a place of the tile.
  Dims Coords(DimExpr row, DimExpr lane) const { return place_.Coords(row0_ + row, lane0_ + lane); }
  template <typename T>
  T At(const T& what, DimExpr row, DimExpr lane) const {
    return place_.At(what, row0_ + row, lane0_ + lane);
  }

  Scratch AddScratch(ElementType element, int64_t runs, int64_t extent) {
    const int64_t pitch = extent + kPad;
    return {b_.AddBuffer(BufferKind::kScratch, element, runs * pitch), pitch};
  }

  // --- phases ---

  // One odd value of the tile, to where vectors along `lanes` find it.
  absl::Status TransposeIn(const Demand& odd) {
    const TensorType& type = graph_.type(odd.value);
    Side from;
    if (emitter_.IsLeaf(odd.value)) {
      from = {emitter_.InputBuffer(odd.value), [this, odd, &type](DimExpr lane, DimExpr row) {
                return Linearize(At(odd, row, lane).coords, type.dims);
              }};
      from.fetched = IsWorthFetching(odd.value);
    } else {
      const Scratch packed = AddScratch(type.element, tile_.lanes, tile_.rows);
      SKEIN_RETURN_IF_ERROR(Pack(odd, packed));
      from = packed.side();
    }
    if (plan_.only_moves) {
      const OutputPath& path = work_.paths[0];
      SKEIN_ASSIGN_OR_RETURN(DimExpr place, Place(path));
      TransposeTile(type.element, from, lanes_, rows_, OutputSide(place, 0));
      return absl::OkStatus();
    }
    const Scratch transposed = AddScratch(type.element, tile_.rows, tile_.lanes);
    TransposeTile(type.element, from, lanes_, rows_, transposed.side());
    transposed_[odd.value].push_back({odd, transposed});
    return absl::OkStatus();
  }

  absl::Status Pack(const Demand& odd, const Scratch& packed) {
    const DimExpr lane = Open(LoopKind::kSerial, lanes_);
    const DimExpr row = OpenVector(rows_, tile_.rows);
    SKEIN_ASSIGN_OR_RETURN(ValueId value, emitter_.Emit(At(odd, row, lane)));
    b_.Store(packed.buffer, lane * packed.pitch + row, value);
    Close();
    Close();
    return absl::OkStatus();
  }

  // Linear address of a result over the domain's placeholders.
  absl::StatusOr<DimExpr> Place(const OutputPath& path) const {
    std::vector<DimExpr> loops;
    for (int i = 0; i < work_.domain.loop_count(); ++i) loops.push_back(work_.domain.Placeholder(i));
    SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, path, work_.domain.Coords(loops)));
    return Linearize(place, graph_.type(path.output).dims);
  }

  // Everything but the transposes, a row at a time.
  absl::Status Compute() {
    const DimExpr row = Open(LoopKind::kSerial, rows_);
    FetchRow(row);
    const int vector_loop = b_.nest().loop_count;
    const DimExpr lane_ahead = DimExpr::Coord(vector_loop, lanes_);
    ProvideTransposed(row, lane_ahead);
    for (const OutputPath& path : work_.paths) {
      SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant({path.core, Coords(row, lane_ahead)},
                                                   [&](int i) { return i == vector_loop; }));
    }
    const DimExpr lane = OpenVector(lanes_, tile_.lanes);
    for (size_t i = 0; i < work_.paths.size(); ++i) {
      const OutputPath& path = work_.paths[i];
      if (!plan_.odd_output[i]) {
        SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, path, work_.buffers[i], Coords(row, lane)));
        continue;
      }
      SKEIN_ASSIGN_OR_RETURN(ValueId value, emitter_.Emit({path.core, Coords(row, lane)}));
      const Scratch staged = AddScratch(graph_.type(path.core).element, tile_.rows, tile_.lanes);
      b_.Store(staged.buffer, row * staged.pitch + lane, value);
      staged_.push_back({i, staged});
    }
    Close();
    Close();
    return absl::OkStatus();
  }

  // Out of cache, and more than stays in L2 from one tile to the next.
  bool IsWorthFetching(Value v) const {
    const TensorType& type = graph_.type(v);
    if (!spec_.locality.far || target_.prefetch_bytes == 0 || ahead_.lanes + ahead_.rows == 0) return false;
    return !ProveLessEqual(Product(type.dims) * BytesFor(type.element, 1), target_.l2_bytes / 2);
  }

  // What row `row` of the next tile will be computed from, besides the odd values.
  void FetchRow(DimExpr row) {
    for (const Demand& demand : plan_.even) {
      if (!IsWorthFetching(demand.value)) continue;
      const TensorType& type = graph_.type(demand.value);
      const int64_t line = kLine / BytesFor(type.element, 1);
      const Demand next = At(demand, row + ahead_.rows, ahead_.lanes);
      const DimExpr address = Linearize(next.coords, type.dims);
      for (int64_t at = 0; at < tile_.lanes; at += line) {
        b_.Prefetch(emitter_.InputBuffer(demand.value), address + at, kFetchLevel);
      }
    }
  }

  void ProvideTransposed(DimExpr row, DimExpr lane) {
    for (const auto& [value, tiles] : transposed_) {
      emitter_.Provide(value, [this, &tiles, row, lane](const Demand& demand) -> absl::StatusOr<ValueId> {
        for (const auto& [odd, scratch] : tiles) {
          if (At(odd, row, lane) == demand) return b_.Load(scratch.buffer, row * scratch.pitch + lane);
        }
        return emitter_.EmitComputed(demand);
      });
    }
  }

  absl::Status TransposeOut(const Staged& staged) {
    const OutputPath& path = work_.paths[staged.path];
    SKEIN_ASSIGN_OR_RETURN(DimExpr place, Place(path));
    const Side to{work_.buffers[staged.path], [this, place](DimExpr lane, DimExpr row) { return At(place, row, lane); }};
    TransposeTile(graph_.type(path.core).element, staged.scratch.side(), rows_, lanes_, to);
    return absl::OkStatus();
  }
  Side OutputSide(DimExpr place, size_t path) const {
    return {work_.buffers[path], [this, place](DimExpr row, DimExpr lane) { return At(place, row, lane); }};
  }

  // `runs` runs of `extent` elements to `extent` runs of `runs` elements, in blocks.
  void TransposeTile(ElementType element, const Side& from, DimExpr runs, DimExpr extent, const Side& to) {
    const int n = TransposeBlockLanes(element);
    auto blocks = [&](DimExpr first_run, DimExpr run_count, DimExpr first, DimExpr count, bool edge) {
      if (run_count.IsConst(0) || count.IsConst(0)) return;
      const DimExpr run = first_run + Open(LoopKind::kSerial, run_count, n);
      const DimExpr at = first + Open(LoopKind::kSerial, count, n);
      TransposeOne(n, from, runs, run, extent, at, to, edge);
      Close();
      Close();
    };
    if (from.padded && to.padded) return blocks(0, runs, 0, extent, false);
    const DimExpr whole_runs = FloorDiv(runs, n) * n, whole = FloorDiv(extent, n) * n;
    blocks(0, whole_runs, 0, whole, false);
    blocks(0, whole_runs, whole, extent - whole, true);
    blocks(whole_runs, runs - whole_runs, 0, extent, true);
  }

  // One block of n x n elements; at an edge only what exists is read and written.
  void TransposeOne(int n, const Side& from, DimExpr runs, DimExpr run, DimExpr extent, DimExpr at,
                    const Side& to, bool edge) {
    auto mask = [&](const Side& side, DimExpr index, DimExpr end, DimExpr left) {
      if (!edge || side.padded) return ValueId();
      return b_.LaneMask(Select(Less(index, end), left, 0), n);
    };
    if (from.fetched) {
      for (int i = 0; i < n; ++i) {
        b_.Prefetch(from.buffer, from.address(run + i + ahead_.lanes, at + ahead_.rows), kFetchLevel);
      }
    }
    std::vector<ValueId> block;
    for (int i = 0; i < n; ++i) {
      block.push_back(b_.Load(from.buffer, from.address(run + i, at), n, 1, mask(from, run + i, runs, extent - at)));
    }
    block = TransposeBlock(b_, block);
    for (int i = 0; i < n; ++i) {
      b_.Store(to.buffer, to.address(at + i, run), block[i], 1, mask(to, at + i, extent, runs - run));
    }
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  const PointwiseWork& work_;
  const TransposePlan& plan_;
  const Target& target_;
  int open_ = 0;
  TileShape tile_;
  TileShape ahead_{0, 0};         // where the tile lies that is fetched while this one is worked on
  TransposePlace place_;
  DimExpr row0_, lane0_;          // the tile's place
  DimExpr rows_, lanes_;          // and extents
  absl::flat_hash_map<Value, std::vector<std::pair<Demand, Scratch>>> transposed_;
  std::vector<Staged> staged_;
};

}  // namespace

absl::Status ScheduleTranspose(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work,
                               const TransposePlan& plan, const Target& target) {
  // In one order, whether they are fetched ahead or not: kernels for other localities read the same.
  for (const std::vector<Demand>* reads : {&plan.odd, &plan.even}) {
    for (const Demand& d : *reads) {
      if (emitter.IsLeaf(d.value)) emitter.InputBuffer(d.value);
    }
  }
  if (spec.locality.far && target.prefetch_bytes > 0) {
    SKEIN_ASSIGN_OR_RETURN(const bool pipelined, SchedulePipelinedTranspose(emitter, work, plan, target));
    if (pipelined) return absl::OkStatus();
  }
  return TransposeScheduler(emitter, spec, work, plan, target).Run();
}

}  // namespace skein
