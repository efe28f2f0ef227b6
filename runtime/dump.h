// What `skein dump` prints: a plan at each stage of its way to machine code.
#ifndef SKEIN_RUNTIME_DUMP_H_
#define SKEIN_RUNTIME_DUMP_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "fusion/plan.h"
#include "runtime/program.h"

namespace skein {

enum class EmitKind : uint8_t { kGraph, kLoops, kLlvm, kAsm };

// "graph", "loops", "llvm", "asm".
std::optional<EmitKind> ParseEmitKind(std::string_view name);

// The settled graph, or the loops, LLVM IR or assembly of one group or (without `group`) of all. A kernel
// that several groups share is printed once. Assembly is of the tier that a program would use.
// Errors: InvalidArgument for a group that is not there; what the back end says.
absl::StatusOr<std::string> EmitText(const Plan& plan, EmitKind kind, std::optional<int> group,
                                     const CompileOptions& options = {});

}  // namespace skein

#endif  // SKEIN_RUNTIME_DUMP_H_
