#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "codegen/codegen.h"
#include "ir/random_loop_nest.h"
#include "tests/codegen/kernel_harness.h"
#include "tests/codegen/random_nests.h"
#include "tests/codegen/sample_nests.h"

namespace skein {
namespace {

class Llvm : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveLlvm()) GTEST_SKIP() << "built without LLVM";
  }
};

// Each size on its own pages: an access past the end faults.
TEST_F(Llvm, PointwiseTailsOfAllSizes) {
  for (bool streaming : {false, true}) {
    const LoopNest nest = PointwiseNest(-1, streaming);
    std::vector<KernelCase> cases;
    for (int64_t n = 0; n <= 130; ++n) cases.push_back(MakeCase(nest, {n}));
    ExpectAllAgree(cases);
  }
}

TEST_F(Llvm, PointwiseConstantExtents) {
  for (int64_t n : {0, 1, 16, 63, 64, 65, 96, 128, 200}) {
    const LoopNest nest = PointwiseNest(n, n % 2 == 0);
    ExpectAllAgree(MakeCase(nest, {}));
  }
}

// The cases of one nest for several lists of arguments.
std::vector<KernelCase> Cases(const LoopNest& nest,
                              const std::vector<std::vector<int64_t>>& sizes) {
  std::vector<KernelCase> cases;
  for (const std::vector<int64_t>& arguments : sizes) cases.push_back(MakeCase(nest, arguments));
  return cases;
}

TEST_F(Llvm, RowsStreamWhereLinesEndInThem) {
  for (int64_t columns : {4, 8, 12, 20, 24, 40, 56, 72}) {
    SCOPED_TRACE(columns);
    const LoopNest nest = StreamedRowsNest(columns);
    for (int64_t rows : {7, 1, 0}) ExpectAllAgree(MakeCase(nest, {rows}));
  }
}

TEST_F(Llvm, InPlace) {
  const LoopNest nest = InPlaceNest();
  ExpectAllAgree(Cases(nest, {{3}, {64}, {100}}));
}

TEST_F(Llvm, NormalizeRows) {
  const LoopNest nest = NormalizeRowsNest();
  ExpectAllAgree(Cases(nest, {{5, 1}, {5, 15}, {5, 64}, {2, 129}}));
}

TEST_F(Llvm, ColumnReductions) {
  const LoopNest nest = ColumnSumNest();
  ExpectAllAgree(Cases(nest, {{9, 1}, {9, 31}, {9, 64}, {9, 129}, {0, 70}}));
  for (int64_t n : {5, 16, 24, 80, 90}) {
    const LoopNest constant = ConstantColumnMaxNest(3, n);
    ExpectAllAgree(MakeCase(constant, {}));
  }
}

TEST_F(Llvm, GemmTiles) {
  for (auto [rows, columns] : {std::pair(6, 64), {14, 32}, {3, 24}}) {
    const LoopNest nest = GemmTileNest(rows, columns);
    ExpectAllAgree(Cases(nest, {{33}, {1}, {0}}));
  }
}

TEST_F(Llvm, GathersReportIndicesOutOfRange) {
  using enum ElementType;
  for (ElementType element : {kF32, kF64, kI8, kF16, kBool, kU4}) {
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
    ExpectAllAgree(cases);
  }
}

TEST_F(Llvm, ScattersLetTheLastLaneWin) {
  using enum ElementType;
  for (ElementType element : {kF32, kI8, kI64, kBool, kI4}) {
    const LoopNest nest = ScatterNest(element);
    KernelCase run = MakeCase(nest, {100, 30});
    std::vector<int64_t> index;
    for (int64_t i = 0; i < 100; ++i) index.push_back(i * i % 31);  // 30 is outside: bit 62
    run.buffers[0] = ToBytes(index);
    ExpectAllAgree(run);
  }
}

