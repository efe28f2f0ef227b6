// Kernels for the groups of a variant: from the cache, from a back end, or an interpreter.
#ifndef SKEIN_RUNTIME_COMPILE_KERNELS_H_
#define SKEIN_RUNTIME_COMPILE_KERNELS_H_

#include "base/status.h"
#include "runtime/program.h"
#include "runtime/variant.h"

namespace skein {

// Sets runner and kernel of every group, and the variant's counts. options.back_ends must be there. A kernel
// that a back end does not take goes to the other, and from there to an interpreter; it is listed in
// variant->interpreted with the reasons, and in variant->failures where a reason is no mere Unimplemented.
//   may_wait: leaves out what nobody calls before weights are packed, and the variant incomplete (Variant::complete).
void CompileKernels(const CompileOptions& options, bool may_wait, Variant* variant);

// Kernels of the groups that CompileKernels left out. Errors: why a back end did not take one; groups are as before then.
absl::Status CompileRest(const CompileOptions& options, Variant* variant);

// Why code for `target` cannot run here; empty if it can.
std::string WhyNotHere(const Target& target);

}  // namespace skein

#endif  // SKEIN_RUNTIME_COMPILE_KERNELS_H_
