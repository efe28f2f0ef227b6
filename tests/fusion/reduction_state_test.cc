// States of reductions: whatever they carry, the results are those of the reducer.
#include "fusion/reduction_state.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/ir/loop_nest_run.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Every triple of these.
const std::vector<float> kSpecial = {0.0f, -0.0f, 1.5f, -1.5f, 1e-40f, -1e-40f, kInfinity, -kInfinity,
                                     kNan, -kNan,  3e38f, -3e38f};

std::vector<float> Reduced(const Reducer& reducer, int side_by_side, const std::vector<std::vector<float>>& rows) {
  const ReductionState state(reducer, side_by_side);
  LoopNest nest;
  LoopBuilder b(&nest);
  const int64_t count = static_cast<int64_t>(rows[0].size());
  std::vector<BufferId> inputs;
  std::vector<std::vector<char>> buffers;
  for (const std::vector<float>& row : rows) {
    inputs.push_back(b.AddBuffer(BufferKind::kInput, kF32, count));
    buffers.push_back(Bytes(row));
  }
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, count);
  buffers.push_back(Bytes(std::vector<float>(count)));
  const DimExpr i = b.BeginVectorLoop(count, 4);
  std::vector<ValueId> left = state.Start(b, 4), right = left;
  for (size_t r = 0; r < rows.size(); ++r) {  // the last ones apart
    std::vector<ValueId>& to = r < 2 ? left : right;
    to = state.Take(b, to, std::vector{b.Load(inputs[r], i)}, 4);
  }
  b.Store(out, i, state.Finish(b, state.Join(b, left, right, 4))[0]);
  b.EndLoop();
  EXPECT_TRUE(Verify(nest).ok()) << Verify(nest).message();
  const absl::Status status = RunNest(nest, buffers);
  EXPECT_TRUE(status.ok()) << status.message();
  return FromBytes<float>(buffers.back());
}

TEST(ReductionState, MaximaAndMinimaOfSpecialNumbers) {
  std::vector<std::vector<float>> rows(3);
  for (float x : kSpecial) {
    for (float y : kSpecial) {
      for (float z : kSpecial) {
        rows[0].push_back(x);
        rows[1].push_back(y);
        rows[2].push_back(z);
      }
    }
  }
  for (bool maximum : {true, false}) {
    const ReducerRef reducer = maximum ? MaxReducer(kF32) : MinReducer(kF32);
    EXPECT_FALSE(ReductionState(*reducer, 1).chunked());
    for (int side_by_side : {1, 4}) {
      const std::vector<float> result = Reduced(*reducer, side_by_side, rows);
      for (size_t i = 0; i < result.size(); ++i) {
        float best = rows[0][i];
        bool nan = false;
        for (const std::vector<float>& row : rows) {
          const float x = row[i];
          nan = nan || std::isnan(x);
          const bool better = x == best ? std::signbit(best) != std::signbit(x) && std::signbit(best) == maximum
                                        : (x > best) == maximum;
          if (better) best = x;
        }
        if (nan) best = kNan;
        EXPECT_TRUE(nan ? std::isnan(result[i]) : std::bit_cast<uint32_t>(result[i]) == std::bit_cast<uint32_t>(best))
            << rows[0][i] << " " << rows[1][i] << " " << rows[2][i] << ": " << result[i] << ", not " << best;
      }
    }
  }
}

TEST(ReductionState, NothingLeavesTheInitialValue) {
  EXPECT_EQ(FromBytes<float>([] {
    const ReducerRef reducer = MaxReducer(kF32);
    const ReductionState state(*reducer, 1);
    LoopNest nest;
    LoopBuilder b(&nest);
    const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 1);
    b.Store(out, 0, state.Finish(b, state.Start(b, 1))[0]);
    std::vector<std::vector<char>> buffers = {Bytes(std::vector<float>(1))};
    EXPECT_TRUE(RunNest(nest, buffers).ok());
    return buffers[0];
  }()), std::vector<float>{-kInfinity});
}

TEST(ReductionState, SumsKeepTheirOrder) {
  EXPECT_TRUE(ReductionState(*SumReducer(kF32), 1).chunked());
  EXPECT_FALSE(ReductionState(*SumReducer(ElementType::kI32), 1).chunked());
}

}  // namespace
}  // namespace skein
