// The Xbyak back end against the interpreter, bit for bit, on memory that ends at a page that
// faults.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "codegen/legalize.h"
#include "ir/random_loop_nest.h"
#include "tests/codegen/kernel_harness.h"
#include "tests/codegen/random_nests.h"
#include "tests/codegen/sample_nests.h"

namespace skein {
namespace {

using enum ElementType;

// What this machine runs of what Xbyak generates.
std::vector<Target> Targets() {
  const absl::StatusOr<Target> host = HostTarget();
  if (!HaveXbyak() || !host.ok()) return {};
  if (host->isa == Isa::kAvx2) return {Target{.isa = Isa::kAvx2}};
  return {Target{.isa = Isa::kAvx2}, Target{.isa = Isa::kAvx512}};
}

class X86 : public testing::Test {
 protected:
  void SetUp() override {
    if (Targets().empty()) GTEST_SKIP() << "needs AVX2 and Xbyak";
  }
};

absl::StatusOr<ObjectCode> Generate(const LoopNest& nest, const Target& target = Target{}) {
  const NamedNest named{&nest, "kernel"};
  return GenerateXbyak({&named, 1}, target);
}

// Expects code that does what the interpreter does, for every target. All cases are of one nest.
void ExpectAgrees(const std::vector<KernelCase>& cases, const Target& target);
void ExpectAgrees(const std::vector<KernelCase>& cases) {
  for (const Target& target : Targets()) {
    SCOPED_TRACE(target.isa == Isa::kAvx2 ? "AVX2" : "AVX-512");
    ExpectAgrees(cases, target);
  }
}

void ExpectAgrees(const std::vector<KernelCase>& cases, const Target& target) {
  const LoopNest& nest = *cases[0].nest;
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest) << "\n" << nest.ToString();
  const absl::StatusOr<LoopNest> legal = Legalize(nest, target);
  ASSERT_TRUE(legal.ok()) << legal.status();
  ASSERT_TRUE(Verify(*legal).ok()) << Verify(*legal) << "\n" << legal->ToString();
  const absl::StatusOr<ObjectCode> object = Generate(nest, target);
  ASSERT_TRUE(object.ok()) << object.status();
  const auto loaded = LoadedCode::Load(*object);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  for (size_t i = 0; i < cases.size(); ++i) {
    const absl::StatusOr<KernelOutcome> want = Interpret(cases[i], nest);
    ASSERT_TRUE(want.ok()) << want.status() << "\n" << nest.ToString();
    const absl::StatusOr<KernelOutcome> got = Execute(cases[i], (*loaded)->entry(0));
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(Difference(nest, *want, *got), "") << "case " << i << "\n" << nest.ToString();
  }
}

std::vector<KernelCase> Cases(const LoopNest& nest,
                              const std::vector<std::vector<int64_t>>& sizes) {
  std::vector<KernelCase> cases;
  for (const std::vector<int64_t>& arguments : sizes) {
    cases.push_back(MakeCase(nest, arguments, static_cast<uint32_t>(cases.size() + 1)));
  }
  return cases;
}

TEST_F(X86, PointwiseTailsOfAllSizes) {
  for (bool streaming : {false, true}) {
    const LoopNest nest = PointwiseNest(-1, streaming);
    std::vector<KernelCase> cases;
    for (int64_t n = 0; n <= 130; ++n) cases.push_back(MakeCase(nest, {n}));
    ExpectAgrees(cases);
  }
}

TEST_F(X86, RowsStreamWhereLinesEndInThem) {
  for (int64_t columns : {4, 8, 12, 20, 24, 40, 56, 72}) {
    SCOPED_TRACE(columns);
    const LoopNest nest = StreamedRowsNest(columns);
    ExpectAgrees(Cases(nest, {{7}, {1}, {0}}));
  }
}

TEST_F(X86, PointwiseConstantExtents) {
  for (int64_t n : {0, 1, 16, 63, 64, 65, 96, 128, 200}) {
    const LoopNest nest = PointwiseNest(n, n % 2 == 0);
    ExpectAgrees({MakeCase(nest, {})});
  }
}

// Far more bytes an operation than usual: the room that is made for the code has to grow.
TEST_F(X86, CodeOfLongOperations) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI64, 2);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, 1);
  ValueId value = b.Load(in, 0);
  const ValueId other = b.Load(in, 1);
  for (int i = 0; i < 300; ++i) {
    value = b.Binary(i % 2 == 0 ? Opcode::kIntDiv : Opcode::kIntRem, b.Sub(other, value), value);
  }
  b.Store(out, 0, value);
  ExpectAgrees({MakeCase(nest, {}), MakeCase(nest, {}, 7)});
}

