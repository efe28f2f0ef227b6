#include "ir/dim_expr.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "ir/dim_arithmetic.h"
#include "ir/dim_node.h"
#include "ir/dim_polynomial.h"
#include "ir/dim_sum.h"

namespace skein {
namespace {

// A node and the hash of its key: other nodes are told apart, and tables grow, without looking at them.
struct HashedNode {
  size_t hash = 0;
  const DimNode* node = nullptr;
};
struct HashedKey {
  size_t hash;
  const DimNodeKey& key;
};

struct NodeHash {
  using is_transparent = void;
  size_t operator()(const HashedNode& node) const { return node.hash; }
  size_t operator()(const HashedKey& key) const { return key.hash; }
  static size_t Of(const DimNodeKey& key) {
    uint64_t hash = Mix(static_cast<uint64_t>(key.kind) << 32 | static_cast<uint32_t>(key.index),
                        static_cast<uint64_t>(key.constant));
    if (key.extent != nullptr) hash = Mix(hash, reinterpret_cast<uintptr_t>(key.extent));
    if (!key.symbol.empty()) hash = Mix(hash, std::hash<std::string_view>()(key.symbol));
    for (DimExpr operand : key.operands) {
      hash = Mix(hash, reinterpret_cast<uintptr_t>(operand.node()));
    }
    return hash;
  }
  // The halves of a 128-bit product, folded: as good as absl::Hash for pointers, and inlined.
  static uint64_t Mix(uint64_t state, uint64_t value) {
    const auto product =
        static_cast<unsigned __int128>(state ^ 0x9e3779b97f4a7c15) * (value ^ 0xc2b2ae3d27d4eb4f);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
};

struct NodeEqual {
  using is_transparent = void;
  static bool Same(const DimNode& a, const DimNodeKey& b) {
    const std::span<const DimExpr> operands = a.operands();
    return a.kind == b.kind && a.index == b.index && a.constant == b.constant && a.extent == b.extent &&
           a.symbol() == b.symbol && std::equal(operands.begin(), operands.end(), b.operands.begin(), b.operands.end());
  }
  bool operator()(const HashedNode& a, const HashedNode& b) const { return a.node == b.node; }
  bool operator()(const HashedNode& a, const HashedKey& b) const { return a.hash == b.hash && Same(*a.node, b.key); }
  bool operator()(const HashedKey& a, const HashedNode& b) const { return (*this)(b, a); }
};

// One shard of the interner; the shards keep threads that build different expressions apart.
struct Shard {
  // Memory that is never freed: nodes are immortal. What is no larger than a line of the cache lies in one.
  void* Room(size_t size) {
    constexpr size_t kBlock = 8 << 10, kLine = 64;
    size = (size + alignof(DimNode) - 1) / alignof(DimNode) * alignof(DimNode);
    const size_t in_line = left % kLine;  // blocks end with a line
    if (size <= kLine && size > in_line) left -= in_line;
    if (size > left) {
      left = std::max(kBlock, (size + kLine - 1) / kLine * kLine);
      end = static_cast<char*>(::operator new(left, std::align_val_t(kLine))) + left;
    }
    void* const place = end - left;
    left -= size;
    __builtin_prefetch(end - left, 1);  // the next node's, which no cache has seen
    return place;
  }
  const DimNode* MakeNode(const DimNodeKey& key);

