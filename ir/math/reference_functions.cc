// MathReference: the functions in long double, by the C library or a formula in which nothing
// cancels.
#include <cmath>
#include <limits>

#include "ir/math/accuracy.h"

namespace skein {
namespace {

constexpr long double kInfinite = std::numeric_limits<long double>::infinity();

long double Sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }

long double Silu(long double x) { return x == -kInfinite ? -0.0L : x / (1 + std::exp(-x)); }

long double Softplus(long double x) {
  if (std::isnan(x)) return x;
  return std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x)));
}

long double Mish(long double x) {
  if (x == -kInfinite) return -0.0L;
  if (x > 100) return x;
  const long double e = std::exp(x), n = e * (e + 2);
  return x * (n / (n + 2));
}

long double Elu(long double x) { return x < 0 ? std::expm1(x) : x; }

// x * sigmoid(v): v reaches 1,000, so its rounding to long double is accounted for.
long double GeluTanh(long double x) {
  if (x == -kInfinite) return -0.0L;
  if (std::isnan(x) || x > 30) return x;
  if (x < -30) return -0.0L;
  using Quad = __float128;
  const Quad k0 = Quad(0xc.c42299ea1b28468p-3L) + Quad(0x1.f9678a017571cp-65L);
  const Quad k1 = k0 * Quad(44715) / Quad(1000000);
  const Quad v = Quad(x) * (k0 + k1 * Quad(x) * Quad(x));
  const long double high = static_cast<long double>(v);
  const long double low = static_cast<long double>(v - Quad(high));
  const long double e = std::exp(-high);
  return x / (1 + (e - e * low));
}

// x/2 * erfc(z), z = -x/sqrt 2, with the rounding of z accounted for by erfc's derivative.
long double Gelu(long double x) {
  if (x == -kInfinite) return -0.0L;
  if (std::isnan(x) || x > 200) return x;
  if (x < -200) return -0.0L;
  constexpr long double kSqrtHalf = 0.707106781186547524400844362104849039L;
  constexpr long double kSqrtHalfTail = 0x1.65f626cdd52bp-66L;
  constexpr long double kTwoOverSqrtPi = 1.128379167095512573896158903121545172L;
  const long double z = -x * kSqrtHalf;
  const long double tail = std::fma(-x, kSqrtHalf, -z) - x * kSqrtHalfTail;
  return 0.5L * x * (std::erfc(z) - kTwoOverSqrtPi * std::exp(-z * z) * tail);
}

long double Reciprocal(long double x) { return 1 / x; }

long double Rsqrt(long double x) { return x == 0 ? 1 / x : 1 / std::sqrt(x); }

struct Reference {
  std::string_view name;
  ReferenceFunction function;
};

constexpr Reference kReferences[] = {
    {"exp", std::exp},          {"exp2", std::exp2},   {"expm1", std::expm1},
    {"sigmoid", Sigmoid},       {"silu", Silu},        {"softplus", Softplus},
    {"gelu_tanh", GeluTanh},    {"mish", Mish},        {"elu", Elu},
    {"log", std::log},          {"log2", std::log2},   {"log1p", std::log1p},
    {"erf", std::erf},          {"erfc", std::erfc},   {"gelu", Gelu},
    {"sin", std::sin},          {"cos", std::cos},     {"tan", std::tan},
    {"asin", std::asin},        {"acos", std::acos},   {"atan", std::atan},
    {"sinh", std::sinh},        {"cosh", std::cosh},   {"tanh", std::tanh},
    {"asinh", std::asinh},      {"acosh", std::acosh}, {"atanh", std::atanh},
    {"reciprocal", Reciprocal}, {"rsqrt", Rsqrt},      {"cbrt", std::cbrt},
};

}  // namespace

ReferenceFunction MathReference(std::string_view name) {
  for (const Reference& reference : kReferences) {
    if (reference.name == name) return reference.function;
  }
  return nullptr;
}

}  // namespace skein
