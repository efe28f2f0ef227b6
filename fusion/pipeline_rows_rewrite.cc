// The rewriting half of pipeline_rows.h: a row's instructions, cloned into the pipelined loops.
#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "fusion/pipeline_rows.h"

namespace skein {

// Clones a row's instructions into the pipelined loops. What runs in the turn of stage s works `lag` * s rows behind
// the first stage; the scalars after a stage run in its turn.
class RowPipeliner {
 public:
  RowPipeliner(const RowPipeline& pipeline, LoopNest* nest)
      : p_(pipeline), nest_(*nest), stages_(static_cast<int>(pipeline.stages_.size())) {
    for (int t = 0; t <= stages_; ++t) {
      for (InstId id : p_.scalars_[t]) {
        for (ValueId v : nest_.inst(id).results) home_[v] = {LagBehind(t), id};
      }
      if (t == stages_) break;
      for (ValueId v : nest_.inst(p_.stages_[t].outer()).results) home_[v] = {LagOf(t), p_.stages_[t].outer()};
    }
  }

  void Run() {
    FindDelays();
    SpreadScratch();
    tile_ = nest_.NewBlock();
    Inst& rows = nest_.inst(p_.row_loop_);
    row_loop_ = rows.loop;
    const bool even = p_.three_loops_ && Mod(rows.extent, p_.block_rows_).IsConst(0);
    const DimExpr extent = rows.extent;
    if (even) rows.extent = extent - (p_.block_rows_ - 1);  // as many blocks; and all of them fit
    start_ = DimExpr::Coord(row_loop_, rows.extent);
    count_ = even ? DimExpr(p_.block_rows_) : Min(p_.block_rows_, extent - start_);
    rows.step = p_.block_rows_;
    rows.body = tile_;

    MakeDelayLines();
    const int behind = LagOf(stages_ - 1);
    if (!p_.three_loops_) {
      EmitSteps(0, stages_, 0, count_ + behind);
      return;
    }
    EmitSteps(0, 1, 0, behind);
    EmitSteps(0, 2, behind, Max(count_ - behind, 0));
    EmitSteps(1, 2, Max(count_, behind), Min(count_, behind));
  }

 private:
  struct Home {  // of a value of the tile, outside its loops: computed this many rows behind the first stage
    int lag;
    InstId inst;
  };
  struct Line {  // a value as it was 1, 2, ... steps ago: inside a loop over steps, and outside it
    ValueId value;
    std::vector<ValueId> ago, outside;
  };

  int LagOf(int stage) const { return p_.lag_ * stage; }
  int LagBehind(int segment) const { return LagOf(std::max(segment - 1, 0)); }  // of the scalars after a stage
  const Inst& Chunks(int stage) const { return nest_.inst(p_.stages_[stage].chunks); }
  const Inst& Vectors(int stage) const { return nest_.inst(p_.stages_[stage].loop); }

  // Visits every instruction of the row with its lag, loops before what is in them.
  template <typename Visit>
  void VisitRow(const Visit& visit) const {
    auto all = [&](const std::vector<InstId>& ids, int lag) {
      for (InstId id : ids) visit(id, lag);
    };
    for (int t = 0; t <= stages_; ++t) {
      all(p_.scalars_[t], LagBehind(t));
      if (t == stages_) break;
      const RowPipeline::Stage& stage = p_.stages_[t];
      if (stage.chunks.valid()) visit(stage.chunks, LagOf(t));
      all(stage.before, LagOf(t));
      visit(stage.loop, LagOf(t));
      all(nest_.block(nest_.inst(stage.loop).body).insts, LagOf(t));
      all(stage.after, LagOf(t));
    }
  }