  std::mutex mutex;
  absl::flat_hash_set<HashedNode, NodeHash, NodeEqual> nodes;
  char* end = nullptr;  // of the block that has room
  size_t left = 0;
};

constexpr int kShards = 16;

std::array<Shard, kShards>& Shards() {
  static auto* shards = new std::array<Shard, kShards>();  // never destroyed: nodes are immortal
  return *shards;
}

const DimNode* Shard::MakeNode(const DimNodeKey& key) {
  static_assert(sizeof(DimNode) == 48 && std::is_trivially_destructible_v<DimNode>);
  void* const room = Room(sizeof(DimNode) + key.symbol.size() + key.operands.size_bytes());
  DimNode& node = *new (room) DimNode{.kind = key.kind,
                                      .has_coords = key.kind == DimKind::kCoord || key.kind == DimKind::kValue,
                                      .has_values = key.kind == DimKind::kValue,
                                      .has_symbols = key.kind == DimKind::kSymbol,
                                      .any_symbols = key.kind == DimKind::kSymbol,
                                      .index = key.index,
                                      .size = static_cast<uint32_t>(key.symbol.size() + key.operands.size()),
                                      .constant = key.constant,
                                      .extent = key.extent};
  std::uninitialized_copy(key.symbol.begin(), key.symbol.end(), reinterpret_cast<char*>(&node + 1));
  std::uninitialized_copy(key.operands.begin(), key.operands.end(), reinterpret_cast<DimExpr*>(&node + 1));
  if (key.extent != nullptr) {
    node.depth = key.extent->depth + 1;
    node.any_symbols = key.extent->any_symbols;
  }
  for (DimExpr operand : key.operands) {
    const DimNode* child = operand.node();
    node.has_coords |= child->has_coords;
    node.has_values |= child->has_values;
    node.has_symbols |= child->has_symbols;
    node.any_symbols |= child->any_symbols;
    node.depth = std::max(node.depth, child->depth + 1);
  }
  node.range = RangeOfNode(node);
  return &node;
}

// Nodes that were asked for lately, by their hash; found without a lock. Nodes are immortal, and one table for all threads
// is one that a new thread need not clear.
template <int kBits>
using RecentNodes = std::array<std::atomic<const DimNode*>, size_t{1} << kBits>;

// Most constants that anybody asks for.
constexpr std::array<DimNode, 64> SmallConstants() {
  std::array<DimNode, 64> nodes{};
  for (int64_t value = 0; value < 64; ++value) {
    nodes[value].kind = DimKind::kConst;
    nodes[value].constant = value;
    nodes[value].range = {value, value};
  }
  return nodes;
}
constinit const std::array<DimNode, 64> small_constants = SmallConstants();

const DimNode* Constant(int64_t value) {
  constexpr int kBits = 11;
  static RecentNodes<kBits> recent_nodes;
  if (value == 0) return &kZeroDim;
  if (value > 0 && value < static_cast<int64_t>(small_constants.size())) return &small_constants[value];
  std::atomic<const DimNode*>& recent = recent_nodes[(static_cast<uint64_t>(value) * 0x9e3779b97f4a7c15) >> (64 - kBits)];
  const DimNode* node = recent.load(std::memory_order_acquire);
  if (node == nullptr || node->constant != value) {
    node = DimInterner::Intern({.kind = DimKind::kConst, .constant = value}).node();
    recent.store(node, std::memory_order_release);
  }
  return node;
}

// The order of kinds in sums and operand lists: constants come last, as people write them.
int KindRank(DimKind kind) { return kind == DimKind::kConst ? 100 : static_cast<int>(kind); }

}  // namespace

DimExpr DimInterner::Intern(const DimNodeKey& key) {
  const HashedKey hashed{NodeHash::Of(key), key};
  constexpr int kBits = 12;
  static RecentNodes<kBits> recent_nodes;
  std::atomic<const DimNode*>& recent = recent_nodes[hashed.hash % recent_nodes.size()];
  const DimNode* node = recent.load(std::memory_order_acquire);
  if (node != nullptr && NodeEqual::Same(*node, key)) return DimExpr(node);
  Shard& shard = Shards()[(hashed.hash >> 7) % kShards];
  std::lock_guard<std::mutex> lock(shard.mutex);
  auto found = shard.nodes.find(hashed, hashed.hash);
  if (found == shard.nodes.end()) found = shard.nodes.insert({hashed.hash, shard.MakeNode(key)}).first;
  recent.store(found->node, std::memory_order_release);
  return DimExpr(found->node);
}

constinit const DimNode kZeroDim = {.kind = DimKind::kConst};

DimExpr::DimExpr(int64_t value) : node_(Constant(DimClamp(value))) {}

DimExpr DimExpr::Symbol(std::string_view name) {
  return DimInterner::Intern({.kind = DimKind::kSymbol, .symbol = name});
}

DimExpr DimExpr::Coord(int index, DimExpr extent) {
  return DimInterner::Intern({.kind = DimKind::kCoord, .index = index, .extent = extent.node()});
}

DimExpr DimExpr::Value(int id) {
  return DimInterner::Intern({.kind = DimKind::kValue, .index = id});
}

std::optional<int64_t> DimExpr::AsConst() const {
  if (!IsConst()) return std::nullopt;
  return node_->constant;
}

std::string_view DimExpr::symbol() const { return node_->symbol(); }

DimExpr DimExpr::extent() const {
  return node_->extent != nullptr ? DimExpr(node_->extent) : DimExpr(0);
}

int DimExpr::Compare(DimExpr a, DimExpr b) {
  if (a == b) return 0;
  const DimNode& x = *a.node_;
  const DimNode& y = *b.node_;
  if (x.kind != y.kind) return KindRank(x.kind) < KindRank(y.kind) ? -1 : 1;
  if (x.constant != y.constant) return x.constant < y.constant ? -1 : 1;
  if (x.index != y.index) return x.index < y.index ? -1 : 1;
  if (int order = x.symbol().compare(y.symbol()); order != 0) return order < 0 ? -1 : 1;
  if (x.extent != y.extent) return Compare(DimExpr(x.extent), DimExpr(y.extent));
  const std::span<const DimExpr> its = x.operands(), others = y.operands();
  const size_t common = std::min(its.size(), others.size());
  for (size_t i = 0; i < common; ++i) {
    if (int order = Compare(its[i], others[i]); order != 0) return order;
  }
  return its.size() < others.size() ? -1 : 1;
}

// --- Substitution and leaves ------------------------------------------------------------------

namespace {

using LeafFunction = std::function<std::optional<DimExpr>(DimExpr)>;

// Rebuilds an operation from new operands.
DimExpr Rebuild(DimKind kind, std::span<const DimExpr> x) {
  switch (kind) {
    case DimKind::kAdd:
      return Sum(x);
    case DimKind::kMul:
      return Product(x);
    case DimKind::kFloorDiv:
      return FloorDiv(x[0], x[1]);
    case DimKind::kMod:
      return Mod(x[0], x[1]);
    case DimKind::kMin:
      return Min(x[0], x[1]);
    case DimKind::kMax:
      return Max(x[0], x[1]);
    case DimKind::kLess:
      return Less(x[0], x[1]);
    case DimKind::kEqual:
      return Equal(x[0], x[1]);
    case DimKind::kSelect:
      return Select(x[0], x[1], x[2]);
    default:
      return DimExpr(0);  // leaves have no operands
  }
}

// Which nodes a walk has met, and a value for each. Most expressions have a handful of nodes, for which a scan
// beats a hash table by far; large ones move into a table.
template <typename T>
class VisitedNodes {
 public:
  const T* Find(DimExpr e) const {
    if (!table_.empty()) {
      auto found = table_.find(e);
      return found == table_.end() ? nullptr : &found->second;
    }
    for (const auto& [node, value] : few_) {
      if (node == e) return &value;
    }
    return nullptr;
  }
  void Add(DimExpr e, T value) {
    constexpr size_t kFew = 24;
    if (table_.empty() && few_.size() < kFew) {
      few_.emplace_back(e, value);
      return;
    }
    if (table_.empty()) table_.insert(few_.begin(), few_.end());
    table_.emplace(e, value);
  }

