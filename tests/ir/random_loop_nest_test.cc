#include "ir/random_loop_nest.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/ir/loop_nest_run.h"

namespace skein {
namespace {

absl::Status Interpret(const LoopNest& nest, RandomInputs& inputs) {
  const std::vector<void*> pointers = inputs.Pointers();
  const KernelArgs args{pointers.data(), inputs.arguments.data(), &inputs.status};
  std::vector<char> scratch(OverArguments(LayOutScratch(nest).bytes, inputs.arguments) + 64);
  return InterpretLoopNest(nest, args, 0, OverArguments(TileCount(nest), inputs.arguments),
                           scratch.data());
}

TEST(RandomLoopNest, IsValidRunsInBoundsAndRoundTripsThroughText) {
  for (uint64_t seed = 0; seed < 120; ++seed) {
    RandomOptions options;
    options.odd_lanes = seed % 4 == 0;
    const LoopNest nest = RandomLoopNest(seed, options);
    const std::string text = nest.ToString();
    const absl::Status valid = Verify(nest);
    ASSERT_TRUE(valid.ok()) << seed << ": " << valid.message() << "\n" << text;
    const absl::StatusOr<LoopNest> parsed = ParseLoopNest(text);
    ASSERT_TRUE(parsed.ok()) << seed << ": " << parsed.status().message() << "\n" << text;
    ASSERT_EQ(parsed->ToString(), text) << seed;
    ASSERT_TRUE(Verify(*parsed).ok()) << seed << ": " << Verify(*parsed).message() << "\n" << text;

    RandomInputs a = MakeRandomInputs(nest, seed), b = a;
    const absl::Status ran = Interpret(nest, a);
    ASSERT_TRUE(ran.ok()) << seed << ": " << ran.message() << "\n" << text;
    ASSERT_TRUE(Interpret(*parsed, b).ok()) << seed;
    ASSERT_EQ(FirstDifference(nest, a, b), "") << seed << "\n" << text;
  }
}

// What the tests above stand on: kernels that use the whole language and change their outputs.
TEST(RandomLoopNest, CoversEveryOpcode) {
  std::array<int, kOpcodeCount> uses{};
  int changed = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    const LoopNest nest = RandomLoopNest(seed, {});
    for (int i = 0; i < nest.inst_count(); ++i) {
      ++uses[static_cast<int>(nest.inst(InstId(i)).op)];
    }
    RandomInputs before = MakeRandomInputs(nest, seed), after = before;
    ASSERT_TRUE(Interpret(nest, after).ok());
    after.status = 0;
    if (!FirstDifference(nest, before, after).empty()) ++changed;
  }
  for (int i = 0; i < kOpcodeCount; ++i) EXPECT_GT(uses[i], 0) << Name(static_cast<Opcode>(i));
  EXPECT_GT(changed, 70);
}

TEST(RandomLoopNest, DoesNotUseWhatIsNotAllowed) {
  RandomOptions options;
  options.allow = [](Opcode op, ElementType t) {
    return op != Opcode::kDiv && op != Opcode::kGather && t != ElementType::kF64;
  };
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const LoopNest nest = RandomLoopNest(seed, options);
    for (int i = 0; i < nest.inst_count(); ++i) {
      EXPECT_NE(nest.inst(InstId(i)).op, Opcode::kDiv);
      EXPECT_NE(nest.inst(InstId(i)).op, Opcode::kGather);
    }
  }
}

TEST(RandomLoopNest, TheOrderOfTilesDoesNotMatter) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const LoopNest nest = RandomLoopNest(seed, {});
    RandomInputs forward = MakeRandomInputs(nest, seed), backward = forward;
    ASSERT_TRUE(Interpret(nest, forward).ok());
    const std::vector<void*> pointers = backward.Pointers();
    const KernelArgs args{pointers.data(), backward.arguments.data(), &backward.status};
    std::vector<char> scratch(OverArguments(LayOutScratch(nest).bytes, backward.arguments) + 64);
    for (int64_t tile = OverArguments(TileCount(nest), backward.arguments); tile-- > 0;) {
      ASSERT_TRUE(InterpretLoopNest(nest, args, tile, tile + 1, scratch.data()).ok());
    }
    ASSERT_EQ(FirstDifference(nest, forward, backward), "") << seed << "\n" << nest.ToString();
  }
}

}  // namespace
}  // namespace skein
