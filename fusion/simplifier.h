// Simplifier: the rules of simplify. Each is one function with its algebra in the comment. A rule sees an op that is
// about to be added to the new graph and may add another in its place; the result is simplified again on the way.
//
// The rules hold in real arithmetic. Some change rounding; that is why they run here, once, before any plan is
// made, and why --no-fuse runs them too.
#ifndef SKEIN_FUSION_SIMPLIFIER_H_
#define SKEIN_FUSION_SIMPLIFIER_H_

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "base/hash.h"
#include "ir/graph.h"
#include "ir/op.h"

namespace skein {

class Simplifier {
 public:
  explicit Simplifier(Graph* to) : g_(*to) {}
  // On the graph that another one has made, which that one has no more use for.
  Simplifier(Graph* made, Simplifier&& maker) : g_(*made), structure_(std::move(maker.structure_)) {}

  // Adds an op, or what it simplifies to.
  absl::StatusOr<Value> Make(Op op, std::initializer_list<Value> x, Attributes attributes = {}) {
    return Make(op, std::span<const Value>(x.begin(), x.size()), std::move(attributes));
  }
  absl::StatusOr<Value> Make(Op op, std::span<const Value> x, Attributes attributes = {});

  // What stands for a node on operands that are simplified already; nullopt: itself.
  absl::StatusOr<std::optional<Value>> Rewrite(const Node& node, std::span<const Value> x);

  // By node (none past the end): no rule applies to it, so that none will as long as its operands stay what they are.
  const std::vector<bool>& settled() const { return settled_; }

 private:
  // A rule's answer: what stands for the op, or nothing.
  using Found = absl::StatusOr<std::optional<Value>>;
  using Rule = Found (Simplifier::*)(Op, std::span<const Value>, const Attributes&);
  static constexpr std::optional<Value> kNone = std::nullopt;

  absl::StatusOr<Value> MakeOnce(Op op, std::span<const Value> x, Attributes attributes);
  absl::StatusOr<Value> AsIndex(Value v);

  // simplify_constants.cc
  Found FoldConstants(Op op, std::span<const Value> x, const Attributes& attributes);
  Found Identity(Op op, std::span<const Value> x, const Attributes& attributes);
  Found EmptyParts(Op op, std::span<const Value> x, const Attributes& attributes);
  Found Movement(Op op, std::span<const Value> x, const Attributes& attributes);
  absl::StatusOr<Value> Reduction(const Node& node, std::span<const Value> x);
  std::optional<double> BoolSplat(Value v) const;
  static bool Holds(ElementType t, double c);
  absl::StatusOr<Value> Constant(double c, Value like);
  absl::StatusOr<Value> Filled(double c, ElementType t, const Dims& dims);

  // simplify_algebra.cc
  Found Power(Op op, std::span<const Value> x, const Attributes&);
  Found Logistic(Op op, std::span<const Value> x, const Attributes&);
  Found Division(Op op, std::span<const Value> x, const Attributes&);
  Found Negation(Op op, std::span<const Value> x, const Attributes&);
  Found WithoutSign(Value v);
  Found ExponentialOfLogarithm(Op op, std::span<const Value> x, const Attributes&);
  Found SplitLogarithm(Value a, Value c, Value logarithm);
  Found Comparison(Op op, std::span<const Value> x, const Attributes&);

  // simplify_products.cc
  // A product taken apart: its constants and signs multiplied together, and the other factors.
  using Values = absl::InlinedVector<Value, 8>;
  struct Factors {
    double constant = 1;
    int constants = 0;
    Values values;
  };
  Factors FactorsOf(Value product);
  Found Product(Op op, std::span<const Value> x, const Attributes&);
  absl::StatusOr<Value> Pair(Op op, Value a, Value b);
  Found GatedProduct(Op op, std::span<const Value> x, const Attributes&);
  Found ErrorFunction(Op op, std::span<const Value> x, const Attributes&);
  Found ScaledDot(const Node& node, std::span<const Value> x);

  // simplify_order.cc
  Found SharedBroadcast(Op op, std::span<const Value> x, const Attributes& attributes);
  Found OrderOperands(Op op, std::span<const Value> x, const Attributes& attributes);
  static void AppendSizes(std::span<const DimExpr> dims, std::string* text);
  static constexpr int kStructureDepth = 3;
  Hash128 Structure(Value v, int depth = kStructureDepth);
  void SortByStructure(Values* values);

  std::optional<double> Splat(Value v) const { return g_.SplatValue(v); }
  bool IsSplat(Value v, double c) const {
    const std::optional<double> s = Splat(v);
    return s && *s == c;
  }
  const Node& NodeOf(Value v) const { return g_.node(v.node); }
  bool IsFloatValue(Value v) const { return IsFloat(g_.type(v).element); }
  static bool IsEmpty(const Dims& dims) {
    return std::any_of(dims.begin(), dims.end(), [](DimExpr d) { return d.IsConst(0); });
  }

  Graph& g_;
  absl::flat_hash_map<std::tuple<uint64_t, ElementType, Dims>, Value> constants_;  // by the bits of their elements
  absl::flat_hash_map<std::pair<NodeId, int>, Hash128> structure_;
  std::vector<bool> settled_;
  int depth_ = 0;
};

}  // namespace skein

#endif  // SKEIN_FUSION_SIMPLIFIER_H_
