// skein-bench compile: how long a parsed graph takes to become a program, and a LoopNest to become code.
#pragma once

#include <span>
#include <string>

#include "base/status.h"

namespace skein {

// For each ONNX file, or, without one, for a generated graph of 1,000 ops and 300 distinct kernels: the first
// Program::Compile of a process and the median of the next ones, which find no kernel in a cache, and the median time
// from a LoopNest to loaded code, for contractions and for all else. Weights whose file is missing are not drawn
// before they are read, which compiling does not. Each graph is compiled in a process of its own.
// Errors: whatever reading or compiling reports.
absl::Status PrintCompileTimes(std::span<const std::string> files, int threads);

}  // namespace skein
