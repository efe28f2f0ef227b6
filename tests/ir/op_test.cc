#include "ir/op.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "ir/op_helpers.h"
#include "ir/reference.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32, kF64 = ElementType::kF64, kI64 = ElementType::kI64,
                      kU64 = ElementType::kU64, kBool = ElementType::kBool;

// A pointwise op on scalars of the given types.
RefScalar Apply(Op op, std::vector<std::pair<ElementType, RefScalar>> x,
                Attributes attributes = {}) {
  Graph g;
  std::vector<Value> operands;
  std::vector<RefScalar> scalars;
  for (auto& [t, scalar] : x) {
    operands.push_back(g.AddInput("x", {t, {}}));
    scalars.push_back(scalar);
  }
  auto y = g.AddNode(op, operands, attributes);
  EXPECT_TRUE(y.ok()) << y.status();
  return PointwiseReference(g, g.node(*y))(scalars);
}

double Float(Op op, std::vector<double> x, ElementType t = kF64) {
  std::vector<std::pair<ElementType, RefScalar>> scalars;
  for (double v : x) scalars.push_back({t, {v, 0, 0}});
  return Apply(op, scalars).value;
}

int64_t Int(Op op, std::vector<int64_t> x, ElementType t = kI64) {
  std::vector<std::pair<ElementType, RefScalar>> scalars;
  for (int64_t v : x) scalars.push_back({t, IntScalar(t, v)});
  return Apply(op, scalars).exact;
}

TEST(OpTable, IsComplete) {
  for (int i = 0; i < OpCount(); ++i) {
    const OpDef& def = Def(static_cast<Op>(i));
    EXPECT_EQ(ParseOp(def.name), static_cast<Op>(i)) << def.name;
    EXPECT_FALSE(def.summary.empty()) << def.name;
    EXPECT_NE(def.infer, nullptr) << def.name;
    if (def.op_class == OpClass::kPointwise) {
      EXPECT_NE(def.lower, nullptr) << def.name;
      EXPECT_TRUE(def.reference != nullptr || def.int_reference != nullptr) << def.name;
      EXPECT_LE(def.max_operands, 3) << def.name;
    }
    EXPECT_EQ(def.pieces != nullptr, def.op_class == OpClass::kMovement) << def.name;
  }
  EXPECT_EQ(ParseOp("conv_transpose"), std::nullopt);
}

TEST(Reference, FloatsGiveWhatTheirNamesSay) {
  EXPECT_EQ(Float(Op::add, {1, 2}), 3);
  EXPECT_EQ(Float(Op::sub, {1, 2}), -1);
  EXPECT_EQ(Float(Op::mul, {3, 2}), 6);
  EXPECT_EQ(Float(Op::div, {1, 4}), 0.25);
  EXPECT_EQ(Float(Op::rem, {-7, 3}), -1);
  EXPECT_EQ(Float(Op::mod, {-7, 3}), 2);
  EXPECT_EQ(Float(Op::mod, {7, -3}), -2);
  EXPECT_EQ(Float(Op::pow, {2, 10}, kF32), 1024);
  EXPECT_EQ(Float(Op::minimum, {2, -1}), -1);
  EXPECT_EQ(Float(Op::maximum, {2, -1}), 2);
  EXPECT_TRUE(std::isnan(Float(Op::maximum, {2, NAN})));
  EXPECT_TRUE(std::isnan(Float(Op::minimum, {NAN, 2})));
  EXPECT_EQ(Float(Op::neg, {2}), -2);
  EXPECT_EQ(Float(Op::abs, {-2}), 2);
  EXPECT_EQ(Float(Op::sign, {-2}), -1);
  EXPECT_EQ(Float(Op::floor, {-1.5}), -2);
  EXPECT_EQ(Float(Op::ceil, {-1.5}), -1);
  EXPECT_EQ(Float(Op::trunc, {-1.5}), -1);
  EXPECT_EQ(Float(Op::round_even, {2.5}), 2);
  EXPECT_EQ(Float(Op::sqrt, {9}), 3);
  EXPECT_EQ(Float(Op::rsqrt, {4}), 0.5);
  EXPECT_EQ(Float(Op::reciprocal, {4}), 0.25);
  EXPECT_NEAR(Float(Op::exp, {1}), 2.718281828459045, 1e-15);
  EXPECT_NEAR(Float(Op::expm1, {1e-10}), 1.00000000005e-10, 1e-24);
  EXPECT_NEAR(Float(Op::log, {10}), 2.302585092994046, 1e-15);
  EXPECT_NEAR(Float(Op::log1p, {1e-10}), 9.9999999995e-11, 1e-24);
  EXPECT_NEAR(Float(Op::sin, {1}), 0.8414709848078965, 1e-15);
  EXPECT_NEAR(Float(Op::cos, {1}), 0.5403023058681398, 1e-15);
  EXPECT_NEAR(Float(Op::tan, {1}), 1.557407724654902, 1e-15);
  EXPECT_NEAR(Float(Op::asin, {0.5}), 0.5235987755982989, 1e-15);
  EXPECT_NEAR(Float(Op::acos, {0.5}), 1.0471975511965979, 1e-15);
  EXPECT_NEAR(Float(Op::atan, {1}), 0.7853981633974483, 1e-15);
  EXPECT_NEAR(Float(Op::sinh, {1}), 1.1752011936438014, 1e-15);
  EXPECT_NEAR(Float(Op::cosh, {1}), 1.5430806348152437, 1e-15);
  EXPECT_NEAR(Float(Op::tanh, {1}), 0.7615941559557649, 1e-15);
  EXPECT_NEAR(Float(Op::erf, {1}), 0.8427007929497149, 1e-15);
  EXPECT_NEAR(Float(Op::erfc, {5}), 1.5374597944280349e-12, 1e-26);
  EXPECT_NEAR(Float(Op::sigmoid, {1}), 0.7310585786300049, 1e-15);
  EXPECT_NEAR(Float(Op::softplus, {1}), 1.3132616875182228, 1e-15);
  EXPECT_EQ(Float(Op::softplus, {800}), 800);
  EXPECT_EQ(Apply(Op::is_nan, {{kF32, {NAN, 0, 0}}}).exact, 1);
  EXPECT_EQ(Apply(Op::is_inf, {{kF32, {-HUGE_VAL, 0, 0}}}).exact, 1);
  EXPECT_EQ(Apply(Op::less, {{kF32, {1, 0, 0}}, {kF32, {2, 0, 0}}}).exact, 1);
  EXPECT_EQ(Apply(Op::not_equal, {{kF32, {NAN, 0, 0}}, {kF32, {NAN, 0, 0}}}).exact, 1);
  EXPECT_EQ(
      Apply(Op::select, {{kBool, IntScalar(kBool, 0)}, {kF32, {1, 0, 0}}, {kF32, {2, 0, 0}}}).value,
      2);
}