 private:
  absl::InlinedVector<std::pair<DimExpr, T>, 12> few_;
  absl::flat_hash_map<DimExpr, T> table_;
};

class Substitution {
 public:
  explicit Substitution(const LeafFunction& leaf) : leaf_(leaf) {}

  DimExpr Apply(DimExpr e) {
    if (e.IsConst()) return e;
    if (const DimExpr* found = done_.Find(e)) return *found;
    DimExpr result = e.operands().empty() ? ApplyToLeaf(e) : ApplyToOperation(e);
    done_.Add(e, result);
    return result;
  }

 private:
  DimExpr ApplyToLeaf(DimExpr e) {
    if (std::optional<DimExpr> replacement = leaf_(e)) return *replacement;
    if (e.kind() != DimKind::kCoord) return e;
    DimExpr extent = Apply(e.extent());
    return extent == e.extent() ? e : DimExpr::Coord(e.index(), extent);
  }

  DimExpr ApplyToOperation(DimExpr e) {
    absl::InlinedVector<DimExpr, 6> operands(e.operands().begin(), e.operands().end());
    bool changed = false;
    for (DimExpr& operand : operands) {
      DimExpr replacement = Apply(operand);
      changed |= replacement != operand;
      operand = replacement;
    }
    return changed ? Rebuild(e.kind(), operands) : e;
  }

