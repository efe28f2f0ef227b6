#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "codegen/codegen.h"
#include "tests/codegen/kernel_harness.h"
#include "tests/codegen/sample_nests.h"

namespace skein {
namespace {

class Llvm : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveLlvm()) GTEST_SKIP() << "built without LLVM";
  }
};

TEST_F(Llvm, PointwiseTailsOfAllSizes) {
  const LoopNest nest = PointwiseNest();
  const LoopNest streaming = PointwiseNest(-1, true);
  for (int64_t n = 0; n <= 130; ++n) {
    ExpectAllAgree(MakeCase(nest, {n}));
    if (n % 8 == 0) ExpectAllAgree(MakeCase(streaming, {n}));
    if (HasFailure()) FAIL() << n << " columns";
  }
}

TEST_F(Llvm, PointwiseConstantExtents) {
  for (int64_t n : {0, 1, 7, 16, 17, 63, 64, 65, 96, 128, 200}) {
    ExpectAllAgree(MakeCase(PointwiseNest(n), {}));
    ExpectAllAgree(MakeCase(PointwiseNest(n, true), {}));
  }
}

TEST_F(Llvm, InPlace) {
  for (int64_t n : {3, 64, 100}) ExpectAllAgree(MakeCase(InPlaceNest(), {n}));
}

TEST_F(Llvm, NormalizeRows) {
  for (int64_t n : {1, 15, 64, 129}) ExpectAllAgree(MakeCase(NormalizeRowsNest(), {5, n}));
}

TEST_F(Llvm, ColumnReductions) {
  for (int64_t n : {1, 31, 64, 129}) ExpectAllAgree(MakeCase(ColumnSumNest(), {9, n}));
  ExpectAllAgree(MakeCase(ColumnSumNest(), {0, 70}));
  for (int64_t n : {5, 16, 24, 64, 80, 90}) ExpectAllAgree(MakeCase(ConstantColumnMaxNest(3, n), {}));
}

TEST_F(Llvm, GemmTiles) {
  ExpectAllAgree(MakeCase(GemmTileNest(6, 64), {33}));
  ExpectAllAgree(MakeCase(GemmTileNest(14, 32), {7}));
  ExpectAllAgree(MakeCase(GemmTileNest(3, 24), {0}));
}

TEST_F(Llvm, GathersReportIndicesOutOfRange) {
  using enum ElementType;
  for (ElementType element : {kF32, kF64, kI8, kF16, kBool, kI64, kU4}) {
    const LoopNest nest = GatherNest(element);
    for (int64_t outside : {-1, 0, 66}) {
      KernelCase run = MakeCase(nest, {67, 40});
      std::vector<int64_t> index;
      for (int64_t i = 0; i < 67; ++i) index.push_back(i * 7 % 40);
      if (outside >= 0) index[outside] = outside == 0 ? -1 : 40;
      run.buffers[0] = ToBytes(index);
      ExpectAllAgree(run);
      const auto want = Interpret(run, nest);
      EXPECT_EQ(want->status, outside >= 0 ? uint64_t{1} << 5 : 0);
    }
  }
}

TEST_F(Llvm, ScattersLetTheLastLaneWin) {
  using enum ElementType;
  for (ElementType element : {kF32, kI8, kI64, kBool, kI4}) {
    KernelCase run = MakeCase(ScatterNest(element), {100, 30});
    std::vector<int64_t> index;
    for (int64_t i = 0; i < 100; ++i) index.push_back(i * i % 31);  // 30 is outside: bit 62
    run.buffers[0] = ToBytes(index);
    const LoopNest nest = ScatterNest(element);
    run.nest = &nest;
    ExpectAllAgree(run);
  }
}

TEST_F(Llvm, ConversionsBetweenAllTypes) {
  for (int from = 0; from <= static_cast<int>(ElementType::kF64); ++from) {
    for (int to = 0; to <= static_cast<int>(ElementType::kF64); ++to) {
      const LoopNest nest = ConvertNest(static_cast<ElementType>(from), static_cast<ElementType>(to));
      ExpectAllAgree(MakeCase(nest, {90}, 7));
      if (HasFailure()) {
        FAIL() << Name(static_cast<ElementType>(from)) << " to "
               << Name(static_cast<ElementType>(to));
      }
    }
  }
}

