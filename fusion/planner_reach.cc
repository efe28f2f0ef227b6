#include "fusion/planner_reach.h"

#include "absl/numeric/bits.h"

namespace skein {

Reachability::Reachability(const PlanGraph& graph) : ids_(graph.computed().begin(), graph.computed().end()) {
  if (!tracked()) return;
  index_.assign(graph.graph().size(), 0);
  for (size_t i = 0; i < ids_.size(); ++i) index_[ids_[i].index] = i;
  words_ = (ids_.size() + 63) / 64;
  after_.assign(ids_.size() * words_, 0);
  before_.assign(ids_.size() * words_, 0);
  auto join = [&](std::vector<uint64_t>& rows, NodeId to, NodeId from) {
    uint64_t* row = rows.data() + index_[to.index] * words_;
    const uint64_t* other = rows.data() + index_[from.index] * words_;
    for (size_t w = 0; w < words_; ++w) row[w] |= other[w];
    row[index_[from.index] / 64] |= uint64_t{1} << (index_[from.index] % 64);
  };
  for (NodeId id : ids_) {
    for (NodeId from : graph.ReadsOf(id)) join(before_, id, from);
  }
  for (size_t i = ids_.size(); i-- > 0;) {
    for (NodeId reader : graph.ReadersOf(ids_[i])) join(after_, ids_[i], reader);
  }
}

bool Reachability::Reaches(NodeId a, NodeId b) const {
  if (!tracked()) return false;
  const size_t i = index_[b.index];
  return (After(a)[i / 64] >> (i % 64)) & 1;
}

bool Reachability::Ordered(const NodeSet& a, const NodeSet& b) const {
  for (NodeId x : a) {
    for (NodeId y : b) {
      if (Ordered(x, y)) return true;
    }
  }
  return false;
}

std::vector<uint64_t> Reachability::BitsOf(std::span<const NodeId> nodes) const {
  std::vector<uint64_t> bits(words_);
  for (NodeId id : nodes) bits[index_[id.index] / 64] |= uint64_t{1} << (index_[id.index] % 64);
  return bits;
}

bool Reachability::HasBetween(const std::vector<uint64_t>& bits, NodeId a, NodeId b) const {
  const Row after = After(a), before = Before(b);
  for (size_t w = index_[a.index] / 64; w <= index_[b.index] / 64; ++w) {
    if ((after[w] & before[w] & ~bits[w]) != 0) return false;
  }
  return true;
}

std::vector<NodeId> Reachability::Hull(NodeId a, NodeId b, int most) const {
  if (b < a) std::swap(a, b);
  if (!Reaches(a, b)) return {a, b};
  std::vector<NodeId> hull;
  hull.reserve(16);  // most have fewer
  hull.push_back(a);
  const Row after = After(a), before = Before(b);
  for (size_t w = index_[a.index] / 64; w <= index_[b.index] / 64; ++w) {
    for (uint64_t bits = after[w] & before[w]; bits != 0; bits &= bits - 1) {
      if (static_cast<int>(hull.size()) + 2 > most) return {};
      hull.push_back(ids_[w * 64 + absl::countr_zero(bits)]);
    }
  }
  hull.push_back(b);
  return hull;
}

}  // namespace skein