  const LeafFunction& leaf_;
  VisitedNodes<DimExpr> done_;
};

void VisitUnseen(DimExpr e, VisitedNodes<bool>& seen, const std::function<void(DimExpr)>& visit) {
  if (e.IsConst() || seen.Find(e) != nullptr) return;
  seen.Add(e, true);
  if (e.operands().empty()) return visit(e);
  for (DimExpr operand : e.operands()) VisitUnseen(operand, seen, visit);
}

}  // namespace

DimExpr Substitute(DimExpr e, const LeafFunction& leaf) { return Substitution(leaf).Apply(e); }

DimExpr SubstituteCoords(DimExpr e, std::span<const DimExpr> with) {
  if (!HasCoords(e)) return e;
  auto replaced = [with](DimExpr leaf) {
    return leaf.kind() == DimKind::kCoord && leaf.index() >= 0 && leaf.index() < static_cast<int>(with.size());
  };
  if (replaced(e)) return with[e.index()];
  return Substitute(e, [&](DimExpr leaf) {
    return replaced(leaf) ? std::optional<DimExpr>(with[leaf.index()]) : std::nullopt;
  });
}

DimExpr SubstituteSymbols(DimExpr e, const SymbolMap& with) {
  return Substitute(e, [&with](DimExpr leaf) -> std::optional<DimExpr> {
    if (leaf.kind() != DimKind::kSymbol) return std::nullopt;
    auto found = with.find(std::string(leaf.symbol()));
    if (found == with.end()) return std::nullopt;
    return found->second;
  });
}

void VisitLeaves(DimExpr e, const std::function<void(DimExpr)>& visit) {
  if (e.IsConst()) return;
  if (e.operands().empty()) return visit(e);
  VisitedNodes<bool> seen;
  VisitUnseen(e, seen, visit);
}

namespace {

// `seen`: deep operands of which none depends; those that are not take less time to visit again.
bool DependsOnUnseen(DimExpr e, int index, VisitedNodes<bool>& seen) {
  constexpr int kShallow = 3;
  if (!HasCoords(e)) return false;
  if (e.operands().empty()) return e.kind() == DimKind::kCoord && e.index() == index;
  if (e.node()->depth > kShallow) {
    if (seen.Find(e) != nullptr) return false;
    seen.Add(e, true);
  }
  return std::any_of(e.operands().begin(), e.operands().end(),
                     [&](DimExpr operand) { return DependsOnUnseen(operand, index, seen); });
}

}  // namespace

bool DependsOnCoord(DimExpr e, int index) {
  if (!HasCoords(e)) return false;
  VisitedNodes<bool> seen;
  return DependsOnUnseen(e, index, seen);
}

std::optional<Affine> AsAffine(DimExpr e, int index) {
  if (!DependsOnCoord(e, index)) return Affine{e, DimExpr(0)};
  if (std::optional<Affine> split = SplitAtCoord(e, index)) return split;
  DimPolynomial base, stride;
  for (DimTerm& term : ToPolynomial(e)) {
    auto is_coord = [index](DimExpr f) {
      return f.kind() == DimKind::kCoord && f.index() == index;
    };
    auto found = std::find_if(term.factors.begin(), term.factors.end(), is_coord);
    bool linear = found != term.factors.end();
    if (linear) term.factors.erase(found);
    for (DimExpr factor : term.factors) {
      if (DependsOnCoord(factor, index)) return std::nullopt;
    }
    (linear ? stride : base).push_back(std::move(term));
  }
  return Affine{FromPolynomial(CollectTerms(std::move(base))),
                FromPolynomial(CollectTerms(std::move(stride)))};
}

DimExpr Product(std::span<const DimExpr> dims) {
  if (std::any_of(dims.begin(), dims.end(),
                  [](DimExpr dim) { return dim.kind() == DimKind::kAdd; })) {
    DimExpr product(1);
    for (DimExpr dim : dims) product = product * dim;
    return product;
  }
  return MultiplyTerms(dims);
}

// --- Evaluation -------------------------------------------------------------------------------

namespace {

class Evaluator {
 public:
  Evaluator(const SymbolValues& symbols, std::span<const int64_t> coords,
            std::span<const int64_t> values)
      : symbols_(symbols), coords_(coords), values_(values) {}

