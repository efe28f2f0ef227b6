#include "ir/kernel_abi.h"

#include <optional>
#include <vector>

namespace skein {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kSlack = 64;

DimExpr Bytes(const Buffer& buffer) {
  if (BitWidth(buffer.element) == 4) return CeilDiv(buffer.size, 2);
  return buffer.size * BytesFor(buffer.element, 1);
}

// From the outermost in.
std::vector<const Inst*> ParallelLoops(const LoopNest& nest) {
  std::vector<const Inst*> loops;
  BlockId block = nest.root;
  while (block.valid() && nest.block(block).insts.size() == 1) {
    const Inst& inst = nest.inst(nest.block(block).insts[0]);
    if (inst.op != Opcode::kLoop || inst.loop_kind != LoopKind::kParallel) break;
    loops.push_back(&inst);
    block = inst.body;
  }
  return loops;
}

DimExpr Iterations(const Inst& loop) { return Max(CeilDiv(loop.extent, loop.step), 0); }

// Whether each result of an iteration of `a` is farther from that of the next one than with `b`.
bool WritesFartherApart(const LoopNest& nest, const Inst& a, const Inst& b) {
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Inst& inst = nest.inst(InstId(i));
    if (inst.op != Opcode::kStore || nest.buffers[inst.buffer.index].kind != BufferKind::kOutput) continue;
    const std::optional<Affine> along_a = AsAffine(inst.address, a.loop), along_b = AsAffine(inst.address, b.loop);
    if (!along_a || !along_b || !ProveLess(along_b->stride * b.step, along_a->stride * a.step)) return false;
  }
  return true;
}

}  // namespace

ScratchLayout LayOutScratch(const LoopNest& nest) {
  ScratchLayout layout;
  for (const Buffer& buffer : nest.buffers) {
    if (buffer.kind != BufferKind::kScratch) continue;
    layout.offsets.push_back(layout.bytes);
    layout.bytes = layout.bytes + CeilDiv(Bytes(buffer), kAlignment) * kAlignment + kSlack;
  }
  return layout;
}

DimExpr TileCount(const LoopNest& nest) {
  DimExpr count = 1;
  for (const Inst* loop : ParallelLoops(nest)) count = count * Iterations(*loop);
  return count;
}

DimExpr TilePasses(const LoopNest& nest) {
  const std::vector<const Inst*> loops = ParallelLoops(nest);
  size_t farthest = 0;
  for (size_t i = 1; i < loops.size(); ++i) {
    if (WritesFartherApart(nest, *loops[i], *loops[farthest])) farthest = i;
  }
  DimExpr passes = 1;
  for (size_t i = 0; i < farthest; ++i) passes = passes * Iterations(*loops[i]);
  return passes;
}

}  // namespace skein
