#include "fusion/locality.h"

#include <algorithm>
#include <optional>

namespace skein {
namespace {

constexpr int64_t kLine = 64;  // bytes

class LocalityPass {
 public:
  LocalityPass(const Locality& locality, const Target& target, LoopNest* nest)
      : locality_(locality), target_(target), nest_(*nest) {}

  void Run() {
    MarkStores();
    if (!locality_.far || target_.prefetch_bytes == 0) return;
    BlockId tile = nest_.root;
    for (InstId loop = ParallelLoop(tile); loop.valid(); loop = ParallelLoop(tile)) {
      tiles_.push_back(loop);
      tile = nest_.inst(loop).body;
    }
    if (tiles_.empty()) return;  // one tile: nothing follows it
    FindStreams(tile, InstId());
    for (const Stream& stream : streams_) InsertPrefetches(stream);
  }

 private:
  // A run of memory that a loop reads, `lanes` elements a trip.
  struct Stream {
    InstId loop;  // the innermost around the load, the first of several that read the run
    BufferId buffer;
    DimExpr address;
    int lanes;
  };

  void MarkStores() {
    std::vector<bool> streamed(nest_.buffers.size(), false);
    size_t output = 0;
    for (size_t i = 0; i < nest_.buffers.size(); ++i) {
      if (nest_.buffers[i].kind != BufferKind::kOutput) continue;
      streamed[i] = output < locality_.streamed.size() && locality_.streamed[output];
      ++output;
    }
    for (int i = 0; i < nest_.inst_count(); ++i) {
      Inst& inst = nest_.inst(InstId(i));
      if (inst.op == Opcode::kStore && inst.stride.IsConst(1)) inst.streaming = streamed[inst.buffer.index];
    }
  }

  InstId ParallelLoop(BlockId block) const {
    for (InstId id : nest_.block(block).insts) {
      const Inst& inst = nest_.inst(id);
      if (inst.op == Opcode::kLoop && inst.loop_kind == LoopKind::kParallel) return id;
    }
    return InstId();
  }

  void FindStreams(BlockId block, InstId loop) {
    for (InstId id : nest_.block(block).insts) {
      const Inst& inst = nest_.inst(id);
      if (inst.op == Opcode::kLoop) {
        loops_.push_back(id);
        FindStreams(inst.body, id);
      } else if (inst.op == Opcode::kLoad && loop.valid() && IsWorthFetching(inst)) {
        AddStream({loop, inst.buffer, inst.address, inst.type.lanes});
      }
    }
  }

  // A contiguous run of a large input that is somewhere else in the next tile.
  bool IsWorthFetching(const Inst& load) const {
    const Buffer& buffer = nest_.buffers[load.buffer.index];
    if (buffer.kind != BufferKind::kInput || !load.stride.IsConst(1) || load.type.lanes < 16) return false;
    if (ProveLessEqual(buffer.size * BytesFor(buffer.element, 1), target_.l2_bytes / 2)) return false;
    bool moves = false, computed = false;
    VisitLeaves(load.address, [&](DimExpr leaf) { computed = computed || leaf.kind() == DimKind::kValue; });
    for (InstId tile : tiles_) moves = moves || DependsOnCoord(load.address, nest_.inst(tile).loop);
    return moves && !computed;
  }

  void AddStream(Stream stream) {
    // The same place, whichever loop of the tile walks it.
    auto place = [&](const Stream& s) { return Replaced(s.address, s.loop, DimExpr::Coord(-1, nest_.inst(s.loop).extent)); };
    for (const Stream& known : streams_) {
      if (known.buffer == stream.buffer && place(known) == place(stream)) return;
    }
    streams_.push_back(std::move(stream));
  }

  // The address with the index of `loop` replaced.
  DimExpr Replaced(DimExpr address, InstId loop, DimExpr index) const {
    return Substitute(address, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() == DimKind::kCoord && leaf.index() == nest_.inst(loop).loop) return index;
      return std::nullopt;
    });
  }
  DimExpr IndexOf(InstId loop) const { return DimExpr::Coord(nest_.inst(loop).loop, nest_.inst(loop).extent); }
  // The address some trips of `loop` later.
  DimExpr Later(DimExpr address, InstId loop, int64_t trips) const {
    return Replaced(address, loop, IndexOf(loop) + trips * nest_.inst(loop).step);
  }

  // The loops that can walk the next row for a stream: those over the same row behind its first reader. Empty
  // where the row is not one loop.
  std::vector<InstId> Carriers(const Stream& stream) const {
    std::vector<InstId> result;
    const Inst& reader = nest_.inst(stream.loop);
    for (InstId id : loops_) {
      const Inst& loop = nest_.inst(id);
      if (id == stream.loop) continue;
      if (DependsOnCoord(stream.address, loop.loop)) return {};
      if (loop.loop_kind == reader.loop_kind && loop.extent == reader.extent && loop.step == reader.step) {
        result.push_back(id);
      }
    }
    return result;
  }

  void InsertPrefetches(const Stream& stream) {
    const int64_t trip_bytes = BytesFor(nest_.buffers[stream.buffer.index].element, stream.lanes);
    // The streams share the room that L1 has for what is not needed yet.
    const int64_t ahead = target_.prefetch_bytes / static_cast<int64_t>(streams_.size());
    InstId carrier = stream.loop;
    DimExpr address;
    if (const std::vector<InstId> carriers = Carriers(stream); !carriers.empty()) {
      // One loop carries all of a stream: dealing its lines to several loops was slower.
      carrier = carriers[spread_++ % carriers.size()];
      int64_t rows = 1;
      const Inst& row = nest_.inst(stream.loop);
      if (std::optional<int64_t> trips = CeilDiv(row.extent, row.step).AsConst()) {
        rows = CeilDivide(ahead, std::max<int64_t>(1, *trips * trip_bytes));
      }
      address = Later(Replaced(stream.address, stream.loop, IndexOf(carrier)), tiles_.back(), rows);
    } else {
      address = Later(stream.address, stream.loop, CeilDivide(ahead, trip_bytes));
    }
    const int64_t lines = std::max<int64_t>(1, trip_bytes / kLine);
    std::vector<InstId> fetches;
    for (int64_t line = 0; line < lines; ++line) {
      Inst fetch;
      fetch.op = Opcode::kPrefetch;
      fetch.buffer = stream.buffer;
      fetch.address = address + line * (stream.lanes / lines);
      fetch.imm = target_.prefetch_level;
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
  std::vector<InstId> loops_;  // loops inside a tile, in order
  std::vector<Stream> streams_;
  size_t spread_ = 0;
};

}  // namespace

void ApplyLocality(const Locality& locality, const Target& target, LoopNest* nest) {
  LocalityPass(locality, target, nest).Run();
}

}  // namespace skein
