#include "fusion/locality.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "fusion/pipeline_rows.h"

namespace skein {
namespace {

constexpr int64_t kLine = 64;          // bytes
constexpr int64_t kGatheredRows = 4;   // that a gather runs ahead where their length is not known

class LocalityPass {
 public:
  LocalityPass(const Locality& locality, const Target& target, LoopNest* nest)
      : locality_(locality), target_(target), nest_(*nest) {}

  void Run() {
    MarkStores();
    if (locality_.far && target_.prefetch_bytes > 0) FindStreams();
    const std::optional<RowPipeline> pipeline = RowPipeline::Find(nest_, target_);
    for (const Stream& stream : streams_) {
      pipeline ? FetchAhead(stream, pipeline->is_light()) : InsertPrefetches(stream);
    }
    if (pipeline) pipeline->Rewrite(&nest_);
  }

 private:
  // Loops of a tile, each inside the one before: how a row is walked.
  using Walk = std::vector<InstId>;
  // A run of memory that the innermost loop of a walk reads, `lanes` elements a trip.
  struct Stream {
    Walk walk;  // the first of several that read the run
    BufferId buffer;
    DimExpr address;
    int lanes;
    bool gathered;  // where it begins is computed once for the tile, from indices in memory
  };

  void MarkStores() {
    streamed_.assign(nest_.buffers.size(), false);
    size_t output = 0;
    for (size_t i = 0; i < nest_.buffers.size(); ++i) {
      if (nest_.buffers[i].kind != BufferKind::kOutput) continue;
      streamed_[i] = output < locality_.streamed.size() && locality_.streamed[output];
      ++output;
    }
    for (int i = 0; i < nest_.inst_count(); ++i) {
      Inst& inst = nest_.inst(InstId(i));
      if (inst.op == Opcode::kStore && inst.stride.IsConst(1)) inst.streaming = streamed_[inst.buffer.index];
    }
  }

  void FindStreams() {
    BlockId tile = nest_.root;
    for (InstId loop = ParallelLoop(tile); loop.valid(); loop = ParallelLoop(tile)) {
      tiles_.push_back(loop);
      tile = nest_.inst(loop).body;
    }
    if (tiles_.empty()) return;  // one tile: nothing follows it
    tile_ = tile;
    for (InstId id : nest_.block(tile).insts) {
      for (ValueId v : nest_.inst(id).results) definitions_[v] = id;
    }
    for (int i = 0; i < nest_.inst_count(); ++i) {
      const Inst& inst = nest_.inst(InstId(i));
      if (inst.op == Opcode::kPrefetch) fetched_.insert(inst.buffer.index);
    }
    FindStreams(tile, {});
  }

  InstId ParallelLoop(BlockId block) const {
    for (InstId id : nest_.block(block).insts) {
      const Inst& inst = nest_.inst(id);
      if (inst.op == Opcode::kLoop && inst.loop_kind == LoopKind::kParallel) return id;
    }
    return InstId();
  }

  void FindStreams(BlockId block, const Walk& walk) {
    bool innermost = !walk.empty();
    for (InstId id : nest_.block(block).insts) {
      const Inst& inst = nest_.inst(id);
      if (inst.op == Opcode::kLoop) {
        innermost = false;
        Walk inner = walk;
        inner.push_back(id);
        FindStreams(inst.body, inner);
      } else if (inst.op == Opcode::kLoad && !walk.empty() && IsWorthFetching(inst)) {
        bool gathered = false;
        VisitLeaves(inst.address, [&](DimExpr leaf) { gathered = gathered || leaf.kind() == DimKind::kValue; });
        AddStream({walk, inst.buffer, inst.address, inst.type.lanes, gathered});
      }
    }
    if (innermost) walks_.push_back(walk);
  }

