#include "ir/graph_interpreter.h"

#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ir/op.h"

namespace skein {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ElementType kF32 = ElementType::kF32, kI64 = ElementType::kI64,
                      kBool = ElementType::kBool;

RefTensor Floats(std::vector<int64_t> dims, std::vector<double> values,
                 std::vector<double> error = {}) {
  return {kF32, std::move(dims), std::move(values), std::move(error), {}};
}
RefTensor Ints(std::vector<int64_t> dims, std::vector<int64_t> values) {
  return {kI64, std::move(dims), {}, {}, std::move(values)};
}

absl::StatusOr<RefTensor> Evaluated(const Graph& g, Value wanted,
                                    std::vector<std::pair<Value, const RefTensor*>> given,
                                    const SymbolValues& symbols = {}) {
  auto results = Interpret(g, symbols, given, std::span(&wanted, 1));
  if (!results.ok()) return results.status();
  return std::move((*results)[0]);
}

std::vector<double> Iota(int64_t n) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<double>(i));
  return values;
}

std::vector<double> Random(int64_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i)
    values.push_back(static_cast<float>(static_cast<double>(random() >> 11) * 0x1p-52 - 1));
  return values;
}

TEST(Interpret, Movement) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {2, 3}});
  RefTensor in = Floats({2, 3}, Iota(6));
  auto run = [&](absl::StatusOr<Value> y) { return Evaluated(g, y.value(), {{x, &in}})->value; };
  EXPECT_THAT(run(g.Add(Op::transpose, {x}, {{"permutation", std::vector<int64_t>{1, 0}}})),
              ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(run(g.Add(Op::slice, {x},
                        {{"starts", Dims{1, 2}}, {"steps", Dims{-1, -2}}, {"dims", Dims{2, 2}}})),
              ElementsAre(5, 3, 2, 0));
  EXPECT_THAT(run(g.Add(Op::concat, {x, x}, {{"axis", int64_t{1}}})),
              ElementsAre(0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5));
  EXPECT_THAT(
      run(g.Add(Op::pad, {x, g.AddScalar(kF32, 9)}, {{"low", Dims{0, 1}}, {"high", Dims{1, 0}}})),
      ElementsAre(9, 0, 1, 2, 9, 3, 4, 5, 9, 9, 9, 9));
  Value row =
      *g.Add(Op::slice, {x}, {{"starts", Dims{0, 0}}, {"steps", Dims{1, 1}}, {"dims", Dims{1, 3}}});
  EXPECT_THAT(run(g.Add(Op::broadcast, {row}, {{"dims", Dims{2, 3}}})),
              ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(run(g.Add(Op::reshape, {x}, {{"dims", Dims{3, 2}}})), ElementsAre(0, 1, 2, 3, 4, 5));
}

// A permutation of three dims that is not its own inverse: y[i, j, k] = x[k, i, j].
TEST(Interpret, TransposeOfThreeDims) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {2, 3, 4}});
  RefTensor in = Floats({2, 3, 4}, Iota(24));
  Value y = g.Add(Op::transpose, {x}, {{"permutation", std::vector<int64_t>{1, 2, 0}}}).value();
  EXPECT_EQ(ToString(g.type(y).dims), "[3, 4, 2]");
  const absl::StatusOr<RefTensor> result = Evaluated(g, y, {{x, &in}});
  ASSERT_TRUE(result.ok()) << result.status();
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) {
      for (int k = 0; k < 2; ++k) {
        EXPECT_EQ(result->value[(i * 4 + j) * 2 + k], (k * 3 + i) * 4 + j) << i << j << k;
      }
    }
  }
  // Where element x[1, 2, 3] goes.
  EXPECT_EQ(*ForwardMap(g, y.node, Dims{1, 2, 3}), (Dims{2, 3, 1}));
}

TEST(Interpret, IndexUsesSizesAndCoordinates) {
  Graph g;
  DimExpr s = DimExpr::Symbol("s");
  Value y = g.AddIndex(kI64, {s, 2}, DimExpr::Coord(0, s) * s + DimExpr::Coord(1, 2));
  EXPECT_THAT(Evaluated(g, y, {}, {{"s", 3}})->exact, ElementsAre(0, 1, 3, 4, 6, 7));
}

