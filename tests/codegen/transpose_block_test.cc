#include "kernels/transpose_block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/codegen/kernel_harness.h"

namespace skein {
namespace {

class TransposeBlockTest : public testing::TestWithParam<ElementType> {};

TEST_P(TransposeBlockTest, RowsBecomeColumnsInEveryBackEnd) {
  const ElementType element = GetParam();
  const int n = TransposeBlockLanes(element);
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, element, n * n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, element, n * n);
  std::vector<ValueId> rows;
  for (int i = 0; i < n; ++i) rows.push_back(b.Load(in, i * n, n));
  const std::vector<ValueId> columns = TransposeBlock(b, rows);
  for (int i = 0; i < n; ++i) b.Store(out, i * n, columns[i]);
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest);

  const KernelCase run = MakeCase(nest, {});
  const absl::StatusOr<KernelOutcome> outcome = Interpret(run, nest);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const size_t bytes = BytesFor(element, 1);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      const uint8_t* from = outcome->buffers[0].data() + (i * n + j) * bytes;
      const uint8_t* to = outcome->buffers[1].data() + (j * n + i) * bytes;
      EXPECT_EQ(std::memcmp(from, to, bytes), 0) << i << ", " << j;
    }
  }
  if (HaveLlvm()) ExpectAllAgree(run, GenerateLlvm);
  if (HaveXbyak()) ExpectAllAgree(run, GenerateXbyak);
}

INSTANTIATE_TEST_SUITE_P(Widths, TransposeBlockTest,
                         testing::Values(ElementType::kF32, ElementType::kF64, ElementType::kI64,
                                         ElementType::kBF16, ElementType::kI16, ElementType::kU8),
                         [](const auto& info) { return std::string(Name(info.param)); });

using ShortRows = std::tuple<ElementType, int>;

class ShortRowsTest : public testing::TestWithParam<ShortRows> {};

TEST_P(ShortRowsTest, ToColumnsAndBackInEveryBackEnd) {
  const auto [element, elements] = GetParam();
  LoopNest nest;
  LoopBuilder b(&nest);
  const int first = std::min(elements, kShortRows), lanes = ShortRowLanes(first), count = kShortRows * elements;
  const BufferId in = b.AddBuffer(BufferKind::kInput, element, count);
  const BufferId columns_out = b.AddBuffer(BufferKind::kOutput, element, kShortRows * lanes);
  const BufferId rows_out = b.AddBuffer(BufferKind::kOutput, element, count);
  std::vector<ValueId> rows, columns;
  for (int r = 0; r < kShortRows; ++r) {
    rows.push_back(b.Load(in, r * elements, lanes, 1, b.LaneMask(first, lanes)));
  }
  for (int c = 0; c < elements; ++c) columns.push_back(b.Load(in, c, kShortRows, elements));
  const std::vector<ValueId> transposed = ShortRowsToColumns(b, rows);
  ASSERT_EQ(transposed.size(), static_cast<size_t>(lanes));
  for (int c = 0; c < lanes; ++c) b.Store(columns_out, c * kShortRows, transposed[c]);
  const std::vector<ValueId> back = ColumnsToShortRows(b, columns);
  ASSERT_EQ(back.size(), static_cast<size_t>(elements));
  for (int i = 0; i < elements; ++i) b.Store(rows_out, i * kShortRows, back[i]);
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest);

  const KernelCase run = MakeCase(nest, {});
  const absl::StatusOr<KernelOutcome> outcome = Interpret(run, nest);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const size_t bytes = BytesFor(element, 1);
  for (int r = 0; r < kShortRows; ++r) {
    for (int c = 0; c < elements; ++c) {
      const uint8_t* from = outcome->buffers[0].data() + (r * elements + c) * bytes;
      const uint8_t* column = outcome->buffers[1].data() + (c * kShortRows + r) * bytes;
      const uint8_t* row = outcome->buffers[2].data() + (r * elements + c) * bytes;
      if (c < first) {
        EXPECT_EQ(std::memcmp(from, column, bytes), 0) << r << ", " << c;
      }
      EXPECT_EQ(std::memcmp(from, row, bytes), 0) << r << ", " << c;
    }
  }
  if (HaveLlvm()) ExpectAllAgree(run, GenerateLlvm);
  if (HaveXbyak()) ExpectAllAgree(run, GenerateXbyak);
}

INSTANTIATE_TEST_SUITE_P(Widths, ShortRowsTest,
                         testing::Combine(testing::Values(ElementType::kF32, ElementType::kF64, ElementType::kBF16,
                                                          ElementType::kU8),
                                          testing::Values(1, 3, 7, 8, 13, 16, 23)),
                         [](const auto& info) {
                           return absl::StrCat(std::string(Name(std::get<0>(info.param))), "_",
                                               std::get<1>(info.param));
                         });

}  // namespace
}  // namespace skein
