// Kernels for the groups of a variant: from the cache, from a back end, or an interpreter.
#ifndef SKEIN_RUNTIME_COMPILE_KERNELS_H_
#define SKEIN_RUNTIME_COMPILE_KERNELS_H_

#include "base/status.h"
#include "runtime/program.h"
#include "runtime/variant.h"

namespace skein {

// Sets runner and kernel of every group, and the variant's counts. A kernel that no back end takes goes to
// an interpreter and is listed in variant->interpreted with the reason.
// Errors: whatever else than Unimplemented a back end reports.
absl::Status CompileKernels(const CompileOptions& options, Variant* variant);

// Why code for `target` cannot run here; empty if it can.
std::string WhyNotHere(const Target& target);

}  // namespace skein

#endif  // SKEIN_RUNTIME_COMPILE_KERNELS_H_
