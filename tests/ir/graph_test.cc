#include "ir/graph.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ir/op.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

constexpr ElementType kF32 = ElementType::kF32, kI64 = ElementType::kI64,
                      kBool = ElementType::kBool;

const DimExpr kBatch = DimExpr::Symbol("batch"), kSeq = DimExpr::Symbol("seq");

Value Ints(Graph* g, std::vector<int64_t> values) {
  return g->AddConstant(IntsLiteral(kI64, values));
}

// What exporters write for x.shape: here the importer's result, an index node.
Value ShapeOf(Graph* g, Value x) {
  Dims dims = g->type(x).dims;
  DimExpr e = dims.back(), at = DimExpr::Coord(0, g->type(x).rank());
  for (size_t i = dims.size() - 1; i-- > 0;)
    e = Select(Less(at, static_cast<int>(i) + 1), dims[i], e);
  return g->AddIndex(kI64, {g->type(x).rank()}, e);
}

Value GatherScalar(Graph* g, Value list, int64_t at) {
  Value index = g->AddScalar(kI64, static_cast<double>(at));
  const Dims none;
  auto y = g->Add(Op::gather, {list, index}, {{"dims", none}, {"map", Dims{DimExpr::Value(0)}}, {"index_map", none}});
  EXPECT_TRUE(y.ok()) << y.status();
  return *y;
}

TEST(Graph, EqualNodesAreOne) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {kBatch, 4}});
  Value a = *g.Add(Op::exp, {x}), b = *g.Add(Op::exp, {x});
  EXPECT_EQ(a, b);
  EXPECT_EQ(g.AddScalar(kF32, 2), g.AddScalar(kF32, 2));
  EXPECT_NE(g.AddScalar(kF32, 2), g.AddScalar(ElementType::kF64, 2));
  Value r1 =
      *g.Add(Op::reduce, {x}, {{"axes", std::vector<int64_t>{1}}, {"reducer", SumReducer(kF32)}});
  Value r2 =
      *g.Add(Op::reduce, {x}, {{"axes", std::vector<int64_t>{1}}, {"reducer", SumReducer(kF32)}});
  Value r3 =
      *g.Add(Op::reduce, {x}, {{"axes", std::vector<int64_t>{1}}, {"reducer", MaxReducer(kF32)}});
  EXPECT_EQ(r1, r2);
  EXPECT_NE(r1, r3);
  EXPECT_NE(g.AddInput("y", {kF32, {4}}), g.AddInput("y", {kF32, {4}}));
}

TEST(Graph, ShapeGatherConcatReshapeChainIsKnown) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {kBatch, kSeq, 768}});
  Value shape = ShapeOf(&g, x);
  std::vector<Value> parts;
  for (int i : {0, 1}) {
    parts.push_back(*g.Add(Op::reshape, {GatherScalar(&g, shape, i)}, {{"dims", Dims{1}}}));
  }
  parts.push_back(Ints(&g, {12, 64}));
  Value list = *g.Add(Op::concat, parts, {{"axis", int64_t{0}}});
  ASSERT_TRUE(g.KnownList(list).has_value());
  EXPECT_EQ(*g.KnownList(list), (Dims{kBatch, kSeq, 12, 64}));
  EXPECT_TRUE(g.guards().empty());
  // Where(list == -1, ones, list), as Expand is exported.
  Value minus_one = *g.Add(Op::broadcast, {Ints(&g, {-1})}, {{"dims", Dims{4}}});
  Value one = *g.Add(Op::broadcast, {Ints(&g, {1})}, {{"dims", Dims{4}}});
  Value chosen = *g.Add(Op::select, {*g.Add(Op::equal, {list, minus_one}), one, list});
  EXPECT_EQ(*g.KnownList(chosen), (Dims{kBatch, kSeq, 12, 64}));
  // The product of the list, as Size does.
  Value size = *g.Add(Op::reduce, {list},
                      {{"axes", std::vector<int64_t>{0}}, {"reducer", ProductReducer(kI64)}});
  EXPECT_EQ(*g.KnownList(size), (Dims{kBatch * kSeq * DimExpr(768)}));
}