TEST(Reference, IntegersAreExactBeyondDoubles) {
  int64_t big = (int64_t{1} << 60) + 1, lowest = INT64_MIN;
  EXPECT_EQ(Int(Op::add, {big, 1}), big + 1);
  EXPECT_EQ(Int(Op::add, {INT64_MAX, 1}), lowest);
  EXPECT_EQ(Int(Op::mul, {big, 3}), 3 * big);
  EXPECT_EQ(Int(Op::neg, {lowest}), lowest);
  EXPECT_EQ(Int(Op::div, {-7, 2}), -3);
  EXPECT_EQ(Int(Op::div, {7, 0}), 0);
  EXPECT_EQ(Int(Op::div, {lowest, -1}), lowest);
  EXPECT_EQ(Int(Op::rem, {-7, 3}), -1);
  EXPECT_EQ(Int(Op::rem, {lowest, -1}), 0);
  EXPECT_EQ(Int(Op::mod, {-7, 3}), 2);
  EXPECT_EQ(Int(Op::mod, {7, -3}), -2);
  EXPECT_EQ(Int(Op::maximum, {big, big - 1}), big);
  EXPECT_EQ(Int(Op::less, {big - 1, big}), 1);
  EXPECT_EQ(Int(Op::equal, {big, big + 1}), 0);
  EXPECT_EQ(Int(Op::bit_xor, {5, 3}), 6);
  EXPECT_EQ(Int(Op::bit_not, {5}), -6);
  EXPECT_EQ(Int(Op::less, {1, -1}, kU64), 1);  // -1 is the largest
  EXPECT_EQ(Int(Op::div, {-1, 2}, kU64), INT64_MAX);
  EXPECT_EQ(Int(Op::add, {200, 100}, ElementType::kU8), 44);
  EXPECT_EQ(Int(Op::add, {100, 100}, ElementType::kI8), -56);
  EXPECT_EQ(Int(Op::bit_not, {5}, ElementType::kU8), 250);
  EXPECT_EQ(Apply(Op::cast, {{kI64, IntScalar(kI64, 300)}}, {{"to", ElementType::kU8}}).exact, 44);
  EXPECT_EQ(Apply(Op::cast, {{kF32, {1e30, 0, 0}}}, {{"to", kI64}}).exact, INT64_MAX);
  EXPECT_EQ(Apply(Op::cast, {{kF32, {-3.9, 0, 0}}}, {{"to", kI64}}).exact, -3);
  EXPECT_EQ(Apply(Op::cast, {{kI64, IntScalar(kI64, big)}}, {{"to", kBool}}).exact, 1);
}

TEST(Reference, OverflowBecomesInfinity) {
  RefScalar y = Apply(Op::mul, {{kF32, {1e30, 0, 0}}, {kF32, {1e30, 0, 0}}});
  EXPECT_EQ(y.value, HUGE_VAL);
  EXPECT_EQ(y.error, 0);
  y = Apply(Op::cast, {{kF32, {70000, 0, 0}}}, {{"to", ElementType::kF16}});
  EXPECT_EQ(y.value, HUGE_VAL);
  y = Apply(Op::exp, {{kF32, {88.72, 0.01, 0}}});  // either side of the largest f32
  EXPECT_EQ(y.error, HUGE_VAL);
  y = Apply(Op::add, {{kF32, {HUGE_VAL, 0, 0}}, {kF32, {-HUGE_VAL, 0, 0}}});
  EXPECT_TRUE(std::isnan(y.value));
  EXPECT_EQ(y.error, 0);
}

