#include "kernels/transpose_block.h"

#include <gtest/gtest.h>

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
  const absl::StatusOr<Target> host = HostTarget();
  if (!HaveXbyak() || !host.ok() || host->isa != Isa::kAvx512) return;
  const absl::StatusOr<KernelOutcome> fast = Execute(run, GenerateXbyak, Target{});
  ASSERT_TRUE(fast.ok()) << fast.status();
  EXPECT_EQ(Difference(nest, *outcome, *fast), "");
}

INSTANTIATE_TEST_SUITE_P(Widths, TransposeBlockTest,
                         testing::Values(ElementType::kF32, ElementType::kF64, ElementType::kI64,
                                         ElementType::kBF16, ElementType::kI16, ElementType::kU8),
                         [](const auto& info) { return std::string(Name(info.param)); });

}  // namespace
}  // namespace skein
