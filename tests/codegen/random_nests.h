// Random nests through a back end; those that fail are shrunk and kept.
#ifndef SKEIN_TESTS_CODEGEN_RANDOM_NESTS_H_
#define SKEIN_TESTS_CODEGEN_RANDOM_NESTS_H_

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/target.h"
#include "tests/codegen/kernel_harness.h"

namespace skein {

struct BackEndUnderTest {
  std::string name;
  Generator generate;
  Target target;
};

// Where interpreter, interpreter on the legalized nest and generated code first differ, on random inputs of each of
// these seeds; "" if nowhere. Errors: of the interpreter, such as an access out of bounds: nothing was compared.
absl::StatusOr<std::string> Disagreement(const LoopNest& nest, std::span<const uint64_t> input_seeds,
                                         const BackEndUnderTest& back_end);

// Runs the random nest of `seed` and expects no disagreement. If there is one, the nest is shrunk, printed, and saved
// in tests/codegen/nests, whose nests RegressionNests runs from then on.
void CheckRandomNest(uint64_t seed, const BackEndUnderTest& back_end);

// A saved nest: its text, behind comments.
struct SavedNest {
  std::string name, why;
  std::vector<uint64_t> input_seeds;
  LoopNest nest;
};
std::string SavedText(const SavedNest& saved);
absl::StatusOr<SavedNest> ParseSavedNest(const std::string& name, const std::string& text);
// Those of tests/codegen/nests.
absl::StatusOr<std::vector<SavedNest>> ReadSavedNests();

}  // namespace skein

#endif  // SKEIN_TESTS_CODEGEN_RANDOM_NESTS_H_