  // The same in every row, and free of effects: computed once for the block.
  bool IsInvariant(InstId id) const {
    const Inst& inst = nest_.inst(id);
    if (inst.op == Opcode::kLoop || inst.results.empty()) return false;
    if (inst.op == Opcode::kLoad && nest_.buffers[inst.buffer.index].kind != BufferKind::kInput) return false;
    for (DimExpr e : {inst.expr, inst.address, inst.stride}) {
      if (DependsOnCoord(e, nest_.inst(p_.row_loop_).loop)) return false;
    }
    return std::all_of(inst.operands.begin(), inst.operands.end(), [&](ValueId v) { return IsInvariant(v); });
  }
  bool IsInvariant(ValueId v) const {
    auto it = home_.find(v);
    return it != home_.end() && IsInvariant(it->second.inst);
  }

  void FindDelays() {
    auto use = [&](ValueId v, int lag) {
      auto it = home_.find(v);
      if (it == home_.end() || IsInvariant(v)) return;
      int& delay = delays_[v];
      delay = std::max(delay, lag - it->second.lag);
    };
    VisitRow([&](InstId id, int lag) {
      const Inst& inst = nest_.inst(id);
      if (IsInvariant(id) && home_.contains(inst.results[0])) return;
      for (ValueId v : inst.operands) use(v, lag);
      if (inst.op != Opcode::kLoop) return;
      for (ValueId v : nest_.block(inst.body).yields) use(v, lag);
    });
  }

  // As many rows of each scratch buffer as stages have it in use at once.
  void SpreadScratch() {
    std::map<int, std::pair<int, int>> lags;  // first and last
    VisitRow([&](InstId id, int lag) {
      const Inst& inst = nest_.inst(id);
      if (!inst.buffer.valid() || nest_.buffers[inst.buffer.index].kind != BufferKind::kScratch) return;
      lags.insert({static_cast<int>(inst.buffer.index), {lag, lag}}).first->second.second = lag;
    });
    for (const auto& [index, span] : lags) {
      const int slots = span.second - span.first + 1;
      if (slots == 1) continue;
      Buffer& buffer = nest_.buffers[index];
      // Whole lines, and not the same place of a page in each slot.
      const DimExpr pitch = FloorDiv(buffer.size + 15, 16) * 16 + 16;
      scratch_[index] = {slots, pitch};
      buffer.size = pitch * slots;
    }
  }