TEST(Reference, UncertainDecisionsSaySo) {
  RefScalar close = Apply(Op::less, {{kF32, {1, 1e-3, 0}}, {kF32, {1.0005, 0, 0}}});
  EXPECT_EQ(close.exact, 1);
  EXPECT_GT(close.error, 0);
  RefScalar apart = Apply(Op::less, {{kF32, {1, 1e-3, 0}}, {kF32, {2, 0, 0}}});
  EXPECT_EQ(apart.error, 0);
  RefScalar y = Apply(Op::select, {{kBool, close}, {kF32, {10, 0, 0}}, {kF32, {4, 0, 0}}});
  EXPECT_EQ(y.value, 10);
  EXPECT_GE(y.error, 6);
  EXPECT_GT(Apply(Op::logical_not, {{kBool, close}}).error, 0);
  EXPECT_EQ(Apply(Op::cast, {{kF32, {2.9999, 1e-3, 0}}}, {{"to", kI64}}).error, 1);
}

// Whatever the operands are within their errors, the result lies within its own.
TEST(Reference, ErrorsCoverEveryPerturbation) {
  std::mt19937_64 random(11);
  auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() >> 11) * std::ldexp(1.0, -53);
  };
  for (int i = 0; i < OpCount(); ++i) {
    Op op = static_cast<Op>(i);
    const OpDef& def = Def(op);
    if (def.op_class != OpClass::kPointwise || def.reference == nullptr || op == Op::select ||
        op == Op::cast)
      continue;
    Graph g;
    std::vector<Value> operands;
    ElementType t = op == Op::logical_not ? kBool : kF32;
    if (t == kBool) continue;
    for (int k = 0; k < def.min_operands; ++k) operands.push_back(g.AddInput("x", {t, {}}));
    auto node = g.AddNode(op, operands);
    ASSERT_TRUE(node.ok()) << node.status();
    PointwiseReference reference(g, g.node(*node));
    for (int trial = 0; trial < 4000; ++trial) {
      std::vector<RefScalar> x, moved;
      double range = std::ldexp(1.0, static_cast<int>(random() % 10) - 5);
      for (int k = 0; k < def.min_operands; ++k) {
        double v = uniform(-range, range),
               e = random() % 4 == 0
                       ? 0
                       : std::fabs(v) * std::ldexp(1.0, -static_cast<int>(random() % 30));
        x.push_back({v, e, 0});
        moved.push_back({v + uniform(-e, e), 0, 0});
      }
      RefScalar y = reference(x), z = reference(moved);
      if (std::isinf(y.error)) continue;
      bool covered = std::isnan(y.value)
                         ? std::isnan(z.value)
                         : std::fabs(z.value - y.value) <= y.error || z.value == y.value;
      ASSERT_TRUE(covered) << def.name << "(" << x[0].value << " +- " << x[0].error << ", "
                           << x.back().value << " +- " << x.back().error << ") = " << y.value
                           << " +- " << y.error << ", but " << z.value << " at " << moved[0].value
                           << ", " << moved.back().value;
    }
  }
}

TEST(HalfUlp, IsHalfTheSpacing) {
  EXPECT_EQ(HalfUlp(kF32, 1), std::ldexp(1.0, -24));
  EXPECT_EQ(HalfUlp(kF32, -1.99), std::ldexp(1.0, -24));
  EXPECT_EQ(HalfUlp(kF32, 0), std::ldexp(1.0, -150));
  EXPECT_EQ(HalfUlp(ElementType::kF16, 1), std::ldexp(1.0, -11));
  EXPECT_EQ(HalfUlp(kI64, 1), 0);
  EXPECT_EQ(HalfUlp(kF32, HUGE_VAL), 0);
}

TEST(Coordinates, DelinearizeUndoesLinearize) {
  Dims dims = {DimExpr::Symbol("n"), 3, 1, 5};
  Dims coords = CoordsOf(dims);
  EXPECT_EQ(Delinearize(Linearize(coords, dims), dims), coords);
}

TEST(InRange, StatesTheConditionOnSizes) {
  DimExpr s = DimExpr::Symbol("s"), i = DimExpr::Coord(0, s);
  EXPECT_EQ(InRange(i, s), DimExpr(1));
  auto condition = InRange(i + 2, 10);
  ASSERT_TRUE(condition.has_value());
  EXPECT_EQ(*Evaluate(*condition, {{"s", 8}}), 1);
  EXPECT_EQ(*Evaluate(*condition, {{"s", 9}}), 0);
  EXPECT_EQ(InRange(DimExpr(-1), 10), std::nullopt);
  EXPECT_EQ(InRange(DimExpr::Value(0), 10), std::nullopt);
}

}  // namespace
}  // namespace skein