TEST(Interpret, GatherChecksItsIndices) {
  Graph g;
  g.source_names = {"/embed"};
  Graph::OriginScope scope(&g, {0});
  std::vector<uint8_t> bytes(6 * sizeof(float));
  for (int i = 0; i < 6; ++i) reinterpret_cast<float*>(bytes.data())[i] = static_cast<float>(i);
  Value table = g.AddConstant(MakeLiteral(kF32, {3, 2}, bytes));
  Value ids = g.AddInput("ids", {kI64, {2}});
  Value y = *g.Add(Op::gather, {table, ids},
                   {{"dims", Dims{2, 2}},
                    {"map", Dims{DimExpr::Value(0), DimExpr::Coord(1, 2)}},
                    {"index_map", Dims{DimExpr::Coord(0, 2)}}});
  RefTensor good = Ints({2}, {2, 0}), bad = Ints({2}, {1, 3});
  EXPECT_THAT(Evaluated(g, y, {{ids, &good}})->value, ElementsAre(4, 5, 0, 1));
  auto result = Evaluated(g, y, {{ids, &bad}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("/embed"));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("index 3"));
}

TEST(Interpret, SimpleReductions) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {2, 3}});
  RefTensor in = Floats({2, 3}, {1, -2, 3, 4, 5, -6});
  auto run = [&](ReducerRef reducer, std::vector<int64_t> axes) {
    return Evaluated(g, *g.Add(Op::reduce, {x}, {{"axes", axes}, {"reducer", reducer}}), {{x, &in}})
        ->value;
  };
  EXPECT_THAT(run(SumReducer(kF32), {1}), ElementsAre(2, 3));
  EXPECT_THAT(run(SumReducer(kF32), {0}), ElementsAre(5, 3, -3));
  EXPECT_THAT(run(SumReducer(kF32), {0, 1}), ElementsAre(5));
  EXPECT_THAT(run(MaxReducer(kF32), {1}), ElementsAre(3, 5));
  EXPECT_THAT(run(MinReducer(kF32), {1}), ElementsAre(-2, -6));
  EXPECT_THAT(run(ProductReducer(kF32), {1}), ElementsAre(-6, -120));
}

TEST(Interpret, EmptyReductionsGiveTheIdentity) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {2, 0}});
  RefTensor in = Floats({2, 0}, {});
  auto run = [&](ReducerRef reducer) {
    return Evaluated(
               g,
               *g.Add(Op::reduce, {x}, {{"axes", std::vector<int64_t>{1}}, {"reducer", reducer}}),
               {{x, &in}})
        ->value;
  };
  EXPECT_THAT(run(SumReducer(kF32)), ElementsAre(0, 0));
  EXPECT_THAT(run(MaxReducer(kF32)), ElementsAre(-HUGE_VAL, -HUGE_VAL));
}

// (value, index) with the larger value, the earlier index on ties.
ReducerRef ArgMax() {
  auto r = std::make_shared<Reducer>();
  r->name = "argmax";
  r->state = {kF32, kI64};
  r->initial = {-HUGE_VAL, 1e18};
  for (Graph* part : {&r->map, &r->finish}) {
    Value v = part->AddInput("v", {kF32, {}}), i = part->AddInput("i", {kI64, {}});
    part->AddOutput("v", v);
    part->AddOutput("i", i);
  }
  Graph& c = r->combine;
  Value v0 = c.AddInput("v0", {kF32, {}}), i0 = c.AddInput("i0", {kI64, {}});
  Value v1 = c.AddInput("v1", {kF32, {}}), i1 = c.AddInput("i1", {kI64, {}});
  Value earlier = *c.Add(Op::select, {*c.Add(Op::less, {i0, i1}), i0, i1});
  Value of_larger = *c.Add(Op::select, {*c.Add(Op::less, {v0, v1}), i1, i0});
  c.AddOutput("v", *c.Add(Op::maximum, {v0, v1}));
  c.AddOutput("i", *c.Add(Op::select, {*c.Add(Op::equal, {v0, v1}), earlier, of_larger}));
  return r;
}