  // An expression of a row, for the row that is `lag` behind, or the nearest one.
  DimExpr At(DimExpr e, int lag) const {
    return Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() != DimKind::kCoord) return std::nullopt;
      if (leaf.index() == row_loop_) {
        const DimExpr row = lag == 0 ? q_ : Max(q_ - lag, 0);
        return start_ + Min(row, count_ - 1);
      }
      for (int s = 0; s < stages_; ++s) {
        const bool chunked = p_.stages_[s].chunks.valid();
        if (chunked && leaf.index() == Chunks(s).loop) return chunk_;
        if (leaf.index() == Vectors(s).loop) return chunked ? column_ : chunk_ + column_;
      }
      return std::nullopt;
    });
  }

  // The value, as what runs `lag` rows behind sees it.
  ValueId Find(ValueId v, int lag) {
    if (IsInvariant(v)) return Hoisted(home_.at(v).inst);
    auto home = home_.find(v);
    if (home != home_.end() && lag > home->second.lag) return lines_[line_of_.at(v)].ago[lag - home->second.lag - 1];
    return now_.at(v);
  }

  ValueId Hoisted(InstId id) {
    const ValueId result = nest_.inst(id).results[0];
    if (auto it = hoisted_.find(result); it != hoisted_.end()) return it->second;
    Inst inst = nest_.inst(id);
    for (ValueId& v : inst.operands) v = Hoisted(home_.at(v).inst);
    const ValueId v = nest_.NewValue(nest_.type(result));
    inst.results = {v};
    Append(tile_, std::move(inst));
    return hoisted_[result] = v;
  }

  void Append(BlockId block, Inst inst) {
    const InstId id = nest_.NewInst(std::move(inst));
    nest_.block(block).insts.push_back(id);
  }
  ValueId Copy(ValueId v) { return now_[v] = nest_.NewValue(nest_.type(v)); }

  void Emit(BlockId block, InstId id, int lag) {
    Inst inst = nest_.inst(id);
    for (ValueId& v : inst.operands) v = Find(v, lag);
    inst.expr = At(inst.expr, lag);
    inst.stride = At(inst.stride, lag);
    inst.address = At(inst.address, lag);
    if (auto it = inst.buffer.valid() ? scratch_.find(inst.buffer.index) : scratch_.end(); it != scratch_.end()) {
      const auto& [slots, pitch] = it->second;
      inst.address = inst.address + Mod(q_ + (LagOf(stages_) - lag), slots) * pitch;
    }
    for (ValueId& v : inst.results) v = Copy(v);
    Append(block, std::move(inst));
  }
  void EmitAll(BlockId block, const std::vector<InstId>& ids, int lag) {
    for (InstId id : ids) Emit(block, id, lag);
  }

  // The loop over steps begin .. begin + extent, in each of which stages [first, last) run.
  void EmitSteps(int first, int last, DimExpr begin, DimExpr extent) {
    first_ = first;
    last_ = last;
    Inst loop{.op = Opcode::kLoop};
    loop.loop = nest_.loop_count++;
    loop.extent = extent;
    loop.body = nest_.NewBlock();
    q_ = begin + DimExpr::Coord(loop.loop, loop.extent);
    step_ = loop.body;
    BeginDelayLines(&loop);
    EmitScalars(0);
    p_.chunks_.valid() ? EmitChunks() : EmitVectorLoop(step_);
    for (int t = 1; t <= stages_; ++t) EmitScalars(t);
    EndDelayLines();
    Append(tile_, std::move(loop));
  }

  bool IsRun(int stage) const { return first_ <= stage && stage < last_; }

  void EmitScalars(int segment) {
    if (!IsRun(std::max(segment - 1, 0))) return;
    for (InstId id : p_.scalars_[segment]) {
      if (!IsInvariant(id)) Emit(step_, id, LagBehind(segment));
    }
  }

  // One loop for those of several stages: what each carries, one after the other.
  void BeginFused(Inst* fused, InstId original, int lag) {
    const Inst loop = nest_.inst(original);
    for (ValueId init : loop.operands) fused->operands.push_back(Find(init, lag));
    const std::vector<ValueId> arguments = nest_.block(loop.body).arguments;
    for (ValueId v : arguments) nest_.block(fused->body).arguments.push_back(Copy(v));
  }
  void EndFused(Inst* fused, InstId original, int lag) {
    const std::vector<ValueId> yields = nest_.block(nest_.inst(original).body).yields;
    for (ValueId v : yields) {
      const ValueId yield = Find(v, lag);
      nest_.block(fused->body).yields.push_back(yield);
    }
  }
  void TakeResults(Inst* fused, InstId original) {
    const Inst loop = nest_.inst(original);
    for (ValueId v : loop.results) fused->results.push_back(Copy(v));
  }

  Inst NewLoop(const Inst& like, DimExpr extent) {
    Inst loop{.op = Opcode::kLoop};
    loop.loop_kind = like.loop_kind;
    loop.extent = extent;
    loop.step = like.step;
    loop.lanes = like.lanes;
    loop.loop = nest_.loop_count++;
    loop.body = nest_.NewBlock();
    return loop;
  }

  void EmitChunks() {
    const Inst like = nest_.inst(p_.chunks_);
    Inst chunks = NewLoop(like, like.extent);
    chunk_ = DimExpr::Coord(chunks.loop, chunks.extent);
    chunk_extent_ = Min(chunks.step, chunks.extent - chunk_);
    for (int s = first_; s < last_; ++s) {
      if (p_.stages_[s].chunks.valid()) BeginFused(&chunks, p_.stages_[s].chunks, LagOf(s));
    }
    for (int s = first_; s < last_; ++s) EmitAll(chunks.body, p_.stages_[s].before, LagOf(s));
    EmitVectorLoop(chunks.body);
    for (int s = first_; s < last_; ++s) EmitAll(chunks.body, p_.stages_[s].after, LagOf(s));
    for (int s = first_; s < last_; ++s) {
      if (p_.stages_[s].chunks.valid()) EndFused(&chunks, p_.stages_[s].chunks, LagOf(s));
    }
    for (int s = first_; s < last_; ++s) {
      if (p_.stages_[s].chunks.valid()) TakeResults(&chunks, p_.stages_[s].chunks);
    }
    Append(step_, std::move(chunks));
  }

  void EmitVectorLoop(BlockId block) {
    const Inst like = Vectors(0);
    Inst fused = NewLoop(like, p_.chunks_.valid() ? chunk_extent_ : like.extent);
    column_ = DimExpr::Coord(fused.loop, fused.extent);
    for (int s = first_; s < last_; ++s) BeginFused(&fused, p_.stages_[s].loop, LagOf(s));
    for (int s = first_; s < last_; ++s) {
      const std::vector<InstId> body = nest_.block(Vectors(s).body).insts;
      EmitAll(fused.body, body, LagOf(s));
    }
    for (int s = first_; s < last_; ++s) EndFused(&fused, p_.stages_[s].loop, LagOf(s));
    for (int s = first_; s < last_; ++s) TakeResults(&fused, p_.stages_[s].loop);
    Append(block, std::move(fused));
  }

  void MakeDelayLines() {
    for (const auto& [v, delay] : delays_) {
      if (delay == 0) continue;
      Inst zero{.op = Opcode::kConst};
      zero.type = nest_.type(v);
      const ValueId init = nest_.NewValue(zero.type);
      zero.results = {init};
      Append(tile_, std::move(zero));
      line_of_[v] = lines_.size();
      lines_.push_back({v, {}, std::vector<ValueId>(delay, init)});
    }
  }
  void BeginDelayLines(Inst* loop) {
    for (Line& line : lines_) {
      line.ago.clear();
      for (ValueId& outside : line.outside) {
        line.ago.push_back(nest_.NewValue(nest_.type(line.value)));
        nest_.block(step_).arguments.push_back(line.ago.back());
        loop->operands.push_back(outside);
        loop->results.push_back(outside = nest_.NewValue(nest_.type(line.value)));
      }
    }
  }
  void EndDelayLines() {
    std::vector<ValueId>& yields = nest_.block(step_).yields;
    for (const Line& line : lines_) {
      // Where its stage does not run, nobody will look at it.
      const int stage = home_.at(line.value).lag / p_.lag_;
      yields.push_back(IsRun(stage) ? now_.at(line.value) : line.ago[0]);
      yields.insert(yields.end(), line.ago.begin(), line.ago.end() - 1);
    }
  }

  const RowPipeline& p_;
  LoopNest& nest_;
  const int stages_;
  absl::flat_hash_map<ValueId, Home> home_;
  std::map<ValueId, int> delays_;  // steps that a value is needed after its own
  absl::flat_hash_map<int, std::pair<int, DimExpr>> scratch_;  // rows and their distance, by buffer
  int row_loop_ = -1;
  DimExpr start_, count_, q_;      // of the block: its first row, its rows; the step
  DimExpr chunk_ = 0, chunk_extent_, column_;
  BlockId tile_, step_;
  int first_ = 0, last_ = 0;       // stages that run in a step
  std::vector<Line> lines_;
  absl::flat_hash_map<ValueId, size_t> line_of_;
  absl::flat_hash_map<ValueId, ValueId> now_, hoisted_;  // from values of the row
};

void RowPipeline::Rewrite(LoopNest* nest) const { RowPipeliner(*this, nest).Run(); }

}  // namespace skein