TEST(Graph, CausalMaskIsKnown) {
  Graph g;
  Value row = g.AddIndex(kI64, {kSeq}, DimExpr::Coord(0, kSeq));
  Value query = *g.Add(Op::reshape, {row}, {{"dims", Dims{kSeq, 1}}});
  Value key = *g.Add(Op::reshape, {row}, {{"dims", Dims{1, kSeq}}});
  Dims square = {kSeq, kSeq};
  Value mask = *g.Add(Op::less_equal, {*g.Add(Op::broadcast, {key}, {{"dims", square}}),
                                       *g.Add(Op::broadcast, {query}, {{"dims", square}})});
  DimExpr i = DimExpr::Coord(0, kSeq), j = DimExpr::Coord(1, kSeq);
  EXPECT_EQ(*g.Known(mask), Not(Less(i, j)));
  Value ones = *g.Add(Op::cast, {mask}, {{"to", kI64}});
  EXPECT_EQ(*g.Known(ones), Not(Less(i, j)));
  Value flipped = *g.Add(Op::logical_not, {mask});
  EXPECT_EQ(*g.Known(flipped), Less(i, j));
}

TEST(Graph, CumsumOfOnesCountsUp) {
  Graph g;
  Value ones = g.AddIndex(kI64, {kBatch, kSeq}, 1);
  Value sum = *g.Add(Op::cumsum, {ones}, {{"axis", int64_t{1}}});
  EXPECT_EQ(*g.Known(sum), DimExpr::Coord(1, kSeq) + 1);
  Value before = *g.Add(Op::cumsum, {ones}, {{"axis", int64_t{1}}, {"exclusive", int64_t{1}}});
  EXPECT_EQ(*g.Known(before), DimExpr::Coord(1, kSeq));
}

TEST(Graph, ConstantsAreKnownWhereTheyAreRegular) {
  Graph g;
  EXPECT_EQ(*g.Known(Ints(&g, {5, 5, 5})), DimExpr(5));
  EXPECT_EQ(*g.Known(Ints(&g, {3, 5, 7})), DimExpr(2) * DimExpr::Coord(0, 3) + 3);
  Value irregular = Ints(&g, {4, 1, 9, 2});
  ASSERT_TRUE(g.Known(irregular).has_value());
  for (int i = 0; i < 4; ++i) {
    DimExpr at = i;
    EXPECT_EQ(SubstituteCoords(*g.Known(irregular), std::span(&at, 1)),
              DimExpr(std::vector{4, 1, 9, 2}[i]));
  }
  std::vector<int64_t> squares;
  for (int64_t i = 0; i < 100; ++i) squares.push_back(i * i);
  Value many = Ints(&g, squares);
  EXPECT_FALSE(g.Known(many).has_value());
  EXPECT_EQ((*g.KnownList(many))[99], DimExpr(99 * 99));
  std::vector<uint8_t> triangle;
  for (int i = 0; i < 32 * 32; ++i) triangle.push_back(i % 32 <= i / 32);
  Value stored = g.AddConstant(MakeLiteral(kBool, {1, 1, 32, 32}, triangle));
  EXPECT_EQ(*g.Known(stored), Not(Less(DimExpr::Coord(2, 32), DimExpr::Coord(3, 32))));
}

TEST(Graph, NarrowIntegersThatMayWrapAreNotKnown) {
  Graph g;
  Value row = g.AddIndex(kI64, {kSeq}, DimExpr::Coord(0, kSeq));
  EXPECT_TRUE(g.Known(*g.Add(Op::cast, {row}, {{"to", ElementType::kI32}})).has_value());
  EXPECT_FALSE(g.Known(*g.Add(Op::cast, {row}, {{"to", ElementType::kI8}})).has_value());
  Value small = g.AddIndex(kI64, {100}, DimExpr::Coord(0, 100));
  EXPECT_TRUE(g.Known(*g.Add(Op::cast, {small}, {{"to", ElementType::kI8}})).has_value());
  EXPECT_FALSE(
      g.Known(*g.Add(Op::cast, {Ints(&g, {300})}, {{"to", ElementType::kU8}})).has_value());
}

