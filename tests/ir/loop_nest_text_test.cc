#include <gtest/gtest.h>

#include "ir/loop_nest.h"

namespace skein {
namespace {

using enum ElementType;

constexpr std::string_view kText = R"(nest(a0, a1) {
  in f32 b0[a0*a1]
  in i64 b1[a0]
  out f16 b2[a0*a1] in_place b0
  out i32 b3[a0]
  scratch f32 b4[a1 + 1]
  parallel $0 < a0 step 2 {
    %0 = const f32x8 0x3f800000  # 1
    %1, %2 = vector $1 < a1 lanes 8 carry (%3: f32x8 = %0, %4: f32x8 = %0) {
      %5 = load f32x8 b0[a1*$0 + $1]
      %6 = lane_mask boolx8 a1 - $1
      %7 = load f32x8 b0[0; 0] mask %6
      %8 = fma f32x8 %5, %7, %4
      store b4[$1; 2], %8
      yield %8, %3
    }
    %9 = reduce f32 max %1
    %10 = load i64 b1[$0]
    %11 = clamp_index i64 %10 site 3 below a0
    %12 = gather i64 b1[0] at %11
    %13 = index i64 %12 + floordiv($0, 3)
    %14 = shuffle f32x2 %1, %2 [0 15]
    %15 = extract f32 %14[1]
    %16 = min f32 %9, %15
    %17 = convert f16 %16
    %18 = const i32 -7
    scatter b3[$0], %18 at %13 mask %6
    prefetch b0[%12] level 1
    store b2[$0 + %13], %17 streaming
    %19 = lookup f32 %18 [0 1065353216 -1082130432 3 4 5 6 7 8 9 10 11 12 13 14 15]
    unrolled $2 < 4 {
      %20 = less_equal bool %9, %15
    }
  }
}
)";

TEST(LoopNestText, PrintsWhatItParses) {
  const absl::StatusOr<LoopNest> nest = ParseLoopNest(kText);
  ASSERT_TRUE(nest.ok()) << nest.status().message();
  EXPECT_EQ(nest->ToString(), kText);
}

TEST(LoopNestText, NumberingInTheTextIsFree) {
  const absl::StatusOr<LoopNest> nest = ParseLoopNest(R"(
nest(a0) {   # comments and blank lines do not count
  out i64 b0[a0*8]

  serial $7 < a0 {
    serial $3 < $7 {
      %40 = index i64 $7 + 1
      %4 = index i64 %40*$3
      store b0[%4], %40
    }
  }
})");
  ASSERT_TRUE(nest.ok()) << nest.status().message();
  EXPECT_EQ(nest->ToString(), R"(nest(a0) {
  out i64 b0[8*a0]
  serial $0 < a0 {
    serial $1 < $0 {
      %0 = index i64 $0 + 1
      %1 = index i64 $1*%0
      store b0[%1], %0
    }
  }
}
)");
  EXPECT_TRUE(Verify(*nest).ok()) << Verify(*nest).message();
}

LoopNest TwoLoops(bool waste_numbers) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI64, n);
  if (waste_numbers) {
    nest.NewValue({kF32, 4});
    ++nest.loop_count;
  }
  const DimExpr i = b.BeginVectorLoop(n, 4);
  b.Store(out, i, b.Add(b.Index(i), b.Iota(kI64, 4)));
  b.EndLoop();
  return nest;
}

TEST(LoopNestText, EqualKernelsPrintEqually) {
  const LoopNest a = TwoLoops(false), b = TwoLoops(true);
  EXPECT_EQ(a.ToString(), b.ToString());
  EXPECT_EQ(a.Hash(), b.Hash());
}