TEST_F(Llvm, ConversionsRoundOnce) {
  // Values right beside the middle between two neighbours of the narrow type.
  const std::vector<double> values = {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11 - 0x1p-40, 65519.999999999,
                                      65520.0, 1 + 0x1p-8 + 0x1p-40, 0x1p-25 + 0x1p-60, 0x1p-24,
                                      -1 - 0x1p-8 - 0x1p-50, 3.5e38, 0x1p-134 + 0x1p-160};
  for (ElementType to : {ElementType::kF16, ElementType::kBF16}) {
    const LoopNest nest = ConvertNest(ElementType::kF64, to);
    KernelCase run = MakeCase(nest, {static_cast<int64_t>(values.size())});
    run.buffers[0] = ToBytes(values);
    ExpectAllAgree(run);
  }
  const std::vector<int64_t> integers = {(int64_t{1} << 62) + (int64_t{1} << 54) + 1,
                                         (int64_t{1} << 62) + (int64_t{1} << 54),
                                         -(int64_t{1} << 62) - (int64_t{1} << 54) - 1,
                                         std::numeric_limits<int64_t>::min(), 16842753, 16842752};
  for (ElementType from : {ElementType::kI64, ElementType::kU64}) {
    for (ElementType to : {ElementType::kF16, ElementType::kBF16, ElementType::kF32}) {
      const LoopNest nest = ConvertNest(from, to);
      KernelCase run = MakeCase(nest, {static_cast<int64_t>(integers.size())});
      run.buffers[0] = ToBytes(integers);
      ExpectAllAgree(run);
    }
  }
}

TEST_F(Llvm, ArithmeticOfAllTypes) {
  using enum ElementType;
  for (ElementType element : {kBool, kI4, kI8, kI16, kI32, kI64, kU4, kU8, kU16, kU32, kU64, kF32, kF64}) {
    const LoopNest nest = ArithmeticNest(element);
    for (uint32_t seed : {1, 2}) {
      KernelCase run = MakeCase(nest, {123}, seed);
      // Divisors of 0 and -1, minima, and shift amounts around the width.
      for (size_t i = 0; i < run.buffers[1].size() && IsInteger(element); i += 3) {
        run.buffers[1][i] = i % 2 ? 0 : 0xff;
      }
      if (IsInteger(element) && seed == 2) {
        std::fill(run.buffers[0].begin(), run.buffers[0].begin() + run.buffers[0].size() / 2, 0);
        const int width = static_cast<int>(BytesFor(element, 1));
        for (size_t i = width - 1; i < run.buffers[0].size() / 2; i += width) run.buffers[0][i] = 0x80;
        std::fill(run.buffers[1].begin() + 24, run.buffers[1].begin() + run.buffers[1].size() / 2, 0xff);
        for (size_t i = 0; i < 24; ++i) run.buffers[1][i] = i % width == 0 ? static_cast<uint8_t>(i * 3) : 0;
      }
      ExpectAllAgree(run);
    }
    if (HasFailure()) FAIL() << Name(element);
  }
}

TEST_F(Llvm, MasksTouchNothing) {
  const LoopNest nest = MaskNest();
  for (int64_t n : {1, 16, 50, 64, 100}) ExpectAllAgree(MakeCase(nest, {n}));
}

TEST_F(Llvm, ShufflesAndReductions) { ExpectAllAgree(MakeCase(ShuffleNest(), {})); }

TEST_F(Llvm, Strides) {
  using enum ElementType;
  for (ElementType element : {kF32, kI8, kU4, kF64, kBF16}) {
    const LoopNest nest = StrideNest(element);
    for (int64_t stride : {1, 2, 5}) ExpectAllAgree(MakeCase(nest, {45, stride}));
  }
}

TEST_F(Llvm, Dot4DoesNotSaturate) {
  const LoopNest nest = Dot4Nest();
  KernelCase run = MakeCase(nest, {50});
  ExpectAllAgree(run);
  std::fill(run.buffers[0].begin(), run.buffers[0].end(), 0xff);
  std::fill(run.buffers[1].begin(), run.buffers[1].end(), 0x7f);
  ExpectAllAgree(run);
}

TEST_F(Llvm, IndexArithmetic) {
  ExpectAllAgree(MakeCase(IndexNest(), {3, 4}));
  ExpectAllAgree(MakeCase(IndexNest(), {1, 1}));
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