TEST(Graph, SplatValueLooksThroughViews) {
  Graph g;
  Value half = g.AddScalar(kF32, 0.5);
  Value row = *g.Add(Op::reshape, {half}, {{"dims", Dims{1, 1}}});
  Value full = *g.Add(Op::broadcast, {row}, {{"dims", Dims{kBatch, 8}}});
  EXPECT_EQ(g.SplatValue(full), 0.5);
  EXPECT_EQ(g.SplatValue(g.AddInput("x", {kF32, {}})), std::nullopt);
  // A literal that is large is not looked at: here, nothing could be.
  const auto large = std::make_shared<Literal>(Literal{kF32, {1024, 1024}, nullptr, nullptr});
  EXPECT_EQ(g.SplatValue(g.AddConstant(large)), std::nullopt);
}

TEST(Graph, SymbolsThatMeetAreAssumedEqual) {
  Graph g;
  DimExpr other = DimExpr::Symbol("other");
  Value x = g.AddInput("x", {kF32, {kBatch, 8}}), y = g.AddInput("y", {kF32, {other, 8}});
  auto sum = g.Add(Op::add, {x, y});
  ASSERT_TRUE(sum.ok()) << sum.status();
  ASSERT_EQ(g.guards().size(), 1u);
  EXPECT_EQ(g.guards()[0].condition, Equal(kBatch, other));
  EXPECT_EQ(g.Assumed(kBatch), g.Assumed(other));
  for (Value v : g.node(sum->node).operands) EXPECT_EQ(g.type(v).dims, g.type(*sum).dims);
  EXPECT_TRUE(Verify(g).ok()) << Verify(g);
  // A second meeting adds nothing.
  ASSERT_TRUE(g.Add(Op::mul, {x, y}).ok());
  EXPECT_EQ(g.guards().size(), 1u);
  // Size arithmetic that comes later speaks one name.
  EXPECT_TRUE(g.AssumeEqual(kBatch * DimExpr(2), other * DimExpr(2), "").ok());
  EXPECT_EQ(g.guards().size(), 1u);
}

TEST(Graph, AssumptionsPreferConstants) {
  Graph g;
  EXPECT_EQ(*g.AssumeEqual(kBatch, 4, "x"), DimExpr(4));
  EXPECT_EQ(g.Assumed(kBatch * kSeq), DimExpr(4) * kSeq);
  EXPECT_FALSE(g.AssumeEqual(kBatch, 5, "x").ok());
  EXPECT_FALSE(g.AssumeEqual(kSeq + 3, 2, "a size is not negative").ok());
  DimExpr past = DimExpr::Symbol("past"), total = DimExpr::Symbol("total");
  ASSERT_TRUE(g.AssumeEqual(past + 1, total, "cache").ok());
  EXPECT_EQ(g.Assumed(total), past + 1);
  DimExpr all = DimExpr::Symbol("all");
  ASSERT_TRUE(g.AssumeEqual(all, past + kSeq, "cache").ok());
  EXPECT_EQ(g.Assumed(all), past + kSeq);  // not seq = all - past, which might be negative
}

TEST(Graph, KnownIndicesOfAGatherAreGuarded) {
  Graph g;
  Value table = g.AddInput("table", {kF32, {512, 8}});
  Value positions = g.AddIndex(kI64, {kSeq}, DimExpr::Coord(0, kSeq));
  Attributes attributes = {{"dims", Dims{kSeq, 8}},
                           {"map", Dims{DimExpr::Value(0), DimExpr::Coord(1, 8)}},
                           {"index_map", Dims{DimExpr::Coord(0, kSeq)}}};
  Value y = *g.Add(Op::gather, {table, positions}, attributes);
  ASSERT_EQ(g.guards().size(), 1u);
  EXPECT_EQ(*Evaluate(g.guards()[0].condition, {{"seq", 512}}), 1);
  EXPECT_EQ(*Evaluate(g.guards()[0].condition, {{"seq", 513}}), 0);
  auto pieces = MovementPieces(g, y.node);
  ASSERT_TRUE(pieces.has_value());
  EXPECT_EQ(pieces->at(0).map, (Dims{DimExpr::Coord(0, kSeq), DimExpr::Coord(1, 8)}));
  // Out of range for sure: left to fail as it runs.
  Value far = g.AddIndex(kI64, {kSeq}, 600);
  Value z = *g.Add(Op::gather, {table, far}, attributes);
  EXPECT_FALSE(MovementPieces(g, z.node).has_value());
  EXPECT_EQ(g.guards().size(), 1u);
}