TEST_F(X86, InPlace) {
  const LoopNest nest = InPlaceNest();
  ExpectAgrees(Cases(nest, {{3}, {64}, {100}}));
}

TEST_F(X86, NormalizeRows) {
  const LoopNest nest = NormalizeRowsNest();
  ExpectAgrees(Cases(nest, {{5, 1}, {5, 15}, {5, 64}, {2, 129}}));
}

TEST_F(X86, ColumnReductions) {
  const LoopNest nest = ColumnSumNest();
  ExpectAgrees(Cases(nest, {{9, 1}, {9, 31}, {9, 64}, {9, 129}, {0, 70}}));
  for (int64_t n : {5, 16, 24, 80, 90}) {
    const LoopNest constant = ConstantColumnMaxNest(3, n);
    ExpectAgrees({MakeCase(constant, {})});
  }
}

TEST_F(X86, GemmTiles) {
  for (auto [rows, columns] : {std::pair(6, 64), {14, 32}, {3, 24}}) {
    const LoopNest nest = GemmTileNest(rows, columns);
    ExpectAgrees(Cases(nest, {{33}, {1}, {0}}));
  }
}

TEST_F(X86, GathersReportIndicesOutOfRange) {
  for (ElementType element : {kF32, kF64, kI8, kF16, kBool, kU4}) {
    SCOPED_TRACE(std::string(Name(element)));
    const LoopNest nest = GatherNest(element);
    std::vector<KernelCase> cases;
    for (int64_t outside : {-1, 0, 66}) {
      KernelCase run = MakeCase(nest, {67, 40});
      std::vector<int64_t> index;
      for (int64_t i = 0; i < 67; ++i) index.push_back(i * 7 % 40);
      if (outside >= 0) index[outside] = outside == 0 ? -1 : 40;
      run.buffers[0] = ToBytes(index);
      EXPECT_EQ(Interpret(run, nest)->status, outside >= 0 ? uint64_t{1} << 5 : 0);
      cases.push_back(std::move(run));
    }
    ExpectAgrees(cases);
  }
}

TEST_F(X86, ScattersLetTheLastLaneWin) {
  for (ElementType element : {kF32, kI8, kI64, kBool, kI4}) {
    SCOPED_TRACE(std::string(Name(element)));
    const LoopNest nest = ScatterNest(element);
    KernelCase run = MakeCase(nest, {100, 30});
    std::vector<int64_t> index;
    for (int64_t i = 0; i < 100; ++i) index.push_back(i * i % 31);  // 30 is outside: bit 62
    run.buffers[0] = ToBytes(index);
    ExpectAgrees({run});
  }
}