TEST_F(Llvm, ConversionsBetweenAllTypes) {
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
  std::vector<float> floats(doubles.begin(), doubles.end());
  std::vector<int64_t> integers = {(int64_t{1} << 62) + (int64_t{1} << 54) + 1,
                                   (int64_t{1} << 62) + (int64_t{1} << 54),
                                   -(int64_t{1} << 62) - (int64_t{1} << 54) - 1,
                                   std::numeric_limits<int64_t>::min(),
                                   16842753,
                                   16842752};
  for (int from = 0; from < kElementTypes; ++from) {
    const LoopNest nest = ConvertNest(static_cast<ElementType>(from));
    std::vector<KernelCase> cases = Cases(nest, {{90}, {16}, {1}});
    auto add = [&](const auto& values) {
      cases.push_back(MakeCase(nest, {static_cast<int64_t>(values.size())}));
      cases.back().buffers[0] = ToBytes(values);
    };
    if (static_cast<ElementType>(from) == ElementType::kF64) add(doubles);
    if (static_cast<ElementType>(from) == ElementType::kF32) add(floats);
    if (BitWidth(static_cast<ElementType>(from)) == 64) add(integers);
    ExpectAllAgree(cases);
    if (HasFailure()) FAIL() << "from " << Name(static_cast<ElementType>(from));
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

TEST_F(Llvm, ArithmeticOfAllTypes) {
  using enum ElementType;
  for (ElementType element :
       {kBool, kI4, kI8, kI16, kI32, kI64, kU4, kU8, kU16, kU32, kU64, kF32, kF64}) {
    const LoopNest nest = ArithmeticNest(element);
    std::vector<KernelCase> cases;
    for (uint32_t seed : {1, 2, 3}) {
      cases.push_back(MakeCase(nest, {123}, seed));
      if (IsInteger(element)) UseHardIntegers(element, cases.back());
    }
    ExpectAllAgree(cases);
    if (HasFailure()) FAIL() << Name(element);
  }
}

TEST_F(Llvm, MasksTouchNothing) {
  const LoopNest nest = MaskNest();
  ExpectAllAgree(Cases(nest, {{1}, {16}, {50}, {64}, {100}}));
}

TEST_F(Llvm, ShufflesAndReductions) {
  const LoopNest nest = ShuffleNest();
  ExpectAllAgree(MakeCase(nest, {}));
}

TEST_F(Llvm, Lookups) {
  const LoopNest nest = LookupNest();
  ExpectAllAgree(Cases(nest, {{1}, {7}, {16}, {50}, {64}, {100}}));
}

TEST_F(Llvm, Strides) {
  using enum ElementType;
  for (ElementType element : {kF32, kI8, kU4, kF64, kBF16}) {
    const LoopNest nest = StrideNest(element);
    ExpectAllAgree(Cases(nest, {{45, 1}, {45, 2}, {70, 5}}));
  }
}

TEST_F(Llvm, ExtremaOfSeveralKeepNanAndOrderZeros) {
  for (const ElementType element : {ElementType::kF32, ElementType::kF64}) {
    const LoopNest nest = ExtremaNest(element);
    KernelCase run = MakeCase(nest, {kExtremaElements});
    for (int i = 0; i < 4; ++i) {
      const std::vector<double> values = ExtremaInput(i);
      const std::vector<float> narrow(values.begin(), values.end());
      run.buffers[i] = element == ElementType::kF64 ? ToBytes(values) : ToBytes(narrow);
    }
    ExpectAllAgree(run);
  }
}

TEST_F(Llvm, Dot4DoesNotSaturate) {
  const LoopNest nest = Dot4Nest();
  KernelCase run = MakeCase(nest, {50});
  ExpectAllAgree(run);
  std::fill(run.buffers[0].begin(), run.buffers[0].end(), 0xff);
  std::fill(run.buffers[1].begin(), run.buffers[1].end(), 0x7f);
  ExpectAllAgree(run);
  // And without the instruction that the host may have for it.
  Target target = *HostTarget();
  target.vnni = false;
  const auto got = Execute(run, GenerateLlvm, target);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(Difference(nest, *Interpret(run, nest), *got), "");
}

TEST_F(Llvm, IndexArithmetic) {
  const LoopNest nest = IndexNest();
  ExpectAllAgree(Cases(nest, {{3, 4}, {1, 1}, {0, 3}}));
}

TEST_F(Llvm, RandomNests) {
  const Target host = *HostTarget();
  for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (isa > host.isa) continue;
    const BackEndUnderTest llvm = {isa == Isa::kAvx2 ? "llvm_avx2" : "llvm_avx512", GenerateLlvm, {isa, host.vnni}};
    for (uint64_t seed = 0; seed < 60; ++seed) {
      CheckRandomNest(seed, llvm);
      if (HasFailure()) return;
    }
  }
}

TEST_F(Llvm, OneObjectForSeveralNests) {
  const LoopNest gemm = GemmTileNest(6, 64), rows = NormalizeRowsNest();
  const NamedNest nests[] = {{&gemm, "gemm"}, {&rows, "rows"}};
  const auto object = GenerateLlvm(nests, *HostTarget());
  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_EQ(object->entries.size(), 2u);
  EXPECT_EQ(object->entries[0].name, "gemm");
  EXPECT_EQ(object->entries[1].name, "rows");
  const auto text = Disassemble(*object, 0);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_NE(text->find("vfmadd"), std::string::npos) << *text;
  EXPECT_EQ(text->find("call"), std::string::npos) << *text;
}

// 24 accumulators, 4 of B and one of A fit the 32 registers: nothing goes through the stack.
TEST_F(Llvm, GemmTileDoesNotSpill) {
  for (auto [rows, columns] : {std::pair(6, 64), {8, 48}, {12, 32}, {14, 32}}) {
    const LoopNest nest = GemmTileNest(rows, columns);
    const NamedNest named{&nest, "gemm"};
    const auto object = GenerateLlvm({&named, 1}, Target{.isa = Isa::kAvx512});
    ASSERT_TRUE(object.ok()) << object.status();
    const std::string text = *Disassemble(*object, 0);
    EXPECT_EQ(text.find("zmmword ptr [rsp"), std::string::npos) << text;
    EXPECT_EQ(text.find("zmmword ptr [rbp"), std::string::npos) << text;
  }
}

// Four vectors stored for each vector loaded, and joined with others first: long straight code, or not.
LoopNest ShufflesNest(int loads) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 16 * loads);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 64 * loads);
  std::vector<ValueId> values;
  for (int i = 0; i < loads; ++i) values.push_back(b.Load(in, 16 * i, 16));
  for (int k = 0; k < 4; ++k) {
    std::vector<ValueId> joined;
    for (int i = 0; i < loads; ++i) {
      std::vector<int> indices;
      for (int lane = 0; lane < 16; ++lane) indices.push_back((lane * 7 + i + k) % 32);
      joined.push_back(b.Shuffle(values[i], values[(i + 3) % loads], indices));
      b.Store(out, 16 * (k * loads + i), joined[i]);
    }
    values = joined;
  }
  return nest;
}

