#include "ir/kernel_abi.h"

namespace skein {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kSlack = 64;

DimExpr Bytes(const Buffer& buffer) {
  if (BitWidth(buffer.element) == 4) return CeilDiv(buffer.size, 2);
  return buffer.size * BytesFor(buffer.element, 1);
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
  BlockId block = nest.root;
  while (block.valid() && nest.block(block).insts.size() == 1) {
    const Inst& inst = nest.inst(nest.block(block).insts[0]);
    if (inst.op != Opcode::kLoop || inst.loop_kind != LoopKind::kParallel) break;
    count = count * Max(CeilDiv(inst.extent, inst.step), 0);
    block = inst.body;
  }
  return count;
}

}  // namespace skein