TEST_F(X86, ConversionsBetweenAllTypes) {
  // Besides random values, ones right beside the middle between two neighbours of a narrow type,
  // where rounding twice goes wrong, and the ends of integer types.
  const std::vector<double> doubles = {1 + 0x1p-11 + 0x1p-40,
                                       1 + 0x1p-11 - 0x1p-40,
                                       65519.999999999,
                                       65520.0,
                                       1 + 0x1p-8 + 0x1p-40,
                                       0x1p-25 + 0x1p-60,
                                       0x1p-24,
                                       -1 - 0x1p-8 - 0x1p-50,
                                       3.5e38,
                                       0x1p-134 + 0x1p-160,
                                       -0.75,
                                       127.5,
                                       -128.5,
                                       255.99,
                                       2147483647.5,
                                       -2147483648.5,
                                       4294967295.5,
                                       0x1p63,
                                       -0x1p63,
                                       0x1p64,
                                       NAN};
  const std::vector<float> floats(doubles.begin(), doubles.end());
  const std::vector<int64_t> integers = {(int64_t{1} << 62) + (int64_t{1} << 54) + 1,
                                         (int64_t{1} << 62) + (int64_t{1} << 54),
                                         -(int64_t{1} << 62) - (int64_t{1} << 54) - 1,
                                         std::numeric_limits<int64_t>::min(),
                                         16842753,
                                         16842752};
  for (int i = 0; i <= static_cast<int>(kF64); ++i) {
    const ElementType from = static_cast<ElementType>(i);
    SCOPED_TRACE(std::string(Name(from)));
    const LoopNest nest = ConvertNest(from);
    std::vector<KernelCase> cases = Cases(nest, {{90}, {16}, {1}});
    auto add = [&](const auto& values) {
      cases.push_back(MakeCase(nest, {static_cast<int64_t>(values.size())}));
      cases.back().buffers[0] = ToBytes(values);
    };
    if (from == kF64) add(doubles);
    if (from == kF32) add(floats);
    if (BitWidth(from) == 64) add(integers);
    ExpectAgrees(cases);
  }
}

// Divisors of 0 and -1, minima to be divided, and shift amounts around the width.
void UseHardIntegers(ElementType element, KernelCase& run) {
  Bytes &x = run.buffers[0], &y = run.buffers[1];
  const size_t width = static_cast<size_t>(BytesFor(element, 1));
  for (size_t i = 0; i + width <= y.size(); i += width) {
    const size_t kind = i / width % 5;
    if (kind == 0) std::fill_n(&y[i], width, 0);
    if (kind == 1) std::fill_n(&y[i], width, 0xff);
    if (kind == 2) {
      std::fill_n(&y[i], width, 0);
      y[i] = static_cast<uint8_t>(i * 3 % 70);
    }
    if (kind == 1 && i / width % 2 == 0) {
      std::fill_n(&x[i], width, 0);
      x[i + width - 1] = BitWidth(element) == 4 ? 0x88 : 0x80;
    }
  }
}

TEST_F(X86, ArithmeticOfAllTypes) {
  for (ElementType element :
       {kBool, kI4, kI8, kI16, kI32, kI64, kU4, kU8, kU16, kU32, kU64, kF32, kF64}) {
    SCOPED_TRACE(std::string(Name(element)));
    const LoopNest nest = ArithmeticNest(element);
    std::vector<KernelCase> cases;
    for (uint32_t seed : {1, 2, 3}) {
      cases.push_back(MakeCase(nest, {123}, seed));
      if (IsInteger(element)) UseHardIntegers(element, cases.back());
    }
    ExpectAgrees(cases);
  }
}

// By shifts, also of negative numbers; the least number is no power of two.
TEST_F(X86, DivisionByPowersOfTwo) {
  for (ElementType element : {kI4, kI8, kI16, kI32, kI64, kU4, kU8, kU16, kU32, kU64}) {
    SCOPED_TRACE(std::string(Name(element)));
    LoopNest nest;
    LoopBuilder b(&nest);
    const DimExpr n = b.AddArgument();
    const BufferId x = b.AddBuffer(BufferKind::kInput, element, n);
    std::vector<std::pair<Opcode, int>> cases;
    for (Opcode op : {Opcode::kIntDiv, Opcode::kIntRem}) {
      for (int power : {0, 1, 2, BitWidth(element) - 2, BitWidth(element) - 1}) cases.push_back({op, power});
    }
    std::vector<BufferId> out;
    for (size_t i = 0; i < cases.size(); ++i) out.push_back(b.AddBuffer(BufferKind::kOutput, element, n));
    const DimExpr j = b.BeginVectorLoop(n, 16);
    const ValueId v = b.Load(x, j);
    for (size_t i = 0; i < cases.size(); ++i) {
      b.Store(out[i], j, b.Binary(cases[i].first, v, b.ConstBits(element, uint64_t{1} << cases[i].second)));
    }
    b.EndLoop();
    std::vector<KernelCase> runs = {MakeCase(nest, {123}, 1), MakeCase(nest, {50}, 2)};
    for (KernelCase& run : runs) UseHardIntegers(element, run);
    ExpectAgrees(runs);
  }
}

