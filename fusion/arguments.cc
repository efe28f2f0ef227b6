// Symbols of the graph -> arguments of the kernel, so that equal kernels of different graphs are equal text.
#include "absl/container/inlined_vector.h"
#include "fusion/schedule.h"
#include "ir/dim_sum.h"

namespace skein {
namespace {

class ArgumentNumbering {
 public:
  DimExpr Rewrite(DimExpr e) {
    if (!e.node()->any_symbols) return e;
    auto it = done_.find(e);
    if (it != done_.end()) return it->second;
    DimExpr result = RewriteUncached(e);
    done_[e] = result;
    return result;
  }
  std::vector<DimExpr> arguments;

 private:
  DimExpr Argument(DimExpr e) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i] == e) return DimExpr::Symbol(absl::StrCat("a", i));
    }
    arguments.push_back(e);
    return DimExpr::Symbol(absl::StrCat("a", arguments.size() - 1));
  }

  DimExpr RewriteUncached(DimExpr e) {
    if (e.kind() == DimKind::kCoord) return DimExpr::Coord(e.index(), Rewrite(e.extent()));
    if (e.kind() == DimKind::kValue) return e;
    // An argument is a symbol and so taken as >= 0 by every later simplification.
    if (!HasCoords(e) && ProveNonNegative(e)) return Argument(e);
    if (!HasCoords(e) && ProveNonNegative(-e)) return -Argument(-e);
    auto operand = [&](int i) { return Rewrite(e.operands()[i]); };
    switch (e.kind()) {
      case DimKind::kAdd: {
        absl::InlinedVector<DimExpr, 8> free, rewritten;
        for (DimExpr term : e.operands()) {
          if (HasCoords(term)) {
            rewritten.push_back(Rewrite(term));
          } else {
            free.push_back(term);
          }
        }
        const DimExpr sum = Sum(rewritten);
        if (!sum.IsConst(0)) return sum + Rewrite(Sum(free));
        rewritten.clear();  // no coordinates, unknown sign: term by term
        for (DimExpr term : e.operands()) rewritten.push_back(Rewrite(term));
        return Sum(rewritten);
      }
      case DimKind::kMul: {
        DimExpr constant = 1, free = 1, product = 1;
        for (DimExpr factor : e.operands()) {
          if (factor.IsConst()) {
            constant = constant * factor;
          } else if (HasCoords(factor)) {
            product = product * Rewrite(factor);
          } else {
            free = free * factor;
          }
        }
        if (product.IsConst(1)) {
          for (DimExpr factor : e.operands()) product = product * Rewrite(factor);
          return product;
        }
        return constant * product * (free.IsConst(1) ? free : Rewrite(free));
      }
      case DimKind::kFloorDiv: return FloorDiv(operand(0), operand(1));
      case DimKind::kMod: return Mod(operand(0), operand(1));
      case DimKind::kMin: return Min(operand(0), operand(1));
      case DimKind::kMax: return Max(operand(0), operand(1));
      case DimKind::kLess: return Less(operand(0), operand(1));
      case DimKind::kEqual: return Equal(operand(0), operand(1));
      case DimKind::kSelect: return Select(operand(0), operand(1), operand(2));
      default: return Argument(e);
    }
  }

  absl::flat_hash_map<DimExpr, DimExpr> done_;
};

void RewriteBlock(LoopNest* nest, BlockId block, ArgumentNumbering* numbering) {
  for (InstId id : nest->block(block).insts) {
    Inst& inst = nest->inst(id);
    inst.extent = numbering->Rewrite(inst.extent);
    inst.expr = numbering->Rewrite(inst.expr);
    inst.address = numbering->Rewrite(inst.address);
    inst.stride = numbering->Rewrite(inst.stride);
    if (inst.op == Opcode::kLoop) RewriteBlock(nest, inst.body, numbering);
  }
}

}  // namespace

void OrderBuffers(LoopNest* nest) {
  std::vector<int> place(nest->buffers.size());
  std::vector<Buffer> ordered;
  for (BufferKind kind : {BufferKind::kInput, BufferKind::kOutput, BufferKind::kScratch}) {
    for (size_t i = 0; i < nest->buffers.size(); ++i) {
      if (nest->buffers[i].kind != kind) continue;
      place[i] = static_cast<int>(ordered.size());
      ordered.push_back(nest->buffers[i]);
    }
  }
  nest->buffers = std::move(ordered);
  for (int i = 0; i < nest->inst_count(); ++i) {
    Inst& inst = nest->inst(InstId(i));
    if (inst.buffer.valid()) inst.buffer = BufferId(place[inst.buffer.index]);
  }
}

std::vector<DimExpr> NumberArguments(LoopNest* nest) {
  ArgumentNumbering numbering;
  RewriteBlock(nest, nest->root, &numbering);
  for (Buffer& buffer : nest->buffers) buffer.size = numbering.Rewrite(buffer.size);
  nest->argument_count = static_cast<int>(numbering.arguments.size());
  return numbering.arguments;
}

}  // namespace skein
