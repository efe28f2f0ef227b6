#include "fusion/gates.h"

#include <array>
#include <cmath>

#include "ir/op.h"

namespace skein {
namespace {

// c[0] + c[1]*x + c[2]*x^2 + c[3]*x^3.
using Cubic = std::array<double, 4>;

// `v` as a polynomial in x, if it is one of degree at most 3. `depth`: operations that may be looked through.
std::optional<Cubic> PolynomialIn(const Graph& graph, Value v, Value x, int depth) {
  if (v == x) return Cubic{0, 1, 0, 0};
  if (std::optional<double> c = graph.SplatValue(v)) return Cubic{*c, 0, 0, 0};
  const Node& node = graph.node(v.node);
  const bool product = node.op == Op::mul;
  if ((!product && node.op != Op::add && node.op != Op::sub) || depth == 0) return std::nullopt;
  const std::optional<Cubic> a = PolynomialIn(graph, node.operands[0], x, depth - 1);
  const std::optional<Cubic> b = a ? PolynomialIn(graph, node.operands[1], x, depth - 1) : a;
  if (!b) return std::nullopt;
  Cubic result{};
  for (int i = 0; i < 4; ++i) {
    if (!product) result[i] = (*a)[i] + (node.op == Op::sub ? -1 : 1) * (*b)[i];
    for (int j = 0; product && j < 4; ++j) {
      const double term = (*a)[i] * (*b)[j];
      if (term != 0 && i + j > 3) return std::nullopt;
      if (term != 0) result[i + j] += term;
    }
  }
  return result;
}

// Whether c is `exact` after a rounding or two of constants in the type of v.
bool IsNear(const Graph& graph, Value v, double c, double exact) {
  const double unit = HalfUlp(graph.type(v).element, 1);
  return std::fabs(c - exact) <= 4 * unit * std::fabs(exact);
}

bool IsGeluTanhArgument(const Graph& graph, Value z, Value x) {
  constexpr int kDepth = 8;
  const std::optional<Cubic> p = PolynomialIn(graph, z, x, kDepth);
  constexpr double k = 0.79788456080286535588;  // sqrt(2/pi)
  return p && (*p)[0] == 0 && (*p)[2] == 0 && IsNear(graph, z, (*p)[1], k) &&
         IsNear(graph, z, (*p)[3], k * 0.044715);
}

}  // namespace

std::optional<Gate> MatchGate(const Graph& graph, Value gate, Value x) {
  const Node& node = graph.node(gate.node);
  if (!IsGate(node.op)) return std::nullopt;
  const Value z = node.operands[0];
  if (node.op == Op::sigmoid && z == x) return Gate{Op::silu, 1};
  if (node.op == Op::erfc) {
    const std::optional<Cubic> p = PolynomialIn(graph, z, x, 2);
    const bool linear = p && (*p)[0] == 0 && (*p)[2] == 0 && (*p)[3] == 0;
    constexpr double kMinusSqrtHalf = -0.70710678118654752440;
    if (linear && IsNear(graph, z, (*p)[1], kMinusSqrtHalf)) return Gate{Op::gelu, 2};
  }
  if (node.op == Op::tanh && graph.op(z) == Op::softplus) {
    if (graph.node(z.node).operands[0] == x) return Gate{Op::mish, 1};
  }
  if (node.op == Op::add) {
    for (int i = 0; i < 2; ++i) {
      const Value tanh = node.operands[i];
      if (graph.op(tanh) != Op::tanh || graph.SplatValue(node.operands[1 - i]) != 1.0) continue;
      const Value argument = graph.node(tanh.node).operands[0];
      if (IsGeluTanhArgument(graph, argument, x)) return Gate{Op::gelu_tanh, 2};
    }
  }
  return std::nullopt;
}

}  // namespace skein