TEST_F(X86, MasksTouchNothing) {
  const LoopNest nest = MaskNest();
  ExpectAgrees(Cases(nest, {{1}, {16}, {50}, {64}, {100}}));
}

TEST_F(X86, ShufflesAndReductions) {
  const LoopNest nest = ShuffleNest();
  ExpectAgrees({MakeCase(nest, {})});
}

// Two registers' lanes by every instruction that takes an immediate: within blocks of four lanes, and by the block.
TEST_F(X86, ShufflesThatNeedNoIndices) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, 32), out = b.AddBuffer(BufferKind::kOutput, kF32, 32 * 16);
  const ValueId x = b.Load(in, 0, 16), y = b.Load(in, 16, 16);
  int64_t place = 0;
  const auto shuffle = [&](ValueId a, ValueId c, const std::function<int(int block, int lane)>& from) {
    std::vector<int> lanes;
    for (int i = 0; i < 16; ++i) lanes.push_back(from(i / 4, i % 4));
    b.Store(out, 16 * place++, b.Shuffle(a, c, lanes));
  };
  for (const auto& [a, c] : {std::pair(x, y), std::pair(y, x), std::pair(x, x)}) {
    for (int high : {0, 2}) shuffle(a, c, [&](int block, int i) { return i % 2 * 16 + 4 * block + high + i / 2; });
    for (int step : {1, 3}) {
      shuffle(a, c, [&](int block, int i) { return i / 2 * 16 + 4 * block + (3 + step * i) % 4; });
      shuffle(a, c, [&](int block, int i) { return block / 2 * 16 + (1 + step * block) % 4 * 4 + i; });
    }
    // Almost one of them.
    shuffle(a, c, [&](int block, int i) { return block == 3 && i == 3 ? 0 : i % 2 * 16 + 4 * block + i / 2; });
  }
  ASSERT_LE(place, 32);
  ExpectAgrees(Cases(nest, {{}}));
}

// What one or two instructions of AVX2 do, and what takes more; with lanes that are all zeros, too.
TEST_F(X86, ShufflesOfTwoRegisters) {
  std::vector<std::vector<int>> patterns = {{0, 8, 1, 9, 4, 12, 5, 13}, {10, 2, 11, 3, 14, 6, 15, 7}, {1, 0, 9, 8, 5, 4, 13, 12},
                                            {4, 5, 6, 7, 8, 9, 10, 11}, {12, 13, 14, 15, 0, 1, 2, 3}, {0, 9, 2, 11, 4, 13, 6, 15}};
  for (int k = 1; k < 8; ++k) {
    for (int other : {0, 8}) {
      std::vector<int>& moved = patterns.emplace_back(8);
      for (int i = 0; i < 8; ++i) moved[i] = (i + k) ^ other;
    }
  }
  std::mt19937 random(7);
  for (int n = 0; n < 60; ++n) {
    std::vector<int>& any = patterns.emplace_back(8);
    for (int& lane : any) lane = static_cast<int>(random() % 16);
  }
  for (ElementType element : {kF32, kI64, kBool, kU8}) {
    LoopNest nest;
    LoopBuilder b(&nest);
    const BufferId in = b.AddBuffer(BufferKind::kInput, element, 16);
    const BufferId out = b.AddBuffer(BufferKind::kOutput, element, 24 * static_cast<int64_t>(patterns.size()));
    const ValueId x = b.Load(in, 0, 8), y = b.Load(in, 8, 8), zero = b.Const(element, 0, 8);
    int64_t at = 0;
    for (const std::vector<int>& pattern : patterns) {
      for (ValueId other : {y, zero, x}) {
        b.Store(out, at, b.Shuffle(x, other, pattern));
        at += 8;
      }
    }
    ExpectAgrees(Cases(nest, {{}}));
  }
}

