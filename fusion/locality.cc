#include "fusion/locality.h"

#include <algorithm>
#include <optional>
#include <set>

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
    for (int i = 0; i < nest_.inst_count(); ++i) {
      const Inst& inst = nest_.inst(InstId(i));
      if (inst.op == Opcode::kPrefetch) fetched_.insert(inst.buffer.index);
    }
    FindStreams(tile, {});
    for (const Stream& stream : streams_) InsertPrefetches(stream);
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
        AddStream({walk, inst.buffer, inst.address, inst.type.lanes});
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
    bool moves = false, computed = false;
    VisitLeaves(load.address, [&](DimExpr leaf) { computed = computed || leaf.kind() == DimKind::kValue; });
    for (InstId tile : tiles_) moves = moves || DependsOnCoord(load.address, nest_.inst(tile).loop);
    return moves && !computed;
  }

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
    if (carriers.empty()) {
      const InstId loop = stream.walk.back();
      const DimExpr address = Later(stream.address, loop, CeilDivide(ahead, trip_bytes));
      return Insert(stream, loop, address, target_.prefetch_level, 0, lines, lines);
    }
    int64_t rows = 1;
    int level = target_.prefetch_level;
    if (std::optional<int64_t> extent = nest_.inst(stream.walk[0]).extent.AsConst()) {
      const int64_t row_bytes = std::max<int64_t>(1, BytesFor(element, *extent));
      rows = CeilDivide(ahead, row_bytes);
      if (rows * row_bytes > target_.l1_bytes / 2) level = 1;
    }
    // Streams are dealt to the loops that can carry them; one that has several to itself deals out its lines,
    // unless its row is too long for L1.
    int parts = 1;
    if (level == 0) parts = std::min(lines, static_cast<int>(std::max<size_t>(1, carriers.size() / streams_.size())));
    for (int i = 0; i < parts; ++i) {
      const Walk& walk = carriers[spread_++ % carriers.size()];
      const DimExpr address =
          Later(Replaced(stream.address, stream.walk, IndexOf(walk)), tiles_.back(), rows);
      Insert(stream, walk.back(), address, level, lines * i / parts, lines * (i + 1) / parts, lines);
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
  std::vector<Walk> walks_;    // to the innermost loops of a tile, in order
  std::vector<Stream> streams_;
  std::set<int> fetched_;      // buffers whose prefetches the schedule placed itself
  size_t spread_ = 0;
};

}  // namespace

void ApplyLocality(const Locality& locality, const Target& target, LoopNest* nest) {
  LocalityPass(locality, target, nest).Run();
}

}  // namespace skein