TEST(Interpret, TupleReductions) {
  Graph g;
  constexpr int64_t kLength = 5000;  // two chunks
  Value x = g.AddInput("x", {kF32, {2, kLength}});
  Value i = g.AddIndex(kI64, {2, kLength}, DimExpr::Coord(1, kLength));
  std::vector<Value> operands = {x, i};
  NodeId r =
      *g.AddNode(Op::reduce, operands, {{"axes", std::vector<int64_t>{1}}, {"reducer", ArgMax()}});
  RefTensor in = Floats({2, kLength}, Random(2 * kLength, 3));
  in.value[4321] = 7;
  in.value[kLength + 70] = in.value[kLength + 4999] = in.value[kLength + 134] = 8;
  auto results = Interpret(g, {}, {{x, &in}}, std::vector<Value>{{r, 0}, {r, 1}});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_THAT((*results)[0].value, ElementsAre(7, 8));
  EXPECT_THAT((*results)[1].exact, ElementsAre(4321, 70));
  // Near ties are reported as uncertain.
  in.error.assign(in.value.size(), 2);  // 7 - 2 > 1 + 2
  results = Interpret(g, {}, {{x, &in}}, std::vector<Value>{{r, 1}});
  EXPECT_EQ((*results)[0].error[0], 0);
  in.error.assign(in.value.size(), 4);
  results = Interpret(g, {}, {{x, &in}}, std::vector<Value>{{r, 1}});
  EXPECT_GT((*results)[0].error[0], 0);
}

TEST(Interpret, CumsumInAllDirections) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {3, 2}});
  RefTensor in = Floats({3, 2}, {1, 2, 3, 4, 5, 6});
  auto run = [&](int64_t axis, int64_t exclusive, int64_t reverse) {
    auto y =
        g.Add(Op::cumsum, {x}, {{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}});
    return Evaluated(g, *y, {{x, &in}})->value;
  };
  EXPECT_THAT(run(1, 0, 0), ElementsAre(1, 3, 3, 7, 5, 11));
  EXPECT_THAT(run(0, 0, 0), ElementsAre(1, 2, 4, 6, 9, 12));
  EXPECT_THAT(run(0, 1, 0), ElementsAre(0, 0, 1, 2, 4, 6));
  EXPECT_THAT(run(0, 0, 1), ElementsAre(9, 12, 8, 10, 5, 6));
  EXPECT_THAT(run(0, 1, 1), ElementsAre(8, 10, 5, 6, 0, 0));
}

TEST(Interpret, DotMatchesThePlainLoops) {
  for (auto [batch, m, k, n] : {std::array<int64_t, 4>{2, 5, 300, 19},
                                {1, 70, 3, 300},
                                {1, 1, 0, 4},
                                {3, 4, 8, 8},
                                {1, 9, 1000, 1}}) {
    Graph g;
    Value a = g.AddInput("a", {kF32, {batch, m, k}}), b = g.AddInput("b", {kF32, {batch, k, n}});
    Value y = *g.Add(Op::dot, {a, b});
    RefTensor ta = Floats({batch, m, k}, Random(batch * m * k, 1)),
              tb = Floats({batch, k, n}, Random(batch * k * n, 2));
    ta.error.assign(ta.value.size(), 1e-5);
    tb.error.assign(tb.value.size(), 1e-6);
    InterpretOptions threaded;
    threaded.threads = 3;
    auto result = Interpret(g, {}, {{a, &ta}, {b, &tb}}, std::span(&y, 1), threaded);
    ASSERT_TRUE(result.ok()) << result.status();
    for (int64_t i = 0; i < batch * m * n; ++i) {
      double total = 0, error = 0, magnitude = 0;
      for (int64_t p = 0; p < k; ++p) {
        double va = ta.value[i / n * k + p], vb = tb.value[(i / n / m * k + p) * n + i % n];
        total += va * vb;
        magnitude += std::fabs(va * vb);
        error += std::fabs(va) * 1e-6 + 1e-5 * std::fabs(vb) + 1e-11;
      }
      ASSERT_NEAR((*result)[0].value[i], total, 1e-11) << i;
      ASSERT_GE((*result)[0].error[i], error) << i;
      ASSERT_LE((*result)[0].error[i], error + 520 * 0x1p-24 * magnitude + 1e-4 * error) << i;
    }
  }
}

TEST(Interpret, DotOfIntegersIsExact) {
  Graph g;
  Value a = g.AddInput("a", {kI64, {1, 2}}), b = g.AddInput("b", {kI64, {2, 1}});
  int64_t big = (int64_t{1} << 61) + 1;
  RefTensor ta = Ints({1, 2}, {big, 3}), tb = Ints({2, 1}, {1, 5});
  EXPECT_THAT(Evaluated(g, *g.Add(Op::dot, {a, b}), {{a, &ta}, {b, &tb}})->exact,
              ElementsAre(big + 15));
}