TEST_F(X86, Lookups) {
  const LoopNest nest = LookupNest();
  ExpectAgrees(Cases(nest, {{1}, {7}, {16}, {50}, {64}, {100}}));
}

TEST_F(X86, Strides) {
  for (ElementType element : {kF32, kI8, kU4, kF64, kBF16}) {
    SCOPED_TRACE(std::string(Name(element)));
    const LoopNest nest = StrideNest(element);
    ExpectAgrees(Cases(nest, {{45, 1}, {45, 2}, {70, 5}}));
  }
}

TEST_F(X86, ExtremaOfSeveralKeepNanAndOrderZeros) {
  for (const ElementType element : {ElementType::kF32, ElementType::kF64}) {
    const LoopNest nest = ExtremaNest(element);
    KernelCase run = MakeCase(nest, {kExtremaElements});
    for (int i = 0; i < 4; ++i) {
      const std::vector<double> values = ExtremaInput(i);
      const std::vector<float> narrow(values.begin(), values.end());
      run.buffers[i] = element == ElementType::kF64 ? ToBytes(values) : ToBytes(narrow);
    }
    ExpectAgrees({run});
  }
}

TEST_F(X86, Dot4DoesNotSaturate) {
  const LoopNest nest = Dot4Nest();
  std::vector<KernelCase> cases(2, MakeCase(nest, {50}));
  std::fill(cases[1].buffers[0].begin(), cases[1].buffers[0].end(), 0xff);
  std::fill(cases[1].buffers[1].begin(), cases[1].buffers[1].end(), 0x7f);
  ExpectAgrees(cases);
  if (HostTarget()->vnni) ExpectAgrees(cases, *HostTarget());
}

TEST_F(X86, IndexArithmetic) {
  const LoopNest nest = IndexNest();
  ExpectAgrees(Cases(nest, {{3, 4}, {1, 1}, {0, 3}}));
}

// 500 nests from a fresh seed. One that fails is shrunk and saved with its seed. SKEIN_TEST_NESTS=N asks for N of them (20,000
// take a minute), SKEIN_TEST_SEED=S for those from seed S.
TEST_F(X86, RandomNests) {
  const char* wanted = std::getenv("SKEIN_TEST_NESTS");
  const char* given = std::getenv("SKEIN_TEST_SEED");
  const uint64_t count = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 500;
  const uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  for (const Target& target : Targets()) {
    const BackEndUnderTest xbyak = {target.isa == Isa::kAvx2 ? "xbyak_avx2" : "xbyak_avx512", GenerateXbyak, target};
    for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) CheckRandomNest(seed, xbyak);
  }
}

TEST_F(X86, SeveralNestsShareOneObject) {
  const LoopNest gemm = GemmTileNest(6, 64), rows = NormalizeRowsNest();
  const NamedNest nests[] = {{&rows, "rows"}, {&gemm, "gemm"}};
  const auto object = GenerateXbyak(nests, Targets().back());
  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_EQ(object->entries.size(), 2u);
  EXPECT_EQ(object->entries[1].name, "gemm");
  const auto loaded = LoadedCode::Load(*object);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  for (int i = 0; i < 2; ++i) {
    const LoopNest& nest = *nests[i].nest;
    const KernelCase run =
        MakeCase(nest, i == 0 ? std::vector<int64_t>{5, 70} : std::vector<int64_t>{33});
    EXPECT_EQ(Difference(nest, *Interpret(run, nest), *Execute(run, (*loaded)->entry(i))), "");
  }
}

