// Which instructions stand beside which line of a nest, in both tiers.
#include "codegen/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "ir/random_loop_nest.h"
#include "tests/codegen/sample_nests.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Tier {
  const char* name;
  absl::StatusOr<Listing> (*list)(const NamedNest&, const Target&);
  absl::StatusOr<ObjectCode> (*generate)(std::span<const NamedNest>, const Target&);
};
constexpr Tier kXbyak = {"xbyak", ListXbyak, GenerateXbyak}, kLlvm = {"llvm", ListLlvm, GenerateLlvm};

class ListingTest : public testing::TestWithParam<Tier> {
 protected:
  void SetUp() override {
    if (!HaveLlvm() || !HaveXbyak()) GTEST_SKIP() << "needs LLVM's disassembler and both back ends";
  }
  static Listing List(const LoopNest& nest) {
    absl::StatusOr<Listing> listing = GetParam().list({&nest, "kernel"}, Target{.isa = Isa::kAvx512});
    EXPECT_TRUE(listing.ok()) << listing.status();
    return *std::move(listing);
  }
};

// The text of all instructions that compute the lines that contain `part`.
std::string CodeOf(const Listing& listing, const std::string& part) {
  const std::vector<Instruction> instructions = *Decode(listing.object, 0);
  std::string code;
  for (const Instruction& i : instructions) {
    const auto next = std::find_if(listing.marks.begin(), listing.marks.end(),
                                   [&](const CodeMark& mark) { return mark.offset > i.offset; });
    const CodeMark& mark = *(next - 1);
    if (mark.line < 0 || !mark.note.empty() || listing.lines[mark.line].find(part) == std::string::npos) continue;
    code += i.text + "\n";
  }
  return code;
}

// Every operation has another instruction, so that a map that is one off is seen.
TEST_P(ListingTest, OperationsStandBesideTheirInstructions) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, ElementType::kF32, n * 16);
  const BufferId y = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, n * 16);
  const BufferId sums = b.AddBuffer(BufferKind::kOutput, ElementType::kI32, n * 16);
  const DimExpr i = b.BeginLoop(LoopKind::kSerial, n);
  const ValueId a = b.Load(x, i * 16, 16);
  const ValueId square = b.Mul(a, a);
  const ValueId root = b.Unary(Opcode::kSqrt, square);
  const ValueId rest = b.Sub(root, a);
  const ValueId ratio = b.Div(rest, square);
  b.Store(y, i * 16, ratio);
  const ValueId whole = b.Convert(ElementType::kI32, ratio);
  const ValueId flipped = b.Binary(Opcode::kXor, whole, b.Bitcast(ElementType::kI32, a));
  b.Store(sums, i * 16, flipped);
  b.EndLoop();
  const Listing listing = List(nest);
  const std::map<std::string, std::string> instruction_of = {
      {"= load ", "vmovups"}, {"= mul ", "vmulps"},        {"= sqrt ", "vsqrtps"}, {"= sub ", "vsubps"},
      {"= div ", "vdivps"},   {"= convert ", "vcvttps2dq"}, {"= xor ", "vpxor"},    {"store b1", "vmovups"}};
  for (const auto& [line, mnemonic] : instruction_of) {
    const std::string code = CodeOf(listing, line);
    const bool is_xor = mnemonic == "vpxor";
    EXPECT_THAT(code, HasSubstr(is_xor ? "xor" : mnemonic)) << line << "\n" << *ListingText(listing);
    for (const auto& [other, other_mnemonic] : instruction_of) {
      if (other_mnemonic == mnemonic) continue;
      EXPECT_THAT(code, Not(HasSubstr(other_mnemonic + "\t"))) << line << "\n" << *ListingText(listing);
    }
  }
  EXPECT_THAT(CodeOf(listing, "= load "), HasSubstr("zmmword ptr"));
  EXPECT_THAT(CodeOf(listing, "store b1"), Not(HasSubstr(", zmmword ptr"))) << "a store, not a load";
}

