// Is what the kernels computed right? Two checks: each launch against the f64 reference on the very inputs
// that it saw, within the bound that the reference computes alongside (this decides), and the whole
// graph's outputs against the reference from the inputs (this informs).
#ifndef SKEIN_RUNTIME_VERIFY_H_
#define SKEIN_RUNTIME_VERIFY_H_

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"
#include "ir/graph_interpreter.h"
#include "runtime/program.h"

namespace skein {

// One tensor against its reference.
struct TensorComparison {
  bool passed = true;
  std::string message;         // of the first element at fault: where, what came, what was expected
  double worst_ratio = 0;      // |got - reference| / bound
  double worst_ulp = 0;        // of the element type, at the reference
  double worst_absolute = 0, worst_relative = 0;
  double cosine = 1;           // of the two tensors as vectors; 1 if both are zero
  int64_t elements = 0;
};

// Compares by `reference.error`. Elements where both are NaN, or the same infinity, are equal. Fails where
//   * an element lies outside its bound, or is non-finite where the reference (rounded to the element
//     type) is finite, or the other way round;
//   * the tensor is constant where the reference is not, beyond what the bounds allow;
//   * every element of the reference is NaN, or every bound infinite: that proves nothing.
// With `within_bounds` false, distances are only measured; the other rules decide.
TensorComparison Compare(const RefTensor& reference, const void* got, bool within_bounds = true);

struct GroupCheck {
  int group;                   // of the plan that ran
  std::string kind;
  std::string nodes;           // the user's names, the first few
  TensorComparison worst;            // of the group's outputs
};

struct OutputCheck {
  std::string name;
  TensorComparison comparison;
};

struct VerifyReport {
  bool passed = true;
  std::vector<GroupCheck> groups;
  std::vector<OutputCheck> outputs;   // empty without end_to_end
  std::string ToString() const;       // a line per fault, then a line per output
};

struct VerifyOptions {
  int threads = 1;          // of the reference
  bool end_to_end = true;   // `graph` as a whole, too
  // Groups of Phase::kProgram (packed weights) too. What they left does not change between the runs of a
  // program, so once for each of its variants is enough.
  bool program_groups = true;
};

// Runs the program once and checks every launch. Inputs and outputs as for Program::Run.
//   graph: what the program was compiled from.
// Errors: what Run and the reference report; a difference is no error but in the report.
absl::StatusOr<VerifyReport> VerifyProgram(Program& program, const Graph& graph, std::span<const TensorView> inputs,
                                           std::span<const TensorView> outputs, const VerifyOptions& options = {});

}  // namespace skein

#endif  // SKEIN_RUNTIME_VERIFY_H_