// 24 accumulators, 4 of B and one of A fit the 32 registers of AVX-512, 12 and 2 the 16 of AVX2: nothing goes through the
// stack.
TEST_F(X86, GemmTileDoesNotSpill) {
  if (!HaveLlvm()) GTEST_SKIP() << "needs LLVM's disassembler";
  for (auto [isa, rows, columns] : {std::tuple(Isa::kAvx512, 6, 64), {Isa::kAvx512, 8, 48}, {Isa::kAvx512, 12, 32},
                                    {Isa::kAvx512, 14, 32}, {Isa::kAvx2, 6, 16}, {Isa::kAvx2, 12, 8}}) {
    const LoopNest nest = GemmTileNest(rows, columns);
    const auto object = Generate(nest, Target{.isa = isa});
    ASSERT_TRUE(object.ok()) << object.status();
    const std::string text = *Disassemble(*object, 0);
    EXPECT_EQ(text.find("mmword ptr [rsp"), std::string::npos) << text;
  }
}

// Around the caches or through them, as the address allows; parts of a row beside whole registers.
TEST_F(X86, StreamingStoresOfAllWidths) {
  for (ElementType element : {kBool, kI8, kU8, kF16, kBF16, kI16, kF32, kF64}) {
    for (int lanes : {8, 13, 40, 64}) {
      LoopNest nest;
      LoopBuilder b(&nest);
      const DimExpr offset = b.AddArgument();
      const BufferId in = b.AddBuffer(BufferKind::kInput, kI32, lanes);
      const BufferId out = b.AddBuffer(BufferKind::kOutput, element, offset + DimExpr(lanes));
      b.Store(out, offset, b.Convert(element, b.Load(in, 0, lanes)), 1, ValueId(), /*streaming=*/true);
      ExpectAgrees(Cases(nest, {{0}, {1}, {8}, {16}, {32}}));
    }
  }
}

// A carried value for every register there is, and more: some live in the frame.
TEST_F(X86, MoreCarriedValuesThanRegisters) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, DimExpr(16) * n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 16 * 40);
  std::vector<ValueId> inits, next;
  for (int i = 0; i < 40; ++i) inits.push_back(b.Const(kF32, i, 16));
  const DimExpr i = b.BeginLoop(LoopKind::kSerial, n, 1, inits);
  const ValueId x = b.Load(in, i * DimExpr(16), 16);
  for (int k = 0; k < 40; ++k) next.push_back(b.Fma(b.Carried(k), b.Const(kF32, 0.5, 16), x));
  const std::vector<ValueId> sums = b.EndLoop(next);
  for (int k = 0; k < 40; ++k) b.Store(out, 16 * k, sums[k]);
  ExpectAgrees(Cases(nest, {{0}, {1}, {7}}));
}

// What was carried in is still read when all that is carried out is there already.
TEST_F(X86, NextValuesWaitForReadersOfTheOldOnes) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, DimExpr(16) * n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 16 * 41);
  std::vector<ValueId> inits, next;
  for (int i = 0; i <= 40; ++i) inits.push_back(b.Const(kF32, i, 16));
  const DimExpr i = b.BeginLoop(LoopKind::kSerial, n, 1, inits);
  ValueId sum = b.Load(in, i * DimExpr(16), 16);
  for (int k = 0; k < 40; ++k) next.push_back(b.Fma(b.Carried(k), b.Const(kF32, 0.5, 16), sum));
  for (int k = 0; k <= 40; k += 3) sum = b.Sub(sum, b.Carried(k));
  next.push_back(sum);
  const std::vector<ValueId> results = b.EndLoop(next);
  for (int k = 0; k <= 40; ++k) b.Store(out, 16 * k, results[k]);
  ExpectAgrees(Cases(nest, {{0}, {1}, {7}}));
}