  absl::StatusOr<int64_t> Run(DimExpr e) {
    if (e.IsConst()) return e.constant();
    if (e.operands().empty()) return Leaf(e);
    if (auto found = done_.find(e); found != done_.end()) return found->second;
    std::vector<int64_t> x;
    for (DimExpr operand : e.operands()) {
      SKEIN_ASSIGN_OR_RETURN(int64_t value, Run(operand));
      x.push_back(value);
    }
    int64_t result = Apply(e.kind(), x);
    done_.emplace(e, result);
    return result;
  }

 private:
  absl::StatusOr<int64_t> Leaf(DimExpr e) const {
    if (e.kind() == DimKind::kSymbol) {
      auto found = symbols_.find(std::string(e.symbol()));
      if (found == symbols_.end()) {
        return InvalidArgument("symbol '", std::string(e.symbol()), "' has no value");
      }
      return DimClamp(found->second);
    }
    std::span<const int64_t> given = e.kind() == DimKind::kCoord ? coords_ : values_;
    if (e.index() < 0 || e.index() >= static_cast<int>(given.size())) {
      return InvalidArgument(e.kind() == DimKind::kCoord ? "coordinate " : "value ", e.ToString(),
                             " has no value; ", given.size(), " are given");
    }
    return DimClamp(given[e.index()]);
  }

  static int64_t Apply(DimKind kind, std::span<const int64_t> x) {
    switch (kind) {
      case DimKind::kAdd: {
        int64_t sum = 0;
        for (int64_t v : x) sum = DimAdd(sum, v);
        return sum;
      }
      case DimKind::kMul: {
        int64_t product = 1;
        for (int64_t v : x) product = DimMul(product, v);
        return product;
      }
      case DimKind::kFloorDiv:
        return DimFloorDiv(x[0], x[1]);
      case DimKind::kMod:
        return DimMod(x[0], x[1]);
      case DimKind::kMin:
        return std::min(x[0], x[1]);
      case DimKind::kMax:
        return std::max(x[0], x[1]);
      case DimKind::kLess:
        return x[0] < x[1];
      case DimKind::kEqual:
        return x[0] == x[1];
      case DimKind::kSelect:
        return x[0] != 0 ? x[1] : x[2];
      default:
        return 0;  // leaves are handled in Run
    }
  }

  const SymbolValues& symbols_;
  std::span<const int64_t> coords_, values_;
  absl::flat_hash_map<DimExpr, int64_t> done_;  // expressions are DAGs
};

}  // namespace

absl::StatusOr<int64_t> Evaluate(DimExpr e, const SymbolValues& symbols,
                                 std::span<const int64_t> coords, std::span<const int64_t> values) {
  return Evaluator(symbols, coords, values).Run(e);
}

}  // namespace skein