  // A contiguous run of a large input that is somewhere else in the next tile.
  bool IsWorthFetching(const Inst& load) const {
    const Buffer& buffer = nest_.buffers[load.buffer.index];
    if (fetched_.contains(load.buffer.index)) return false;
    if (buffer.kind != BufferKind::kInput || !load.stride.IsConst(1) || load.type.lanes < 16) return false;
    if (ProveLessEqual(buffer.size * BytesFor(buffer.element, 1), target_.l2_bytes / 2)) return false;
    bool moves = false, computed = false, foreseen = true;
    VisitLeaves(load.address, [&](DimExpr leaf) {
      if (leaf.kind() != DimKind::kValue) return;
      computed = true;
      foreseen = foreseen && CanForesee(ValueId(leaf.index()), &moves);
    });
    if (computed) return foreseen && moves && nest_.inst(tiles_.back()).step == 1;
    bool again = false;  // by other tiles
    for (InstId tile : tiles_) {
      (DependsOnCoord(load.address, nest_.inst(tile).loop) ? moves : again) = true;
    }
    // What is read again and lies in a cache by then, the processor fetches by itself: a mask of 1 MiB that each head
    // adds to its scores took 10 % off them.
    return moves && !(again && ProveLessEqual(buffer.size * BytesFor(buffer.element, 1), target_.stream_intermediate_bytes / 2));
  }

  // Whether what a scalar will be in a later tile can be computed in this one: from memory that is read at places
  // that sizes and other such scalars give, by operations without effect. Sets `moves` if it changes with the tile.
  bool CanForesee(ValueId v, bool* moves) const {
    auto it = definitions_.find(v);
    if (it == definitions_.end()) return false;
    const Inst& inst = nest_.inst(it->second);
    if (inst.op == Opcode::kLoop || inst.op == Opcode::kGather || inst.type.lanes != 1 || inst.masked) return false;
    bool can = inst.op != Opcode::kLoad || nest_.buffers[inst.buffer.index].kind == BufferKind::kInput;
    for (ValueId operand : inst.operands) can = can && CanForesee(operand, moves);
    for (DimExpr e : {inst.expr, inst.address}) {
      *moves = *moves || DependsOnCoord(e, nest_.inst(tiles_.back()).loop);
      VisitLeaves(e, [&](DimExpr leaf) {
        if (leaf.kind() == DimKind::kValue) can = can && CanForesee(ValueId(leaf.index()), moves);
      });
    }
    return can;
  }

  // Scalars as they will be some tiles later, or in the last tile; computed where the tile begins.
  class Foresight {
   public:
    Foresight(LocalityPass* pass, int64_t tiles) : pass_(*pass), nest_(pass->nest_) {
      const Inst& loop = nest_.inst(pass_.tiles_.back());
      tile_ = loop.loop;
      place_ = Min(DimExpr::Coord(loop.loop, loop.extent) + tiles, loop.extent - 1);
    }

    DimExpr At(DimExpr e) {
      return Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
        if (leaf.kind() == DimKind::kValue) return DimExpr::Value(At(ValueId(leaf.index())).index);
        if (leaf.kind() == DimKind::kCoord && leaf.index() == tile_) return place_;
        return std::nullopt;
      });
    }

    // Puts what At needed at the beginning of the tile.
    void Place() {
      std::vector<InstId>& insts = nest_.block(pass_.tile_).insts;
      insts.insert(insts.begin(), placed_.begin(), placed_.end());
    }

   private:
    ValueId At(ValueId v) {
      if (auto it = values_.find(v); it != values_.end()) return it->second;
      Inst inst = nest_.inst(pass_.definitions_.at(v));
      for (ValueId& operand : inst.operands) operand = At(operand);
      inst.expr = At(inst.expr);
      inst.address = At(inst.address);
      ValueId result;
      if (inst.op == Opcode::kClampIndex) {  // the tile itself will report an index that is out of range
        const VectorType type = inst.type;
        const ValueId zero = Emit({.op = Opcode::kConst}, type);
        const ValueId last = Emit({.op = Opcode::kIndex, .expr = inst.expr - 1}, type);
        result = Emit({.op = Opcode::kMax, .operands = {inst.operands[0], zero}}, type);
        result = Emit({.op = Opcode::kMin, .operands = {result, last}}, type);
      } else {
        const VectorType type = inst.type;
        result = Emit(std::move(inst), type);
      }
      return values_[v] = result;
    }
    ValueId Emit(Inst inst, VectorType type) {
      const ValueId v = nest_.NewValue(type);
      inst.type = type;
      inst.results = {v};
      placed_.push_back(nest_.NewInst(std::move(inst)));
      return v;
    }

