#include "fusion/pipeline_rows.h"

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/bits.h"
#include "ir/kernel_abi.h"

namespace skein {
namespace {

// A block of rows runs every stage for a few rows more than it has, so blocks are long; and threads share them, so
// they are not too long, and where the number of rows is known there are kBlocks of them, or a smaller power of two.
constexpr int64_t kMaxBlockBytes = 1 << 20, kMaxBlockRows = 512, kUsualBlockRows = 64;
constexpr int64_t kMinBlockElements = 16 << 10, kUsualRowsPerExtraRow = 16, kMinRowsPerExtraRow = 8;
constexpr int64_t kBlocks = 16;
// Blocks up to this long have loops of their own for their first and last steps: in L2, RMS norm of 32 rows a block gains
// 5 % (Xbyak 10 %). Where what the two stages read lies closer than 6 KiB, the core then fetches wrong (130 GB/s, not 220).
constexpr int64_t kRowsPerExtraRowToSpare = 32, kFarApart = 1536;
// Columns to reckon with where their number is not known.
constexpr int64_t kUsualColumns = 512;

bool DependsOnValues(DimExpr e) {
  bool depends = false;
  VisitLeaves(e, [&](DimExpr leaf) { depends = depends || leaf.kind() == DimKind::kValue; });
  return depends;
}

// Whether an instruction may run for a row that is not there yet, on zeros for what earlier stages leave.
bool MayRunEarly(const Inst& inst) {
  switch (inst.op) {
    case Opcode::kLoop: case Opcode::kClampIndex: case Opcode::kGather: case Opcode::kScatter:
      return false;
    default:
      return !DependsOnValues(inst.expr) && !DependsOnValues(inst.address) && !DependsOnValues(inst.stride);
  }
}

InstId InnermostParallelLoop(const LoopNest& nest) {
  InstId result;
  BlockId block = nest.root;
  for (bool found = true; found;) {
    found = false;
    for (InstId id : nest.block(block).insts) {
      const Inst& inst = nest.inst(id);
      if (inst.op != Opcode::kLoop || inst.loop_kind != LoopKind::kParallel) continue;
      result = id;
      block = inst.body;
      found = true;
      break;
    }
  }
  return result;
}

}  // namespace

int CountOperations(const LoopNest& nest, BlockId body) {
  const std::vector<InstId>& insts = nest.block(body).insts;
  return static_cast<int>(std::count_if(insts.begin(), insts.end(), [&](InstId id) {
    const Inst& inst = nest.inst(id);
    return inst.type.lanes > 1 && !inst.buffer.valid() && !inst.operands.empty();
  }));
}

std::optional<RowPipeline> RowPipeline::Find(const LoopNest& nest, const Target& target) {
  RowPipeline result;
  for (const Buffer& buffer : nest.buffers) {
    if (buffer.in_place_with >= 0) return std::nullopt;  // what is written too early would be read
  }
  result.row_loop_ = InnermostParallelLoop(nest);
  if (!result.row_loop_.valid() || nest.inst(result.row_loop_).step != 1) return std::nullopt;
  result.scalars_.emplace_back();
  for (InstId id : nest.block(nest.inst(result.row_loop_).body).insts) {
    if (nest.inst(id).op == Opcode::kLoop) {
      if (!result.AddStage(nest, id)) return std::nullopt;
      result.scalars_.emplace_back();
    } else {
      if (!MayRunEarly(nest.inst(id))) return std::nullopt;
      result.scalars_.back().push_back(id);
    }
  }
  if (result.stages_.size() < 2 || !result.StagesMatch(nest) || !result.CanCarry(nest)) return std::nullopt;
  if (!result.ChooseSizes(nest, target)) return std::nullopt;
  return result;
}

bool RowPipeline::AddStage(const LoopNest& nest, InstId id) {
  Stage stage;
  stage.loop = id;
  if (nest.inst(id).loop_kind == LoopKind::kSerial) {
    stage.chunks = id;
    stage.loop = InstId();
    for (InstId inner : nest.block(nest.inst(id).body).insts) {
      if (nest.inst(inner).op != Opcode::kLoop) {
        if (!MayRunEarly(nest.inst(inner))) return false;
        (stage.loop.valid() ? stage.after : stage.before).push_back(inner);
      } else if (stage.loop.valid()) {
        return false;
      } else {
        stage.loop = inner;
      }
    }
    if (!stage.loop.valid()) return false;
    if (!chunks_.valid()) chunks_ = id;
  }
  const Inst& loop = nest.inst(stage.loop);
  if (loop.loop_kind != LoopKind::kVector || DependsOnValues(loop.extent)) return false;
  const std::vector<InstId>& body = nest.block(loop.body).insts;
  if (!std::all_of(body.begin(), body.end(), [&](InstId i) { return MayRunEarly(nest.inst(i)); })) return false;
  stages_.push_back(std::move(stage));
  return true;
}

bool RowPipeline::StagesMatch(const LoopNest& nest) const {
  const Inst& first = nest.inst(stages_[0].outer());
  for (const Stage& stage : stages_) {
    const Inst &outer = nest.inst(stage.outer()), &loop = nest.inst(stage.loop);
    if (loop.operands.empty() && &stage != &stages_.back()) return false;  // nothing waits for it
    if (outer.extent != first.extent || loop.lanes != nest.inst(stages_[0].loop).lanes) return false;
    if (!chunks_.valid()) continue;
    if (!stage.chunks.valid()) {
      if (!loop.operands.empty()) return false;  // what it carries would have to pass through chunks
      continue;
    }
    const DimExpr start = DimExpr::Coord(outer.loop, outer.extent);
    if (outer.step != nest.inst(chunks_).step || loop.extent != Min(outer.step, outer.extent - start)) return false;
  }
  return true;
}

// f16 and bf16 cannot be carried from one stage to the next.
bool RowPipeline::CanCarry(const LoopNest& nest) const {
  absl::flat_hash_map<ValueId, size_t> storage;  // scalars, and after which stage they are computed
  for (size_t t = 0; t < scalars_.size(); ++t) {
    for (InstId id : scalars_[t]) {
      const Inst& inst = nest.inst(id);
      for (ValueId v : inst.operands) {
        if (auto it = storage.find(v); it != storage.end() && it->second != t) return false;
      }
      const ElementType element = inst.type.element;
      const bool narrow = element == ElementType::kF16 || element == ElementType::kBF16;
      for (ValueId v : inst.results) {
        if (narrow) storage[v] = t;
      }
    }
  }
  for (const Stage& stage : stages_) {
    for (InstId id : nest.block(nest.inst(stage.loop).body).insts) {
      for (ValueId v : nest.inst(id).operands) {
        if (storage.contains(v)) return false;
      }
    }
  }
  return true;
}

// False where the rows in flight would not stay in cache, or where there are too few rows.
bool RowPipeline::ChooseSizes(const LoopNest& nest, const Target& target) {
  const Inst& row_loop = nest.inst(row_loop_);
  const DimExpr extent = nest.inst(stages_[0].outer()).extent;
  if (extent.IsConst() && extent.constant() > target.l2_bytes) return false;
  const int64_t columns = std::max<int64_t>(1, extent.AsConst().value_or(kUsualColumns));
  const int last_stage = static_cast<int>(stages_.size()) - 1;
  struct Span {
    int first, last;  // stages
  };
  std::map<int, Span> buffers;  // what is read of a row, and what a stage leaves in scratch to others
  int operations = 0;           // on an element
  for (int s = 0; s <= last_stage; ++s) {
    const BlockId body = nest.inst(stages_[s].loop).body;
    operations += CountOperations(nest, body);
    for (InstId id : nest.block(body).insts) {
      const Inst& inst = nest.inst(id);
      if (!inst.buffer.valid()) continue;
      const int buffer = static_cast<int>(inst.buffer.index);
      if (nest.buffers[buffer].kind == BufferKind::kScratch) {
        buffers.insert({buffer, {s, s}}).first->second.last = s;
      } else if (inst.op == Opcode::kLoad && DependsOnCoord(inst.address, row_loop.loop)) {
        buffers.insert({buffer, {0, last_stage}});
      }
    }
  }
  auto in_flight = [&](int lag) {
    int64_t bytes = 0;
    for (const auto& [buffer, span] : buffers) {
      bytes += (lag * (span.last - span.first) + 1) * BytesFor(nest.buffers[buffer].element, columns);
    }
    return bytes;
  };
  const int64_t near_bytes = target.l1_bytes * 3 / 4;
  light_ = operations < kManyOperations;
  if (in_flight(1) > (light_ ? near_bytes : target.l2_bytes / 2)) return false;
  // With a row between two stages, the end of one row's sums overlaps with the next row.
  lag_ = in_flight(2) <= near_bytes ? 2 : 1;
  const int64_t extra = lag_ * last_stage;
  const int64_t least = std::max(kMinBlockElements / columns, kUsualRowsPerExtraRow * extra);
  const int64_t most = std::max(least, std::min(kMaxBlockBytes / std::max<int64_t>(in_flight(0), 1), kMaxBlockRows));
  block_rows_ = std::max(least, kUsualBlockRows);
  if (std::optional<int64_t> rows = row_loop.extent.AsConst()) {
    if (*rows < kMinRowsPerExtraRow * extra) return false;
    const int64_t others = TileCount(nest).range().hi / *rows;  // tiles of the loops around
    const auto fit = static_cast<int64_t>(absl::bit_floor(static_cast<uint64_t>(std::max<int64_t>(1, *rows / least))));
    const int64_t blocks = std::min(fit, std::max<int64_t>(1, kBlocks / std::max<int64_t>(1, others)));
    block_rows_ = std::min((*rows + blocks - 1) / blocks, most);
  }
  three_loops_ = last_stage == 1 && block_rows_ <= kRowsPerExtraRowToSpare * extra && lag_ * columns >= kFarApart;
  return true;
}

}  // namespace skein
