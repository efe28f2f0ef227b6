#include "codegen/piece_groups.h"

#include <functional>
#include <optional>
#include <queue>

namespace skein {
namespace {

bool WritesMemory(Opcode op) { return op == Opcode::kStore || op == Opcode::kScatter; }

bool AccessesMemory(Opcode op) {
  return op == Opcode::kLoad || op == Opcode::kGather || WritesMemory(op);
}

bool IsBroadcast(const Inst& inst) {
  return inst.op == Opcode::kLoad && inst.stride.IsConst(0) && !inst.masked &&
         inst.type.lanes > 1;
}

}  // namespace

bool PieceGroups::IsSingleNode(const Inst& inst) {
  switch (inst.op) {
    case Opcode::kConst:
    case Opcode::kIndex:
    case Opcode::kIota:
    case Opcode::kSplat:
    case Opcode::kExtract:
    case Opcode::kReduce:
    case Opcode::kPrefetch:
      return true;
    case Opcode::kLoad:
      return IsBroadcast(inst);
    default:
      return false;
  }
}

template <typename NeedPiece>
void PieceGroups::AddOperandDependences(const Inst& inst, int group, NeedPiece need) const {
  for (DimExpr e : {inst.expr, inst.address, inst.stride}) {
    if (e.IsConst() || !HasCoords(e)) continue;
    VisitLeaves(e, [&](DimExpr leaf) {
      if (leaf.kind() == DimKind::kValue) need(ValueId(leaf.index()), 0);
    });
  }
  if (inst.op == Opcode::kShuffle) {
    const size_t begin = static_cast<size_t>(group) * group_pieces_ * register_lanes_;
    const size_t end = std::min(inst.shuffle.size(),
                                begin + static_cast<size_t>(group_pieces_) * register_lanes_);
    for (size_t i = begin; i < end; ++i) {
      const auto [operand, lane] = ShuffleSource(inst, inst.shuffle[i]);
      need(operand, lane / register_lanes_);
    }
  } else if (inst.op == Opcode::kExtract) {
    need(inst.operands[0], inst.lane / register_lanes_);
  } else {
    const int groups = GroupCount(inst);
    for (ValueId v : inst.operands) {
      const int begin = groups == 1 ? 0 : group * group_pieces_;
      const int end =
          groups == 1 ? PieceCount(v) : std::min(PieceCount(v), begin + group_pieces_);
      for (int p = begin; p < std::max(begin + 1, end); p += group_pieces_) need(v, p);
    }
  }
}

template <typename Depend>
void PieceGroups::AddMemoryDependences(std::span<const InstId> insts, std::span<const int> first_node,
                                       Depend depend) const {
  for (size_t later = 0; later < insts.size(); ++later) {
    const Inst& b = source_.inst(insts[later]);
    if (!AccessesMemory(b.op)) continue;
    for (size_t earlier = 0; earlier < later; ++earlier) {
      const Inst& a = source_.inst(insts[earlier]);
      if (!AccessesMemory(a.op) || !(WritesMemory(a.op) || WritesMemory(b.op))) continue;
      if (!MayShareMemory(a.buffer, b.buffer)) continue;
      for (int ga = 0; ga < GroupCount(a); ++ga) {
        for (int gb = 0; gb < GroupCount(b); ++gb) {
          if (MayOverlap(a, ga, b, gb)) depend(first_node[later] + gb, first_node[earlier] + ga);
        }
      }
    }
  }
}

bool PieceGroups::MayShareMemory(BufferId a, BufferId b) const {
  return a == b || source_.buffers[a.index].in_place_with == b.index ||
         source_.buffers[b.index].in_place_with == a.index;
}

bool PieceGroups::MayOverlap(const Inst& a, int group_a, const Inst& b, int group_b) const {
  for (const Inst* inst : {&a, &b}) {
    if (inst->op == Opcode::kGather || inst->op == Opcode::kScatter) return true;
    if (!inst->stride.IsConst(1) && Lanes(*inst) > 1) return true;
  }
  if (BitWidth(source_.buffers[a.buffer.index].element) !=
      BitWidth(source_.buffers[b.buffer.index].element)) {
    return true;
  }
  const std::optional<int64_t> distance = (ElementOf(b) - ElementOf(a)).AsConst();
  if (!distance) return true;
  const int64_t group_lanes = group_pieces_ * register_lanes_;
  const int64_t a_begin = group_a * group_lanes;
  const int64_t a_end = std::min<int64_t>(Lanes(a), a_begin + group_lanes);
  const int64_t b_begin = *distance + group_b * group_lanes;
  const int64_t b_end = *distance + std::min<int64_t>(Lanes(b), (group_b + 1) * group_lanes);
  return a_begin < b_end && b_begin < a_end;
}

std::span<const PieceGroups::Step> PieceGroups::InOrder(std::span<const InstId> insts) {
  steps_.clear();
  // With one group each, the order is that of the source.
  const int group_lanes = group_pieces_ * register_lanes_;
  if (std::all_of(insts.begin(), insts.end(), [&](InstId id) {
        const Inst& inst = source_.inst(id);
        return Lanes(inst) <= group_lanes || IsSingleNode(inst);
      })) {
    for (InstId id : insts) steps_.push_back({id, 0});
    return steps_;
  }
  std::vector<int> first_node(insts.size());
  std::vector<Node> nodes;
  for (size_t i = 0; i < insts.size(); ++i) {
    const Inst& inst = source_.inst(insts[i]);
    first_node[i] = static_cast<int>(nodes.size());
    for (ValueId v : inst.results) definition_[v.index] = static_cast<int>(i);
    for (int g = 0; g < GroupCount(inst); ++g) nodes.push_back({static_cast<int>(i), g});
  }
  auto depend = [&](int user, int on) {
    nodes[on].users.push_back(user);
    ++nodes[user].waits_for;
  };
  // The node of `v` that makes its piece `p`.
  auto depend_on_piece = [&](int user, ValueId v, int p) {
    const int at = definition_[v.index];
    if (at < 0) return;
    const int groups = GroupCount(source_.inst(insts[at]));
    depend(user, first_node[at] + std::min(p / group_pieces_, groups - 1));
  };
  for (int n = 0; n < static_cast<int>(nodes.size()); ++n) {
    const Inst& inst = source_.inst(insts[nodes[n].inst]);
    AddOperandDependences(inst, nodes[n].group,
                          [&](ValueId v, int p) { depend_on_piece(n, v, p); });
    if (nodes[n].group > 0 && WritesMemory(inst.op) && !inst.stride.IsConst(1)) depend(n, n - 1);
    if (nodes[n].group > 0 && inst.op == Opcode::kScatter) depend(n, n - 1);
  }
  AddMemoryDependences(insts, first_node, depend);
  Sort(insts, nodes);
  for (InstId id : insts) {
    for (ValueId v : source_.inst(id).results) definition_[v.index] = -1;
  }
  return steps_;
}

void PieceGroups::Sort(std::span<const InstId> insts, std::vector<Node>& nodes) {
  using Key = std::pair<std::pair<int, int>, int>;  // ((group, place), node)
  std::priority_queue<Key, std::vector<Key>, std::greater<Key>> ready;
  auto push = [&](int n) { ready.push({{nodes[n].group, nodes[n].inst}, n}); };
  for (int n = 0; n < static_cast<int>(nodes.size()); ++n) {
    if (nodes[n].waits_for == 0) push(n);
  }
  while (!ready.empty()) {
    const int n = ready.top().second;
    ready.pop();
    steps_.push_back({insts[nodes[n].inst], nodes[n].group});
    for (int user : nodes[n].users) {
      if (--nodes[user].waits_for == 0) push(user);
    }
  }
}

}  // namespace skein