TEST(Graph, RejectionsNameOpAndTypes) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {2, 3}}), y = g.AddInput("y", {kF32, {2, 4}}),
        i = g.AddInput("i", {kI64, {2, 3}});
  auto message = [](const auto& result) { return std::string(result.status().message()); };
  auto shapes = g.Add(Op::add, {x, y});
  EXPECT_EQ(shapes.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(message(shapes), HasSubstr("add(f32[2, 3], f32[2, 4])"));
  EXPECT_THAT(message(shapes), HasSubstr("3 and 4 differ"));
  EXPECT_THAT(message(g.Add(Op::add, {x, i})),
              HasSubstr("add(f32[2, 3], i64[2, 3]): operands differ in element type"));
  EXPECT_THAT(message(g.Add(Op::exp, {i})), HasSubstr("exp(i64[2, 3]): needs floats, not i64"));
  EXPECT_THAT(message(g.Add(Op::select, {x, x, x})),
              HasSubstr("the condition is f32[2, 3], not bool"));
  EXPECT_THAT(message(g.Add(Op::reshape, {x}, {{"dims", Dims{7}}})), HasSubstr("6 elements to 7"));
  EXPECT_THAT(message(g.Add(Op::dot, {x, x})), HasSubstr("3 and 2 differ"));
  EXPECT_THAT(message(g.Add(Op::add, {x})), HasSubstr("add does not take 1 operands"));
  EXPECT_THAT(message(g.Add(Op::add, {x, Value{NodeId(77), 0}})),
              HasSubstr("no value of this graph"));
  EXPECT_THAT(message(g.Add(Op::concat, {x, x}, {{"axis", int64_t{2}}})), HasSubstr("axis 2"));
  EXPECT_FALSE(
      g.Add(Op::slice, {x}, {{"starts", Dims{0, 2}}, {"steps", Dims{1, 1}}, {"dims", Dims{2, 2}}})
          .ok());
}

TEST(Graph, ExpressionsMayMentionOnlyWhatIsThere) {
  for (const char* text :
       {"%0 = index() {expr = [$1]} : i64[n]", "%0 = index() {expr = [%0]} : i64[n]",
        "%0 = input() {name = \"x\"} : i64[n]\n%1 = pad(%0, %0) {low = [$0], high = [0]} : i64[n]",
        "%0 = input() {name = \"x\"} : i64[n]\n%1 = gather(%0, %0) {map = [%1], index_map = [$0]} "
        ": i64[n]",
        "%0 = input() {name = \"x\"} : i64[n]\n%1 = gather(%0, %0) {map = [%0], index_map = [$2]} "
        ": i64[n]"}) {
    EXPECT_THAT(std::string(ParseGraph(text).status().message()), HasSubstr("what is not there"))
        << text;
  }
}

TEST(Graph, ReshapeTouchesOnlyTheGroupsThatChange) {
  Graph g;
  Value x = g.AddInput("x", {kF32, {kBatch, kSeq, 768}});
  Value heads = *g.Add(Op::reshape, {x}, {{"dims", Dims{kBatch, kSeq, 12, 64}}});
  auto map = MovementPieces(g, heads.node)->at(0).map;
  EXPECT_EQ(map[0], DimExpr::Coord(0, kBatch));
  EXPECT_EQ(map[1], DimExpr::Coord(1, kSeq));
  EXPECT_EQ(map[2], DimExpr(64) * DimExpr::Coord(2, 12) + DimExpr::Coord(3, 64));
  Dims coords = CoordsOf(g.type(x).dims);
  Dims forward = *ForwardMap(g, heads.node, coords);
  EXPECT_EQ(forward[0], coords[0]);
  EXPECT_EQ(forward[2], FloorDiv(coords[2], 64));
  EXPECT_EQ(forward[3], Mod(coords[2], 64));
  Value flat = *g.Add(Op::reshape, {x}, {{"dims", Dims{kBatch * kSeq, 1, 768}}});
  auto rows = MovementPieces(g, flat.node)->at(0).map;
  EXPECT_EQ(rows[0], FloorDiv(DimExpr::Coord(0, kBatch * kSeq), kSeq));
  EXPECT_EQ(rows[2], DimExpr::Coord(2, 768));
}

