#include "fusion/first_place.h"

#include <cmath>

namespace skein {
namespace {

enum class Relation { kLess, kEqual, kGreater, kLeftNan, kRightNan, kBothNan };
constexpr Relation kRelations[] = {Relation::kLess,    Relation::kEqual,    Relation::kGreater,
                                   Relation::kLeftNan, Relation::kRightNan, Relation::kBothNan};
constexpr int kOfNumbers = 3;  // of them

Relation Reversed(Relation r) {
  switch (r) {
    case Relation::kLess: return Relation::kGreater;
    case Relation::kGreater: return Relation::kLess;
    case Relation::kLeftNan: return Relation::kRightNan;
    case Relation::kRightNan: return Relation::kLeftNan;
    default: return r;
  }
}

// A combine of (element, place) pairs where the left pair compares with the right one in a given way.
class Case {
 public:
  // Inputs in order: the left element, its place, the right element, its place.
  enum Input { kLeftElement, kLeftPlace, kRightElement, kRightPlace };

  Case(const Graph& graph, Relation elements, Relation places)
      : graph_(graph), elements_(elements), places_(places) {}

  // The inputs that are chosen; nothing if something else is done with them.
  std::optional<std::vector<int>> Choices() {
    for (int i = 0; i < graph_.size(); ++i) {
      const std::optional<int> value = Of(NodeId(i));
      if (!value) return std::nullopt;
      values_.push_back(*value);
    }
    std::vector<int> result;
    for (const Graph::Named& output : graph_.outputs()) result.push_back(values_[output.value.node.index]);
    return result;
  }

 private:
  // An input's number, or the truth of a bool.
  std::optional<int> Of(NodeId id) const {
    const Node& node = graph_.node(id);
    if (node.op == Op::input) {
      for (size_t i = 0; i < graph_.inputs().size(); ++i) {
        if (graph_.inputs()[i].value.node == id) return static_cast<int>(i);
      }
    }
    const auto x = [&](int i) { return values_[node.operands[i].node.index]; };
    const bool of_bools = !node.operands.empty() && graph_.type(node.operands[0]).element == ElementType::kBool;
    switch (node.op) {
      case Op::select: return x(0) ? x(1) : x(2);
      case Op::logical_not: return of_bools ? std::optional<int>(!x(0)) : std::nullopt;
      case Op::bit_and: return of_bools ? std::optional<int>(x(0) & x(1)) : std::nullopt;
      case Op::bit_or: return of_bools ? std::optional<int>(x(0) | x(1)) : std::nullopt;
      case Op::is_nan: return IsNan(x(0));
      case Op::less:
      case Op::less_equal:
      case Op::equal: break;
      default: return std::nullopt;
    }
    if (of_bools) return std::nullopt;
    const std::optional<Relation> relation = Compared(x(0), x(1));
    if (!relation) return std::nullopt;
    return (node.op != Op::less && *relation == Relation::kEqual) ||
           (node.op != Op::equal && *relation == Relation::kLess);
  }

  bool IsNan(int input) const {
    if (input != kLeftElement && input != kRightElement) return false;
    return elements_ == Relation::kBothNan ||
           elements_ == (input == kLeftElement ? Relation::kLeftNan : Relation::kRightNan);
  }

  std::optional<Relation> Compared(int a, int b) const {
    if (a % 2 != b % 2) return std::nullopt;
    if (a == b) return IsNan(a) ? Relation::kBothNan : Relation::kEqual;
    const Relation relation = a % 2 == kLeftElement ? elements_ : places_;
    return a < b ? relation : Reversed(relation);
  }

  const Graph& graph_;
  const Relation elements_, places_;
  std::vector<int> values_;
};

// Whether exactly inputs [first, first + n) come out.
bool HandsThrough(const Graph& graph, size_t inputs, size_t first, size_t n) {
  if (graph.inputs().size() != inputs || graph.outputs().size() != n) return false;
  for (size_t i = 0; i < n; ++i) {
    if (graph.outputs()[i].value != graph.inputs()[first + i].value) return false;
  }
  return true;
}

bool Finds(const Graph& combine, bool largest) {
  for (Relation elements : kRelations) {
    for (int p = 0; p < kOfNumbers; ++p) {
      const Relation places = kRelations[p];
      const auto chosen = Case(combine, elements, places).Choices();
      if (!chosen) return false;
      const bool tie = elements == Relation::kEqual || elements == Relation::kBothNan;
      if (tie && places == Relation::kEqual) continue;  // the pairs are the same
      const bool left = tie ? places == Relation::kLess
                            : elements == Relation::kLeftNan ||
                                  elements == (largest ? Relation::kGreater : Relation::kLess);
      if ((*chosen)[1] != (left ? Case::kLeftPlace : Case::kRightPlace)) return false;
      if (!tie && (*chosen)[0] != (left ? Case::kLeftElement : Case::kRightElement)) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<FirstPlace> FindFirstPlace(const Reducer& reducer) {
  if (reducer.state.size() != 2 || reducer.state[0] != ElementType::kF32 || !IsInteger(reducer.state[1])) {
    return std::nullopt;
  }
  if (!HandsThrough(reducer.map, 2, 0, 2) || !HandsThrough(reducer.finish, 2, 1, 1)) return std::nullopt;
  if (reducer.combine.inputs().size() != 4 || reducer.combine.outputs().size() != 2) return std::nullopt;
  const bool largest = reducer.initial[0] < 0;
  if (!std::isinf(reducer.initial[0]) || !Finds(reducer.combine, largest)) return std::nullopt;
  return FirstPlace{largest};
}

}  // namespace skein