// What code does in f32, in two very different orders, stays within the bounds of the reference.
TEST(Interpret, BoundsCoverF32Arithmetic) {
  constexpr int64_t kLength = 1024;
  Graph g;
  Value x = g.AddInput("x", {kF32, {1, kLength}}), w = g.AddInput("w", {kF32, {kLength, 1}});
  Value sum = *g.Add(Op::reduce, {x},
                     {{"axes", std::vector<int64_t>{1}},
                      {"order", std::string("inner")},
                      {"reducer", SumReducer(kF32)}});
  Value dot = *g.Add(Op::dot, {x, w});
  for (uint64_t seed = 1; seed < 20; ++seed) {
    RefTensor tx = Floats({1, kLength}, Random(kLength, seed)),
              tw = Floats({kLength, 1}, Random(kLength, 99 + seed));
    std::vector<float> slots(64, 0);
    float halves[2] = {0, 0};
    for (int64_t i = 0; i < kLength; ++i) {
      slots[i % 64] += static_cast<float>(tx.value[i]);
      float& half = halves[i / 512];
      half = std::fma(static_cast<float>(tx.value[i]), static_cast<float>(tw.value[i]), half);
    }
    for (int half = 32; half >= 1; half /= 2) {
      for (int j = 0; j < half; ++j) slots[j] += slots[j + half];
    }
    auto results = Interpret(g, {}, {{x, &tx}, {w, &tw}}, std::vector<Value>{sum, dot});
    ASSERT_TRUE(results.ok());
    const RefTensor &s = (*results)[0], &d = (*results)[1];
    EXPECT_LE(std::fabs(slots[0] - s.value[0]), s.error[0]);
    EXPECT_LE(std::fabs(halves[0] + halves[1] - d.value[0]), d.error[0]);
    EXPECT_LT(s.error[0], 1e-3);
    EXPECT_LT(d.error[0], 2e-2);
  }
}

TEST(Interpret, SoftmaxOfFullRowIsCertain) {
  Graph g;
  Dims dims = {2, 4};
  Value x = g.AddInput("x", {kF32, dims});
  auto over_row = [&](Value v, ReducerRef r) {
    return *g.Add(Op::broadcast,
                  {*g.Add(Op::reduce, {v}, {{"axes", std::vector<int64_t>{1}}, {"reducer", r}})},
                  {{"dims", dims}});
  };
  Value e = *g.Add(Op::exp, {*g.Add(Op::sub, {x, over_row(x, MaxReducer(kF32))})});
  Value y = *g.Add(Op::div, {e, over_row(e, SumReducer(kF32))});
  RefTensor in = Floats({2, 4}, {1, 2, 3, 4, 0, 0, -HUGE_VAL, -HUGE_VAL});
  auto result = Evaluated(g, y, {{x, &in}});
  ASSERT_TRUE(result.ok());
  EXPECT_NEAR(result->value[3], 0.6439142598879724, 1e-12);
  EXPECT_EQ(result->value[4], 0.5);
  EXPECT_EQ(result->value[6], 0);
  for (double error : result->error) EXPECT_LT(error, 1e-6);
}

TEST(Interpret, OnlyWhatIsWantedRuns) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {2}}), unused = g.AddInput("unused", {kF32, {2}});
  Value middle = *g.Add(Op::exp, {x});
  Value y = *g.Add(Op::neg, {middle});
  g.AddOutput("other", *g.Add(Op::tanh, {unused}));
  RefTensor given = Floats({2}, {5, 6});
  EXPECT_THAT(Evaluated(g, y, {{middle, &given}})->value, ElementsAre(-5, -6));
  auto missing = Evaluated(g, y, {});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("input"));
  RefTensor wrong = Floats({3}, {5, 6, 7});
  EXPECT_FALSE(Evaluated(g, y, {{middle, &wrong}}).ok());
  // A wanted value that is given, or a constant, is just returned.
  EXPECT_THAT(Evaluated(g, middle, {{middle, &given}})->value, ElementsAre(5, 6));
  EXPECT_THAT(Evaluated(g, g.AddScalar(kF32, 3), {})->value, ElementsAre(3));
}