TEST(Graph, OriginsFollowMergedNodes) {
  Graph g;
  g.source_names = {"/a", "/b"};
  Value x = g.AddInput("x", {kF32, {4}}), y;
  {
    Graph::OriginScope scope(&g, {0});
    y = *g.Add(Op::exp, {x});
  }
  {
    Graph::OriginScope scope(&g, {1});
    EXPECT_EQ(*g.Add(Op::exp, {x}), y);
  }
  EXPECT_EQ(g.origins(y.node), (SourceNodes{0, 1}));
}

std::string Everything() {
  Graph g;
  g.source_names = {"/layer/add", "/layer/Softmax"};
  Value x = g.AddInput("x", {kF32, {kBatch, DimExpr::Symbol("past") + 1, 4}});
  Value y = g.AddInput("y", {kF32, {kBatch, DimExpr::Symbol("total"), 4}});
  Graph::OriginScope scope(&g, {0, 1});
  Value sum = *g.Add(Op::add, {x, y});
  Dims dims = g.type(sum).dims;
  Value list = *g.Add(Op::cast, {g.AddIndex(kI64, dims, DimExpr::Coord(1, dims[1]) * DimExpr(3))},
                      {{"to", kF32}});
  Value bias = *g.Add(Op::broadcast,
                      {g.AddConstant(MakeLiteral(kF32, {1, 1, 4}, std::vector<uint8_t>(16, 63)))},
                      {{"dims", dims}});
  Value all = *g.Add(Op::mul, {*g.Add(Op::add, {sum, list}), bias});
  auto argmax = std::make_shared<Reducer>(*MaxReducer(kF32));
  argmax->name = "arg\"max";
  argmax->state.push_back(kI64);
  argmax->initial.push_back(-1);
  Value i = argmax->map.AddInput("i", {kI64, {}});
  argmax->map.AddOutput("i", i);
  Value a = argmax->combine.AddInput("i", {kI64, {}}),
        b = argmax->combine.AddInput("j", {kI64, {}});
  argmax->combine.AddOutput("i", *argmax->combine.Add(Op::maximum, {a, b}));
  argmax->finish.AddOutput("i", argmax->finish.AddInput("i", {kI64, {}}));
  Value row = g.AddIndex(kI64, dims, DimExpr::Coord(2, 4));
  NodeId reduced = *g.AddNode(Op::reduce, std::vector<Value>{all, row},
                              {{"axes", std::vector<int64_t>{2}}, {"reducer", ReducerRef(argmax)}});
  g.AddOutput("best", {reduced, 1});
  g.AddOutput("value", {reduced, 0});
  g.AddOutput("sum", *g.Add(Op::reduce, {all},
                            {{"axes", std::vector<int64_t>{0, 2}},
                             {"order", std::string("outer")},
                             {"reducer", SumReducer(kF32)}}));
  EXPECT_TRUE(Verify(g).ok()) << Verify(g);
  return g.ToString();
}

TEST(GraphText, ReadsBackAsPrinted) {
  std::string once = Everything();
  auto parsed = ParseGraph(once);
  ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << once;
  EXPECT_TRUE(Verify(*parsed).ok()) << Verify(*parsed);
  // Guards come first now, so the text is a fixed point from here on.
  std::string twice = parsed->ToString();
  auto again = ParseGraph(twice);
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << twice;
  EXPECT_EQ(again->ToString(), twice);
  EXPECT_THAT(twice, HasSubstr("# origins: /layer/add, /layer/Softmax"));
  EXPECT_THAT(twice, HasSubstr("reducer = sum<f32>"));
  EXPECT_EQ(parsed->outputs()[0].value.result, 1);
}