TEST_F(Llvm, KernelsOverTheBudgetAreCompiledInAHurryAndSaySo) {
  const LoopNest small = ShufflesNest(4), large = ShufflesNest(60);
  const NamedNest nests[] = {{&small, "small"}, {&large, "large"}};
  const auto object = GenerateLlvm(nests, *HostTarget());
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_FALSE(object->entries[0].in_a_hurry);
  EXPECT_TRUE(object->entries[1].in_a_hurry);
  ExpectAllAgree(MakeCase(large, {}));
}

TEST_F(Llvm, SameBitsFromManyThreads) {
  const LoopNest nest = NormalizeRowsNest();
  const NamedNest named{&nest, "rows"};
  const Target target = *HostTarget();
  const auto want = GenerateLlvm({&named, 1}, target);
  ASSERT_TRUE(want.ok());
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3; ++i) {
        const auto got = GenerateLlvm({&named, 1}, target);
        equal[t] += got.ok() && got->code == want->code && got->data == want->data;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < 4; ++t) EXPECT_EQ(equal[t], 3);
}

TEST_F(Llvm, IrTextNamesTheKernel) {
  const LoopNest nest = GemmTileNest(2, 16);
  const auto text = LlvmIrText({&nest, "tile"}, Target{.isa = Isa::kAvx512});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_NE(text->find("define void @tile("), std::string::npos);
  EXPECT_NE(text->find("@llvm.fma.v16f32"), std::string::npos);
}

}  // namespace
}  // namespace skein
