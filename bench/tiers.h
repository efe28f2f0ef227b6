// Xbyak's code beside LLVM's, for `skein-bench --tiers`.
#pragma once

#include <benchmark/benchmark.h>

#include "bench/rows.h"

namespace skein {

// Compiles the row's graph in both tiers and writes Xbyak's seconds and its speed, LLVM's being 1, into the one iteration.
// How fast either runs depends on where the buffers lie, up to a fifth, and not on both alike. So there are two sets of
// them, and both kernels run on each. A set's ratio is the median of those of single rounds, for a slow phase of the
// machine hits neighbours alike; the row's is the geometric mean of both, which are printed too.
// Errors: what compiling reports; Unimplemented if the fast tier interprets some of the graph.
absl::Status MeasureTiers(const GraphRow& row, benchmark::State& state);

// Adds the row of the ratios' geometric mean, after all others.
void AddTierSummary();

}  // namespace skein