TEST(GraphText, LargeLiteralsHavePlaceHolders) {
  auto g = ParseGraph(
      "%0 = constant() {literal = f32[100] random(7)} : f32[100]\n"
      "%1 = constant() {literal = f32[100] splat 1.5} : f32[100]\n"
      "%2 = constant() {literal = i64[100] zeros} : i64[100]\n");
  ASSERT_TRUE(g.ok()) << g.status();
  EXPECT_EQ(g->SplatValue(Value{NodeId(1), 0}), 1.5);
  LiteralRef random = g->Constant(Value{NodeId(0), 0});
  EXPECT_NE(random->AsDouble(0), random->AsDouble(1));
  EXPECT_LT(std::abs(random->AsDouble(99)), 1);
  EXPECT_EQ(*g->Known(Value{NodeId(2), 0}), DimExpr(0));
}

TEST(GraphText, ErrorsNameTheLine) {
  for (const char* text :
       {"%0 = nonsense() : f32[]", "%0 = exp(%1) : f32[]", "%0 = input() : f32[2]",
        "%0 = input() {name = \"x\"} : f32[2\n", "%1 = input() {name = \"x\"} : f32[2]",
        "%0 = constant() {literal = f32[99999999999999]} : f32[2]", "{", "output \"y\" = %0",
        "%0 = input() {name = \"x\"} : i64[2]\n%1 = neg(%0) : f32[2]", "guard",
        "%0 = index() : i64[2]"}) {
    auto g = ParseGraph(text);
    ASSERT_FALSE(g.ok()) << text;
    EXPECT_THAT(std::string(g.status().message()), HasSubstr("line ")) << text;
  }
}

TEST(GraphText, AnyPrefixIsHandled) {
  std::string text = Everything();
  for (size_t n = 0; n < text.size(); n += 3) (void)ParseGraph(text.substr(0, n));
}

TEST(GraphRewriter, CopiesWhatTheOutputsNeed) {
  auto old = ParseGraph(Everything());
  ASSERT_TRUE(old.ok());
  Graph fresh;
  GraphRewriter rewriter(*old, &fresh);
  ASSERT_TRUE(rewriter.CopyOutputs().ok());
  EXPECT_TRUE(Verify(fresh).ok()) << Verify(fresh);
  EXPECT_EQ(fresh.outputs().size(), old->outputs().size());
  EXPECT_EQ(fresh.guards().size(), old->guards().size());
  EXPECT_LE(fresh.size(), old->size());
}

TEST(GraphRewriter, ReplacedValuesReachTheirUsers) {
  Graph old;
  Value x = old.AddInput("x", {kF32, {4}});
  Value e = *old.Add(Op::exp, {x});
  old.AddOutput("y", *old.Add(Op::neg, {e}));
  Graph fresh;
  GraphRewriter rewriter(old, &fresh);
  rewriter.Set(e, *fresh.Add(Op::tanh, {rewriter.Get(x)}));
  ASSERT_TRUE(rewriter.CopyOutputs().ok());
  Value y = fresh.outputs()[0].value;
  EXPECT_EQ(fresh.op(fresh.node(y.node).operands[0]), Op::tanh);
}

TEST(Literal, FourBitElementsArePacked) {
  std::vector<int64_t> values = {-8, 7, 3};
  LiteralRef l = IntsLiteral(ElementType::kI4, values);
  EXPECT_EQ(l->bytes(), 2);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(l->AsInt64(i), values[i]);
  EXPECT_FALSE(l->IsSplat());
  std::vector<int64_t> same = {5, 5, 5};
  EXPECT_TRUE(IntsLiteral(ElementType::kI4, same)->IsSplat());
}

TEST(Reducers, SimpleCombineGoesByStructure) {
  EXPECT_EQ(SimpleCombine(*SumReducer(kF32)), Op::add);
  EXPECT_EQ(SimpleCombine(*MinReducer(kI64)), Op::minimum);
  Reducer other = *SumReducer(kF32);
  Value x = other.map.inputs()[0].value;
  Reducer squares = other;
  squares.map = Graph();
  x = squares.map.AddInput("x", {kF32, {}});
  squares.map.AddOutput("y", *squares.map.Add(Op::mul, {x, x}));
  EXPECT_EQ(SimpleCombine(squares), std::nullopt);
}

}  // namespace
}  // namespace skein