// Every iteration turns three carried values round: register moves in a cycle.
TEST_F(X86, CarriedValuesChangePlaces) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI64, 3);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, 3);
  const BufferId vectors = b.AddBuffer(BufferKind::kOutput, kI32, 48);
  std::vector<ValueId> inits;
  for (int k = 0; k < 3; ++k) inits.push_back(b.Load(in, k));
  for (int k = 0; k < 3; ++k) inits.push_back(b.Const(kI32, k, 16));
  b.BeginLoop(LoopKind::kSerial, n, 1, inits);
  const ValueId next[] = {b.Carried(1), b.Carried(2), b.Carried(0),
                          b.Carried(4), b.Carried(5), b.Carried(3)};
  const std::vector<ValueId> results = b.EndLoop(next);
  for (int k = 0; k < 3; ++k) b.Store(out, k, results[k]);
  for (int k = 0; k < 3; ++k) b.Store(vectors, 16 * k, results[3 + k]);
  ExpectAgrees(Cases(nest, {{0}, {1}, {2}, {3}, {4}}));
}

// The same with as many values as registers allow, so that none is free to break the cycle.
TEST_F(X86, ManyCarriedValuesChangePlaces) {
  for (int count : {24, 29}) {
    LoopNest nest;
    LoopBuilder b(&nest);
    const DimExpr n = b.AddArgument();
    const BufferId out = b.AddBuffer(BufferKind::kOutput, kI32, 16 * count);
    std::vector<ValueId> inits, next;
    for (int k = 0; k < count; ++k) inits.push_back(b.Const(kI32, k, 16));
    b.BeginLoop(LoopKind::kSerial, n, 1, inits);
    for (int k = 0; k < count; ++k) next.push_back(b.Carried((k + 1) % count));
    const std::vector<ValueId> results = b.EndLoop(next);
    for (int k = 0; k < count; ++k) b.Store(out, 16 * k, results[k]);
    ExpectAgrees(Cases(nest, {{0}, {1}, {2}, {40}}));
  }
}

// Scalars that are constant, as a mask or as lane 0 of a constant vector, are the same in every lane.
TEST_F(X86, ConstantScalarsAreWidened) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kI32, 16);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI32, 16);
  const BufferId lanes = b.AddBuffer(BufferKind::kOutput, kI32, 16);
  b.Store(out, 0, b.Load(in, 0, 16), 1, b.Splat(b.LaneMask(100, 1), 16));
  const ValueId first = b.Extract(b.Iota(kI32, 16), 0);
  b.Store(lanes, 0, b.Splat(first, 16));
  ExpectAgrees(Cases(nest, {{}}));
}

// A load may be the operand of the operation that reads it only if nothing is stored in between.
TEST_F(X86, LoadsAreReadBeforeLaterStores) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, 16);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 32);
  const BufferId scratch = b.AddBuffer(BufferKind::kScratch, kF32, 16);
  const ValueId x = b.Load(in, 0, 16);
  b.Store(scratch, 0, x);
  const ValueId before = b.Load(scratch, 0, 16);
  b.Store(scratch, 0, b.Add(x, x));
  b.Store(out, 0, b.Sub(x, before));
  const ValueId after = b.Load(scratch, 0, 16);
  b.Store(out, 16, b.Mul(after, x));
  ExpectAgrees(Cases(nest, {{}}));
}

// Loads of a few lanes, of other types and with several readers stay loads: memory ends behind them.
TEST_F(X86, OnlyWholeVectorsAreReadByArithmetic) {
  for (int lanes : {1, 2, 3, 4, 8, 16}) {
    for (ElementType element : {kF32, kI32, kF64, kI16, kF16}) {
      LoopNest nest;
      LoopBuilder b(&nest);
      const ElementType wide = element == kI16 ? kI32 : element == kF16 ? kF32 : element;
      const BufferId in = b.AddBuffer(BufferKind::kInput, element, lanes);
      const BufferId out = b.AddBuffer(BufferKind::kOutput, wide, 3 * lanes);
      const ValueId x = b.Convert(wide, b.Load(in, 0, lanes));
      const ValueId half = b.Const(wide, 2, lanes);
      b.Store(out, 0, b.Sub(half, x));
      b.Store(out, lanes, b.Add(x, half));
      b.Store(out, 2 * lanes, b.Mul(b.Convert(wide, b.Load(in, 0, lanes)), half));
      ExpectAgrees(Cases(nest, {{}}));
    }
  }
}

}  // namespace
}  // namespace skein
