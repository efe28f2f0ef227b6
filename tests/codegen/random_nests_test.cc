// Nests that failed once, and the machinery that shrinks those that fail.
#include "tests/codegen/random_nests.h"

#include <gtest/gtest.h>

#include "codegen/codegen.h"
#include "ir/random_loop_nest.h"
#include "tests/codegen/shrink_nest.h"

namespace skein {
namespace {

std::vector<BackEndUnderTest> AllBackEnds() {
  std::vector<BackEndUnderTest> all;
  const absl::StatusOr<Target> host = HostTarget();
  for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (!host.ok() || isa > host->isa) continue;
    Target target = *host;
    target.isa = isa;
    const std::string name = isa == Isa::kAvx2 ? "_avx2" : "_avx512";
    if (HaveLlvm()) all.push_back({"llvm" + name, GenerateLlvm, target});
    if (HaveXbyak()) all.push_back({"xbyak" + name, GenerateXbyak, target});
  }
  return all;
}

TEST(RegressionNests, AgreeOnEveryBackEnd) {
  const absl::StatusOr<std::vector<SavedNest>> nests = ReadSavedNests();
  ASSERT_TRUE(nests.ok()) << nests.status();
  EXPECT_FALSE(nests->empty());
  for (const SavedNest& saved : *nests) {
    ASSERT_TRUE(Verify(saved.nest).ok()) << saved.name << ": " << Verify(saved.nest);
    for (const BackEndUnderTest& back_end : AllBackEnds()) {
      const absl::StatusOr<std::string> disagreement = Disagreement(saved.nest, saved.input_seeds, back_end);
      ASSERT_TRUE(disagreement.ok()) << saved.name << ": " << disagreement.status();
      EXPECT_EQ(*disagreement, "") << saved.name << ", " << back_end.name;
    }
  }
}

TEST(RegressionNests, AreReadAsTheyAreSaved) {
  const SavedNest saved{"nest", "code: b2[0]: 0x1 instead of 0x2", {7, 1007}, RandomLoopNest(7, {})};
  const absl::StatusOr<SavedNest> read = ParseSavedNest("nest", SavedText(saved));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->why, saved.why);
  EXPECT_EQ(read->input_seeds, saved.input_seeds);
  EXPECT_EQ(read->nest.ToString(), saved.nest.ToString());
  EXPECT_FALSE(ParseSavedNest("nest", saved.nest.ToString()).ok()) << "names no inputs";
}

int Count(const LoopNest& nest, Opcode op) {
  int count = 0;
  for (int i = 0; i < nest.inst_count(); ++i) count += nest.inst(InstId(i)).op == op;
  return count;
}

// A back end with a fault: products are sums.
absl::StatusOr<ObjectCode> GenerateWithFault(std::span<const NamedNest> nests, const Target& target) {
  LoopNest nest = *nests[0].nest;
  for (int i = 0; i < nest.inst_count(); ++i) {
    if (nest.inst(InstId(i)).op == Opcode::kMul) nest.inst(InstId(i)).op = Opcode::kAdd;
  }
  const NamedNest named{&nest, nests[0].name};
  return HaveXbyak() ? GenerateXbyak({&named, 1}, target) : GenerateLlvm({&named, 1}, target);
}

TEST(ShrinkNest, KeepsTheFaultAndLittleElse) {
  const BackEndUnderTest faulty = {"faulty", GenerateWithFault, *HostTarget()};
  const uint64_t inputs[] = {1, 2, 3};
  int shrunk = 0;
  for (uint64_t seed = 0; seed < 200 && shrunk < 3; ++seed) {
    const LoopNest nest = RandomLoopNest(seed, {});
    const auto fails = [&](const LoopNest& candidate) {
      EXPECT_EQ(Verify(candidate), absl::OkStatus()) << candidate.ToString();
      const absl::StatusOr<std::string> disagreement = Disagreement(candidate, inputs, faulty);
      return disagreement.ok() && !disagreement->empty();
    };
    if (Count(nest, Opcode::kMul) == 0 || !fails(nest)) continue;
    const LoopNest small = ShrinkNest(nest, fails);
    EXPECT_EQ(Count(small, Opcode::kMul), 1) << small.ToString();
    EXPECT_LE(CountLines(small), 14) << small.ToString();
    EXPECT_TRUE(fails(small));
    EXPECT_EQ(ParseLoopNest(small.ToString())->ToString(), small.ToString());
    for (const BackEndUnderTest& good : AllBackEnds()) {
      EXPECT_EQ(*Disagreement(small, inputs, good), "") << good.name << "\n" << small.ToString();
    }
    ++shrunk;
  }
  EXPECT_EQ(shrunk, 3);
}

TEST(Disagreement, ACrashIsOne) {
  const LoopNest nest = RandomLoopNest(3, {});
  const RandomInputs inputs = MakeRandomInputs(nest, 3);
  const KernelFunction crash = [](const KernelArgs*, int64_t, int64_t, void*) { __builtin_trap(); };
  const absl::StatusOr<KernelOutcome> outcome = Execute({&nest, inputs.arguments, inputs.buffers}, crash);
  EXPECT_TRUE(absl::IsInternal(outcome.status())) << outcome.status();
}

TEST(ShrinkNest, StopsAtItsLimits) {
  const LoopNest nest = RandomLoopNest(3, {});
  int asked = 0;
  const LoopNest same = ShrinkNest(nest, [&](const LoopNest&) { return ++asked, false; }, {.attempts = 10});
  EXPECT_EQ(asked, 10);
  EXPECT_EQ(same.ToString(), nest.ToString());
}

}  // namespace
}  // namespace skein
