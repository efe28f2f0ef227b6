#include "tests/codegen/random_nests.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "codegen/legalize.h"
#include "ir/random_loop_nest.h"
#include "tests/codegen/shrink_nest.h"

namespace skein {
namespace {

constexpr char kFolder[] = SKEIN_SOURCE_DIR "/tests/codegen/nests";
constexpr char kWhy[] = "# why: ", kInputs[] = "# inputs: ";

KernelCase CaseOf(const LoopNest& nest, uint64_t seed) {
  RandomInputs inputs = MakeRandomInputs(nest, seed);
  return {&nest, std::move(inputs.arguments), std::move(inputs.buffers)};
}

// The kind of a disagreement: a smaller nest with another fault is not what is looked for.
std::string Kind(const std::string& disagreement) { return disagreement.substr(0, disagreement.find(':')); }

}  // namespace

absl::StatusOr<std::string> Disagreement(const LoopNest& nest, std::span<const uint64_t> input_seeds,
                                         const BackEndUnderTest& back_end) {
  // The interpreter comes first: code does not check its accesses.
  std::vector<KernelCase> cases;
  std::vector<KernelOutcome> wanted;
  for (uint64_t seed : input_seeds) {
    cases.push_back(CaseOf(nest, seed));
    SKEIN_ASSIGN_OR_RETURN(KernelOutcome want, Interpret(cases.back(), nest));
    wanted.push_back(std::move(want));
  }
  const absl::StatusOr<LoopNest> legal = Legalize(nest, back_end.target);
  const absl::Status verified = legal.ok() ? Verify(*legal) : legal.status();
  if (!verified.ok()) return absl::StrCat("legalization: ", std::string(verified.message()));
  const NamedNest named{&nest, "kernel"};
  const absl::StatusOr<ObjectCode> object = back_end.generate({&named, 1}, back_end.target);
  if (!object.ok()) return absl::StrCat("generation: ", std::string(object.status().message()));
  SKEIN_ASSIGN_OR_RETURN(const auto loaded, LoadedCode::Load(*object));
  for (size_t i = 0; i < cases.size(); ++i) {
    const absl::StatusOr<KernelOutcome> interpreted = Interpret(cases[i], *legal);
    if (!interpreted.ok()) return absl::StrCat("legalized: ", std::string(interpreted.status().message()));
    std::string difference = Difference(nest, wanted[i], *interpreted);
    if (!difference.empty()) return absl::StrCat("legalized: ", difference);
    const absl::StatusOr<KernelOutcome> executed = Execute(cases[i], loaded->entry(0));
    if (!executed.ok()) return absl::StrCat("crash: ", std::string(executed.status().message()));
    difference = Difference(nest, wanted[i], *executed);
    if (!difference.empty()) return absl::StrCat("code: ", difference);
  }
  return "";
}

void CheckRandomNest(uint64_t seed, const BackEndUnderTest& back_end) {
  RandomOptions options;
  options.odd_lanes = seed % 4 == 3;
  const LoopNest nest = RandomLoopNest(seed, options);
  ASSERT_TRUE(Verify(nest).ok()) << "seed " << seed << ": " << Verify(nest) << "\n" << nest.ToString();
  const std::vector<uint64_t> inputs = {seed, seed + 1000, seed + 2000};
  const absl::StatusOr<std::string> disagreement = Disagreement(nest, inputs, back_end);
  ASSERT_TRUE(disagreement.ok()) << "seed " << seed << ": " << disagreement.status() << "\n" << nest.ToString();
  if (disagreement->empty()) return;

  // A smaller nest reads its inputs from other places, so more of them are tried.
  SavedNest saved{.name = absl::StrCat(back_end.name, "_", seed), .input_seeds = inputs};
  for (uint64_t more = 1; more <= 4; ++more) saved.input_seeds.push_back(more);
  saved.nest = ShrinkNest(nest, [&](const LoopNest& smaller) {
    const absl::StatusOr<std::string> other = Disagreement(smaller, saved.input_seeds, back_end);
    return other.ok() && Kind(*other) == Kind(*disagreement);
  });
  saved.why = *Disagreement(saved.nest, saved.input_seeds, back_end);
  const std::string path = absl::StrCat(kFolder, "/", saved.name, ".nest");
  std::filesystem::create_directories(kFolder);
  std::ofstream(path) << SavedText(saved);
  ADD_FAILURE() << back_end.name << ", seed " << seed << ": " << *disagreement << "\nshrunk from " << CountLines(nest)
                << " to " << CountLines(saved.nest) << " lines, " << path << ":\n"
                << SavedText(saved);
}

std::string SavedText(const SavedNest& saved) {
  return absl::StrCat(kWhy, saved.why, "\n", kInputs, absl::StrJoin(saved.input_seeds, " "), "\n",
                      saved.nest.ToString());
}

absl::StatusOr<SavedNest> ParseSavedNest(const std::string& name, const std::string& text) {
  SavedNest saved{.name = name};
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kWhy)) saved.why = line.substr(sizeof(kWhy) - 1);
    if (!line.starts_with(kInputs)) continue;
    for (absl::string_view word : absl::StrSplit(line.substr(sizeof(kInputs) - 1), ' ')) {
      uint64_t seed;
      if (!absl::SimpleAtoi(word, &seed)) return InvalidArgument(name, ": '", std::string(word), "' is no seed");
      saved.input_seeds.push_back(seed);
    }
  }
  if (saved.input_seeds.empty()) return InvalidArgument(name, " names no inputs");
  absl::StatusOr<LoopNest> nest = ParseLoopNest(text);
  if (!nest.ok()) return Annotate(nest.status(), name);
  saved.nest = *std::move(nest);
  return saved;
}

absl::StatusOr<std::vector<SavedNest>> ReadSavedNests() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<SavedNest> nests;
  for (const std::string& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    SKEIN_ASSIGN_OR_RETURN(SavedNest saved, ParseSavedNest(std::filesystem::path(path).stem(), text.str()));
    nests.push_back(std::move(saved));
  }
  return nests;
}

}  // namespace skein