TEST(Interpret, GuardsAreChecked) {
  Graph g;
  DimExpr a = DimExpr::Symbol("a"), b = DimExpr::Symbol("b");
  Value x = g.AddInput("x", {kF32, {a}}), y = g.AddInput("y", {kF32, {b}});
  Value sum = *g.Add(Op::add, {x, y});
  RefTensor two = Floats({2}, {1, 2}), three = Floats({3}, {1, 2, 3});
  EXPECT_THAT(Evaluated(g, sum, {{x, &two}, {y, &two}}, {{"a", 2}, {"b", 2}})->value,
              ElementsAre(2, 4));
  auto broken = Evaluated(g, sum, {{x, &two}, {y, &three}}, {{"a", 2}, {"b", 3}});
  EXPECT_EQ(broken.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Interpret, KnownValuesAgreeWithRunning) {
  Graph g;
  DimExpr s = DimExpr::Symbol("s"), n = DimExpr::Symbol("n");
  Value i = g.AddIndex(kI64, {s, n}, DimExpr::Coord(0, s) * n + DimExpr::Coord(1, n));
  std::vector<Value> values = {i};
  auto add = [&](absl::StatusOr<Value> v) {
    ASSERT_TRUE(v.ok()) << v.status();
    values.push_back(*v);
  };
  Value three = g.AddIndex(kI64, {s, n}, 3);
  for (Op op : {Op::add, Op::sub, Op::mul, Op::div, Op::rem, Op::mod, Op::minimum, Op::maximum,
                Op::less, Op::less_equal, Op::equal, Op::not_equal}) {
    add(g.Add(op, {i, three}));
    add(g.Add(op, {*g.Add(Op::sub, {three, i}), three}));
  }
  Value even = *g.Add(
      Op::equal, {*g.Add(Op::mod, {i, g.AddIndex(kI64, {s, n}, 2)}), g.AddIndex(kI64, {s, n}, 0)});
  Value small = *g.Add(Op::less, {i, three});
  for (Op op : {Op::bit_and, Op::bit_or, Op::bit_xor}) add(g.Add(op, {even, small}));
  for (Op op : {Op::neg, Op::abs, Op::sign, Op::bit_not})
    add(g.Add(op, {*g.Add(Op::sub, {i, three})}));
  add(g.Add(Op::select, {even, i, three}));
  add(g.Add(Op::transpose, {i}, {{"permutation", std::vector<int64_t>{1, 0}}}));
  add(g.Add(Op::reshape, {i}, {{"dims", Dims{n, s}}}));
  add(g.Add(Op::reshape, {i}, {{"dims", Dims{s * n}}}));
  add(g.Add(Op::concat, {i, three}, {{"axis", int64_t{1}}}));
  add(g.Add(Op::pad, {i, g.AddScalar(kI64, 7)}, {{"low", Dims{1, 2}}, {"high", Dims{0, 1}}}));
  add(g.Add(Op::slice, {i},
            {{"starts", Dims{s - 1, 0}}, {"steps", Dims{-1, 1}}, {"dims", Dims{s, n}}}));
  for (int64_t exclusive : {0, 1}) {
    for (int64_t reverse : {0, 1}) {
      for (int64_t axis : {0, 1})
        add(g.Add(Op::cumsum, {i},
                  {{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}}));
    }
  }
  SymbolValues symbols = {{"s", 4}, {"n", 3}};
  int known = 0;
  for (Value v : values) {
    auto result = Evaluated(g, v, {}, symbols);
    ASSERT_TRUE(result.ok()) << result.status();
    if (!g.Known(v)) continue;
    ++known;
    std::vector<int64_t> coords(result->dims.size(), 0);
    for (int64_t e = 0; e < result->count(); ++e) {
      int64_t rest = e;
      for (size_t d = coords.size(); d-- > 0; rest /= result->dims[d])
        coords[d] = rest % result->dims[d];
      ASSERT_EQ(*Evaluate(*g.Known(v), symbols, coords), result->exact[e])
          << g.Known(v)->ToString() << " of %" << v.node.index << "\n"
          << g.ToString();
    }
  }
  EXPECT_GE(known, static_cast<int>(values.size()) - 4);
}

TEST(Raw, RoundTripsEveryType) {
  for (ElementType t : {kBool, ElementType::kI8, ElementType::kU16, kI64, ElementType::kF16,
                        ElementType::kBF16, kF32}) {
    std::vector<uint8_t> bytes(64, 0), back(64, 0);
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = t == kBool ? i % 2 : static_cast<uint8_t>(i * 7 % 60);
    RefTensor tensor = FromRaw(t, {5}, bytes.data());
    ToRaw(tensor, back.data());
    EXPECT_TRUE(std::equal(back.begin(), back.begin() + BytesFor(t, 5), bytes.begin())) << Name(t);
  }
}

}  // namespace
}  // namespace skein
