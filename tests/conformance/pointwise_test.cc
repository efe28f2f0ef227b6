// Every pointwise op of the op table, in every type that its rules admit: the LoopNest that `lower`
// writes, run by the bit-exact interpreter, against `reference` within its bound; special values
// and awkward sizes.
#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "ir/graph_interpreter.h"
#include "ir/kernel_abi.h"
#include "ir/numeric.h"
#include "ir/op_helpers.h"

namespace skein {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kSizes[] = {0, 1, kLanes - 1, kLanes, kLanes + 1, 31};

struct Case {
  Op op;
  std::vector<ElementType> operands;
  Attributes attributes;
};

std::string CaseName(const Case& c) {
  std::string name(Name(c.op));
  for (ElementType t : c.operands) name += "_" + std::string(Name(t));
  if (const ElementType* to = c.attributes.Get<ElementType>("to"))
    name += "_to_" + std::string(Name(*to));
  return name;
}

void PrintTo(const Case& c, std::ostream* out) { *out << CaseName(c); }

constexpr ElementType kTypes[] = {
    ElementType::kBool, ElementType::kI8,  ElementType::kI16, ElementType::kI32, ElementType::kI64,
    ElementType::kU8,   ElementType::kU16, ElementType::kU32, ElementType::kU64, ElementType::kF16,
    ElementType::kBF16, ElementType::kF32, ElementType::kF64};

bool IsStorageOnly(ElementType t) { return t == ElementType::kF16 || t == ElementType::kBF16; }

// All combinations that the type rules take. f16 and bf16 are only moved and converted in kernels.
std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (int i = 0; i < OpCount(); ++i) {
    Op op = static_cast<Op>(i);
    const OpDef& def = Def(op);
    if (def.op_class != OpClass::kPointwise) continue;
    for (ElementType t : kTypes) {
      if (op == Op::cast) {
        for (ElementType to : kTypes) cases.push_back({op, {t}, {{"to", to}}});
        continue;
      }
      if (IsStorageOnly(t) && op != Op::select) continue;
      Case c{op, std::vector<ElementType>(def.min_operands, t), {}};
      if (op == Op::select) c.operands[0] = ElementType::kBool;
      Graph g;
      std::vector<Value> x;
      for (ElementType operand : c.operands) x.push_back(g.AddInput("x", {operand, {1}}));
      if (g.AddNode(op, x).ok()) cases.push_back(std::move(c));
    }
  }
  return cases;
}

// Values that are special somewhere, then random ones of all magnitudes.
std::vector<double> Values(ElementType t) {
  std::mt19937_64 random(7);
  std::vector<double> values;
  if (IsBool(t)) return {0, 1, 1, 0};
  if (!IsFloat(t)) {
    double low = IsSigned(t) ? -std::ldexp(1.0, BitWidth(t) - 1) : 0;
    values = {0, 1, 2, 3, 7, 100, low, low + 1, SaturateTo(t, HUGE_VAL) * 1.0};
    if (IsSigned(t)) values.insert(values.end(), {-1, -2, -3, -7, -100});
    for (int i = 0; i < 10; ++i)
      values.push_back(
          static_cast<double>(SaturateTo(t, std::ldexp(1.0, static_cast<int>(random() % 62)))));
    return values;
  }
  FloatFormat f = FormatOf(t);
  double least = std::ldexp(1.0, f.min_exponent - f.digits + 1),
         normal = std::ldexp(1.0, f.min_exponent);
  double largest = std::ldexp(2 - std::ldexp(1.0, 1 - f.digits), f.max_exponent);
  double nan = std::numeric_limits<double>::quiet_NaN();
  for (double v : {0.0,        least,        normal,  normal - least,
                   1e-3,       0.3,          0.5,     0.7,
                   0.9999,     1.0,          1.5,     2.0,
                   2.5,        3.0,          10.0,    20.5,
                   88.0,       100.0,        127.5,   255.9,
                   65504.0,    65519.0,      65520.0, 1e5,
                   16777215.0, 2147483648.0, 9.3e18,  largest,
                   HUGE_VAL}) {
    values.push_back(v);
    values.push_back(-v);
  }
  values.push_back(nan);
  for (int i = 0; i < 30; ++i) {
    double magnitude = std::ldexp(1 + static_cast<double>(random() % 4096) / 4096,
                                  static_cast<int>(random() % 40) - 20);
    values.push_back(random() % 2 ? magnitude : -magnitude);
  }
  for (double& v : values) v = DoubleFromBits(t, BitsFromDouble(t, v));
  return values;
}

// One vector loop of kLanes over a0 elements: operands, then the result.
LoopNest NestOf(const Case& c, const Node& node) {
  LoopNest nest;
  LoopBuilder b(&nest);
  std::vector<BufferId> in;
  DimExpr n = b.AddArgument();
  for (ElementType t : c.operands) in.push_back(b.AddBuffer(BufferKind::kInput, t, n));
  BufferId out = b.AddBuffer(BufferKind::kOutput, node.results[0].element, n);
  DimExpr i = b.BeginVectorLoop(n, kLanes);
  std::vector<ValueId> x;
  for (BufferId buffer : in) x.push_back(b.Load(buffer, i));
  b.Store(out, i, Def(c.op).lower(b, node, x));
  b.EndLoop();
  return nest;
}