// What is asked for a listing changes no byte of the code.
TEST_P(ListingTest, IsOfTheSameCode) {
  std::vector<LoopNest> nests = {GemmTileNest(6, 64), NormalizeRowsNest(), PointwiseNest(-1, true), ShuffleNest(),
                                 GatherNest(ElementType::kF32), IndexNest()};
  for (uint64_t seed = 0; seed < 5; ++seed) nests.push_back(RandomLoopNest(seed, {}));
  for (const LoopNest& nest : nests) {
    const NamedNest named{&nest, "kernel"};
    const Listing listing = List(nest);
    const absl::StatusOr<ObjectCode> object = GetParam().generate({&named, 1}, Target{.isa = Isa::kAvx512});
    ASSERT_TRUE(object.ok()) << object.status();
    ASSERT_EQ(listing.object.code, object->code) << nest.ToString();
    ASSERT_EQ(listing.object.data, object->data) << nest.ToString();
  }
}

TEST_P(ListingTest, MarksAreInOrderAndEveryStoreHasCode) {
  for (const LoopNest& nest : {GemmTileNest(6, 64), NormalizeRowsNest(), PointwiseNest(-1, true)}) {
    const Listing listing = List(nest);
    ASSERT_FALSE(listing.marks.empty());
    EXPECT_EQ(listing.marks[0].offset, 0u);
    EXPECT_TRUE(std::is_sorted(listing.marks.begin(), listing.marks.end(),
                               [](const CodeMark& a, const CodeMark& b) { return a.offset < b.offset; }));
    for (const std::string& line : listing.lines) {
      if (line.starts_with("store ")) {
        EXPECT_NE(CodeOf(listing, line), "") << line << "\n" << *ListingText(listing);
      }
    }
  }
}

TEST_P(ListingTest, TextShowsWhatHasNoInstruction) {
  const std::string text = *ListingText(List(PointwiseNest()));
  // A constant and a load that are operands of an instruction stand beside it.
  EXPECT_THAT(text, HasSubstr("   with %"));
  EXPECT_THAT(text, HasSubstr("= const f32x16 0x40200000"));
  EXPECT_THAT(text, HasSubstr("; enter serial"));
  EXPECT_THAT(text, HasSubstr("; next serial"));
  EXPECT_THAT(text, HasSubstr(" for %"));
}

INSTANTIATE_TEST_SUITE_P(Tiers, ListingTest, testing::Values(kXbyak, kLlvm),
                         [](const auto& info) { return std::string(info.param.name); });

// The register allocator's own moves are named as such, with what they move.
TEST(XbyakListing, SpillsAndReloadsSayOfWhat) {
  if (!HaveXbyak()) GTEST_SKIP() << "needs Xbyak";
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, 16 * 40);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, 16 * 40);
  std::vector<ValueId> values;
  for (int i = 0; i < 40; ++i) values.push_back(b.Unary(Opcode::kSqrt, b.Load(in, 16 * i, 16)));
  for (int i = 0; i < 40; ++i) b.Store(out, 16 * i, b.Add(values[i], values[39 - i]));
  const absl::StatusOr<Listing> listing = ListXbyak({&nest, "kernel"}, Target{.isa = Isa::kAvx512});
  ASSERT_TRUE(listing.ok()) << listing.status();
  int spills = 0, reloads = 0;
  for (const CodeMark& mark : listing->marks) {
    if (mark.note.starts_with("spill of ")) ++spills;
    if (mark.note.starts_with("reload of ")) ++reloads;
    if (!mark.note.starts_with("spill of %") && !mark.note.starts_with("reload of %")) continue;
    // What is spilled is a square root.
    const std::string value = mark.note.substr(mark.note.find('%')) + " = sqrt";
    EXPECT_TRUE(std::any_of(listing->lines.begin(), listing->lines.end(),
                            [&](const std::string& line) { return line.starts_with(value); }))
        << mark.note;
  }
  EXPECT_GE(spills, 8);
  EXPECT_GE(reloads, spills);
}

}  // namespace
}  // namespace skein
