// A set of nodes, ascending: the nodes of a kernel in the making. Most have a few.
#ifndef SKEIN_FUSION_NODE_SET_H_
#define SKEIN_FUSION_NODE_SET_H_

#include <algorithm>
#include <initializer_list>
#include <span>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "ir/graph.h"

namespace skein {

class NodeSet {
 public:
  using const_iterator = absl::InlinedVector<NodeId, 6>::const_iterator;
  using const_reverse_iterator = absl::InlinedVector<NodeId, 6>::const_reverse_iterator;
  using iterator = const_iterator;
  using value_type = NodeId;

  NodeSet() = default;
  NodeSet(std::initializer_list<NodeId> nodes) { insert(nodes.begin(), nodes.end()); }
  template <typename Iterator>
  NodeSet(Iterator first, Iterator last) {
    insert(first, last);
  }

  const_iterator begin() const { return nodes_.begin(); }
  const_iterator end() const { return nodes_.end(); }
  const_reverse_iterator rbegin() const { return nodes_.rbegin(); }
  const_reverse_iterator rend() const { return nodes_.rend(); }
  size_t size() const { return nodes_.size(); }
  bool empty() const { return nodes_.empty(); }
  void clear() { nodes_.clear(); }

  bool contains(NodeId id) const {
    const auto at = Place(id);
    return at != nodes_.end() && *at == id;
  }
  std::pair<const_iterator, bool> insert(NodeId id) {
    if (nodes_.empty() || nodes_.back() < id) {
      nodes_.push_back(id);
      return {nodes_.end() - 1, true};
    }
    const auto at = Place(id);
    if (*at == id) return {at, false};
    return {nodes_.insert(at, id), true};
  }
  template <typename Iterator>
  void insert(Iterator first, Iterator last) {
    for (; first != last; ++first) insert(*first);
  }

  operator std::span<const NodeId>() const { return {nodes_.data(), nodes_.size()}; }

  bool operator==(const NodeSet&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const NodeSet& set) {
    return H::combine(std::move(h), set.nodes_);
  }

 private:
  const_iterator Place(NodeId id) const { return std::lower_bound(nodes_.begin(), nodes_.end(), id); }

  absl::InlinedVector<NodeId, 6> nodes_;
};

}  // namespace skein

#endif  // SKEIN_FUSION_NODE_SET_H_