    LocalityPass& pass_;
    LoopNest& nest_;
    int tile_;
    DimExpr place_;
    absl::flat_hash_map<ValueId, ValueId> values_;
    std::vector<InstId> placed_;
  };

  void AddStream(Stream stream) {
    for (const Stream& known : streams_) {
      if (known.buffer == stream.buffer && AlongRow(known) == AlongRow(stream)) return;
    }
    streams_.push_back(std::move(stream));
  }
  // The address as a function of the place in the row, whichever loops walk it.
  DimExpr AlongRow(const Stream& s) const {
    return Replaced(s.address, s.walk, DimExpr::Coord(-1, nest_.inst(s.walk[0]).extent));
  }

  DimExpr IndexOf(InstId loop) const { return DimExpr::Coord(nest_.inst(loop).loop, nest_.inst(loop).extent); }
  // The place in the row.
  DimExpr IndexOf(const Walk& walk) const {
    DimExpr sum = 0;
    for (InstId loop : walk) sum = sum + IndexOf(loop);
    return sum;
  }
  // The address at another place in the row.
  DimExpr Replaced(DimExpr address, const Walk& walk, DimExpr place) const {
    return Substitute(address, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() != DimKind::kCoord) return std::nullopt;
      for (size_t i = 0; i < walk.size(); ++i) {
        if (leaf.index() == nest_.inst(walk[i]).loop) return i + 1 < walk.size() ? DimExpr(0) : place;
      }
      return std::nullopt;
    });
  }
  // The address some trips of `loop` later.
  DimExpr Later(DimExpr address, InstId loop, int64_t trips) const {
    return Replaced(address, {loop}, IndexOf(loop) + trips * nest_.inst(loop).step);
  }

  // Other walks over the same row, by which the row after it can be fetched.
  std::vector<Walk> Carriers(const Stream& stream) const {
    if (Replaced(stream.address, stream.walk, IndexOf(stream.walk)) != stream.address) return {};
    std::vector<Walk> result;
    for (const Walk& walk : walks_) {
      const Inst &mine = nest_.inst(stream.walk.back()), &other = nest_.inst(walk.back());
      if (walk != stream.walk && nest_.inst(walk[0]).extent == nest_.inst(stream.walk[0]).extent &&
          other.loop_kind == mine.loop_kind && other.step == mine.step) {
        result.push_back(walk);
      }
    }
    return result;
  }

  void InsertPrefetches(const Stream& stream) {
    const ElementType element = nest_.buffers[stream.buffer.index].element;
    const int64_t trip_bytes = BytesFor(element, stream.lanes);
    const int lines = static_cast<int>(std::max<int64_t>(1, trip_bytes / kLine));
    // The streams share the room that L1 has for what is not needed yet.
    const int64_t ahead = target_.prefetch_bytes / static_cast<int64_t>(streams_.size());
    const std::vector<Walk> carriers = Carriers(stream);
    if (carriers.empty() && !stream.gathered) {
      // A run that ends before the distance is over goes on elsewhere; the processor follows such runs better by
      // itself: fetching the next ones took 20 to 40 % off sums of columns.
      if (stream.walk.size() > 1 && nest_.inst(stream.walk.back()).extent.range().hi * trip_bytes <=
                                        ahead * nest_.inst(stream.walk.back()).step) {
        return;
      }
      return FetchAhead(stream, CountOperations(nest_, nest_.inst(stream.walk.back()).body) < kManyOperations);
    }
    int64_t rows = stream.gathered ? kGatheredRows : 1;
    int level = target_.prefetch_level;
    if (std::optional<int64_t> extent = nest_.inst(stream.walk[0]).extent.AsConst()) {
      const int64_t row_bytes = std::max<int64_t>(1, BytesFor(element, *extent));
      rows = CeilDivide(ahead, row_bytes);
      if (rows * row_bytes > target_.l1_bytes / 2) level = 1;
    }
    // Streams are dealt to the loops that can carry them; one that has several to itself deals out its lines,
    // unless its row is too long for L1.
    if (stream.gathered) return FetchGathered(stream, carriers, rows, lines);
    int parts = 1;
    if (level == 0) parts = std::min(lines, static_cast<int>(std::max<size_t>(1, carriers.size() / streams_.size())));
    for (int i = 0; i < parts; ++i) {
      const Walk& walk = carriers[spread_++ % carriers.size()];
      const DimExpr address =
          Later(Replaced(stream.address, stream.walk, IndexOf(walk)), tiles_.back(), rows);
      Insert(stream, walk.back(), address, level, lines * i / parts, lines * (i + 1) / parts, lines);
    }
  }

  // In the loop that reads the stream. A single one, beside which stores leave for memory too, is fetched in two steps:
  // stores past the caches and fetches into L1 wait for the same buffers, and a line that is in L2 already leaves them at
  // once. One alone takes a little more than half of the room. Several the processor follows by itself, 3 to 8% faster,
  // unless much arithmetic lies between their loads: then they share a smaller part of the room.
  void FetchAhead(const Stream& stream, bool light) {
    if (light && streams_.size() > 1) return;
    const int64_t room = target_.prefetch_bytes, trip_bytes = BytesFor(nest_.buffers[stream.buffer.index].element, stream.lanes);
    const int lines = static_cast<int>(std::max<int64_t>(1, trip_bytes / kLine));
    const InstId loop = stream.walk.back();
    auto fetch = [&](int64_t ahead, int level) {
      Insert(stream, loop, Later(stream.address, loop, CeilDivide(ahead, trip_bytes)), level, 0, lines, lines);
    };
    const bool stores = std::find(streamed_.begin(), streamed_.end(), true) != streamed_.end();
    if (streams_.size() == 1 && stores && target_.prefetch_level == 0) {
      fetch(room * 2, 1);
      fetch(room / 4, 0);
    } else if (streams_.size() == 1) {
      fetch(room * 9 / 16, target_.prefetch_level);
    } else {
      fetch(room * 3 / 8 / static_cast<int64_t>(streams_.size()), target_.prefetch_level);
    }
  }

  // Fetches the row that indices select some tiles later, in two steps as well; where several rows are read at a time,
  // L1 alone.
  void FetchGathered(const Stream& stream, const std::vector<Walk>& carriers, int64_t rows, int lines) {
    const Walk& walk = carriers.empty() ? stream.walk : carriers[spread_++ % carriers.size()];
    for (int level : {1, 0}) {
      if (level == 1 && streams_.size() > 1) continue;
      Foresight later(this, level == 1 ? std::max<int64_t>(rows, 2) : std::max<int64_t>(rows / 4, 1));
      const DimExpr address = later.At(Replaced(stream.address, stream.walk, IndexOf(walk)));
      later.Place();
      Insert(stream, walk.back(), address, level, 0, lines, lines);
    }
  }

  // Fetches lines [begin, end) of the `lines` that one trip reads.
  void Insert(const Stream& stream, InstId carrier, DimExpr address, int level, int begin, int end, int lines) {
    std::vector<InstId> fetches;
    for (int line = begin; line < end; ++line) {
      Inst fetch;
      fetch.op = Opcode::kPrefetch;
      fetch.buffer = stream.buffer;
      fetch.address = address + line * (stream.lanes / lines);
      fetch.imm = level;
      fetches.push_back(nest_.NewInst(std::move(fetch)));
    }
    std::vector<InstId>& insts = nest_.block(nest_.inst(carrier).body).insts;
    insts.insert(insts.begin(), fetches.begin(), fetches.end());
  }
  static int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

  const Locality& locality_;
  const Target& target_;
  LoopNest& nest_;
  std::vector<InstId> tiles_;  // the parallel loops
  BlockId tile_;               // the body of the innermost of them
  absl::flat_hash_map<ValueId, InstId> definitions_;  // of the tile, outside its loops
  std::vector<Walk> walks_;    // to the innermost loops of a tile, in order
  std::vector<Stream> streams_;
  std::vector<bool> streamed_;  // buffers: stores to them bypass the caches
  std::set<int> fetched_;      // buffers whose prefetches the schedule placed itself
  size_t spread_ = 0;
};

}  // namespace

void ApplyLocality(const Locality& locality, const Target& target, LoopNest* nest) {
  LocalityPass(locality, target, nest).Run();
}

}  // namespace skein