TEST(LoopNestText, BuilderMergesPureInstructionsInScope) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 64);
  const ValueId one = b.Const(kF32, 1);
  const DimExpr i = b.BeginVectorLoop(64, 16);
  const ValueId x = b.Load(out, i);
  EXPECT_NE(x, b.Load(out, i));             // memory may have changed
  EXPECT_EQ(one, b.Const(kF32, 1));         // from the block around
  EXPECT_EQ(b.Add(x, one), b.Add(x, one));  // with one wide constant, without a splat
  const ValueId inner_two = b.Const(kF32, 2);
  b.Store(out, i, b.Add(x, inner_two));
  b.EndLoop();
  EXPECT_NE(b.Const(kF32, 2), inner_two);  // the inner block is no longer open
  EXPECT_EQ(nest.ToString(), R"(nest() {
  out f32 b0[64]
  %0 = const f32 0x3f800000  # 1
  vector $0 < 64 lanes 16 {
    %1 = load f32x16 b0[$0]
    %2 = load f32x16 b0[$0]
    %3 = const f32x16 0x3f800000  # 1
    %4 = add f32x16 %1, %3
    %5 = const f32 0x40000000  # 2
    %6 = const f32x16 0x40000000  # 2
    %7 = add f32x16 %1, %6
    store b0[$0], %7
  }
  %8 = const f32 0x40000000  # 2
}
)");
  EXPECT_TRUE(Verify(nest).ok()) << Verify(nest).message();
}

struct BadText {
  std::string_view from, to, message;
};

TEST(LoopNestText, ErrorsNameTheLine) {
  const BadText cases[] = {
      {"%9 = reduce", "%5 = reduce", "line 17: %5 is defined twice"},
      {"max %1", "max %77", "line 17: %77 is not defined"},
      {"extract f32 %14[1]", "extract f32 %14[1", "line 23: expected ]"},
      {"a1*$0 + $1]", "a1*$0 + $5]", "$5 is not a loop"},
      {"f32x8 0x3f", "f32x99 0x3f", "`f32x99` is not a type"},
      {"unrolled $2", "unrolled $1", "$1 is used twice"},
      {"yield %8, %3", "yield %8", "a loop that carries 2 values yields 1"},
      {"mask %6\n", "mask\n", "expected a value"},
      {"fma", "fms", "`fms` is not an instruction"},
      {"b4[a1 + 1]", "b5[a1 + 1]", "line 6: `b5` is not a buffer"},
      {"in_place b0", "in_place b7", "`b7` is not a buffer"},
      {"below a0", "below (a0", "line 19"},
      {"%1, %2 = vector", "%1 = vector", "carries 2 values has 1 results"},
      {"nest(a0, a1)", "nest(a0, a2)", "in order"},
      {"level 1", "level one", "is not a level"},
  };
  for (const BadText& bad : cases) {
    std::string text(kText);
    const size_t at = text.find(bad.from);
    ASSERT_NE(at, std::string::npos) << bad.from;
    text.replace(at, bad.from.size(), bad.to);
    const absl::StatusOr<LoopNest> nest = ParseLoopNest(text);
    ASSERT_FALSE(nest.ok()) << bad.to;
    EXPECT_NE(std::string(nest.status().message()).find(bad.message), std::string::npos)
        << nest.status().message();
  }
}

TEST(LoopNestText, TruncatedTextsAreErrorsNotCrashes) {
  for (size_t size = 0; size + 2 < kText.size(); ++size) {
    EXPECT_FALSE(ParseLoopNest(kText.substr(0, size)).ok()) << size;
  }
}

// Any text gives a nest or an error; any nest can be verified and printed.
TEST(LoopNestText, DamagedTextsAreErrorsOrOtherNests) {
  uint64_t state = 1;
  const auto below = [&state](size_t n) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<size_t>((state >> 33) % n);
  };
  int parsed_texts = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text(kText);
    for (size_t edits = 1 + below(3); edits > 0; --edits) {
      const size_t at = below(text.size()), other = below(text.size());
      switch (below(4)) {
        case 0:
          text.erase(at, 1 + below(8));
          break;
        case 1:
          text.insert(at, text.substr(other, 1 + below(30)));
          break;
        case 2:
          text[at] = text[other];
          break;
        default:
          text[at] = static_cast<char>('0' + below(10));
          break;
      }
    }
    const absl::StatusOr<LoopNest> nest = ParseLoopNest(text);
    if (!nest.ok()) continue;
    ++parsed_texts;
    const std::string printed = nest->ToString();
    (void)Verify(*nest).ok();
    const absl::StatusOr<LoopNest> again = ParseLoopNest(printed);
    ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << text << printed;
    ASSERT_EQ(again->ToString(), printed) << text;
  }
  EXPECT_GT(parsed_texts, 50);
}

}  // namespace
}  // namespace skein
