// skein-bench calibrate: what schedules want to know of a machine, measured.
#pragma once

#include "base/status.h"

namespace skein {

// Prints one `key = value  # how measured` per line. Keys that are fields of Target (ir/target.h)
// have their names. On one thread; takes some ten seconds. Errors: whatever compiling a kernel
// reports.
absl::Status Calibrate();

}  // namespace skein