std::vector<char> Raw(ElementType t, int64_t n, const std::function<double(int64_t)>& value) {
  std::vector<char> bytes(static_cast<size_t>(BytesFor(t, n)) + 1);
  for (int64_t i = 0; i < n; ++i) WriteFromDouble(t, bytes.data(), i, value(i));
  return bytes;
}

class Pointwise : public ::testing::TestWithParam<Case> {
 protected:
  // Runs `count` elements, operand k of element i being values[pick(k, i)].
  void Check(int64_t count, const std::function<double(size_t, int64_t)>& pick) {
    const Case& c = GetParam();
    Graph g;
    std::vector<Value> x;
    for (ElementType t : c.operands) x.push_back(g.AddInput("x", {t, {count}}));
    auto y = g.Add(c.op, x, c.attributes);
    ASSERT_TRUE(y.ok()) << y.status();
    ElementType type = g.type(*y).element;
    LoopNest nest = NestOf(c, g.node(y->node));
    ASSERT_TRUE(Verify(nest).ok()) << Verify(nest) << nest.ToString();

    std::vector<std::vector<char>> raw;
    std::vector<RefTensor> tensors;
    for (size_t k = 0; k < x.size(); ++k) {
      raw.push_back(Raw(c.operands[k], count, [&](int64_t i) { return pick(k, i); }));
      tensors.push_back(FromRaw(c.operands[k], {count}, raw.back().data()));
    }
    std::vector<std::pair<Value, const RefTensor*>> given;
    for (size_t k = 0; k < x.size(); ++k) given.push_back({x[k], &tensors[k]});
    auto expected = Interpret(g, {}, given, std::span(&*y, 1));
    ASSERT_TRUE(expected.ok()) << expected.status();

    // What is past the end must stay: the last bytes are checked.
    raw.push_back(std::vector<char>(static_cast<size_t>(BytesFor(type, count)) + 1, 0x5a));
    std::vector<void*> pointers;
    for (auto& buffer : raw) pointers.push_back(buffer.data());
    uint64_t status = 0;
    KernelArgs args{pointers.data(), &count, &status};
    absl::Status ran = InterpretLoopNest(nest, args, 0, 1, nullptr);
    ASSERT_TRUE(ran.ok()) << ran;
    EXPECT_EQ(raw.back().back(), 0x5a);
    RefTensor actual = FromRaw(type, {count}, raw.back().data());
    int failures = 0;
    for (int64_t i = 0; i < count && failures < 5; ++i)
      failures += !Agree(tensors, (*expected)[0], actual, i);
  }

  bool Agree(const std::vector<RefTensor>& x, const RefTensor& expected, const RefTensor& actual,
             int64_t i) {
    std::string inputs;
    for (const RefTensor& t : x)
      absl::StrAppend(&inputs, " ",
                      IsFloat(t.element) ? absl::StrCat(t.value[i]) : absl::StrCat(t.exact[i]));
    double error = expected.error.empty() ? 0 : expected.error[i];
    if (!IsFloat(expected.element)) {
      EXPECT_EQ(error, 0) << inputs;
      EXPECT_EQ(actual.exact[i], expected.exact[i]) << inputs;
      return error == 0 && actual.exact[i] == expected.exact[i];
    }
    double want = expected.value[i], got = actual.value[i];
    if (std::isinf(error)) return true;
    bool agree = std::isnan(want) ? std::isnan(got) : want == got || std::fabs(got - want) <= error;
    EXPECT_TRUE(agree) << inputs << ": got " << got << ", expected " << want << " within " << error;
    // The bound itself is no wider than stated.
    bool plain = GetParam().op != Op::rem && GetParam().op != Op::mod && std::isfinite(want);
    double stated = 2 * (Def(GetParam().op).ulp + 1e-3) * HalfUlp(expected.element, want) *
                    (expected.element == ElementType::kF64 ? 8 : 1);
    bool tight =
        !plain || error <= stated || error >= 2;  // (2: beyond the range of an argument reduction)
    EXPECT_TRUE(tight) << inputs << ": bound " << error << ", stated " << stated;
    return agree && tight;
  }
};

TEST_P(Pointwise, SpecialValues) {
  const std::vector<ElementType>& types = GetParam().operands;
  std::vector<double> last = Values(types.back());
  int64_t n = static_cast<int64_t>(last.size());
  if (types.size() == 1) {
    Check(n, [&](size_t, int64_t i) { return last[i]; });
  } else if (types.size() == 2) {
    Check(n * n, [&](size_t k, int64_t i) { return last[k == 0 ? i / n : i % n]; });
  } else {
    Check(2 * n, [&](size_t k, int64_t i) {
      return k == 0 ? static_cast<double>(i % 2) : last[(i / 2 + 3 * k) % n];
    });
  }
}

TEST_P(Pointwise, Sizes) {
  for (int64_t size : kSizes) {
    SCOPED_TRACE(size);
    Check(size, [&](size_t k, int64_t i) {
      std::vector<double> values = Values(GetParam().operands[k]);
      return values[static_cast<size_t>(i * 5 + static_cast<int64_t>(k) * 3 + 1) % values.size()];
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Pointwise, ::testing::ValuesIn(AllCases()),
                         [](const auto& info) { return CaseName(info.param); });

}  // namespace
}  // namespace skein
