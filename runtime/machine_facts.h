// Facts about a machine's memory, from a file instead of from guesses.
#ifndef SKEIN_RUNTIME_MACHINE_FACTS_H_
#define SKEIN_RUNTIME_MACHINE_FACTS_H_

#include <string_view>

#include "base/status.h"
#include "ir/target.h"

namespace skein {

// Overrides the facts of `target` that `text` has: lines `key = value  # comment`, as `skein-bench calibrate`
// prints them. Keys that are no field of Target are there for the reader.
// Errors: InvalidArgument naming the line: no `key = value`, or a number that is none or out of range.
// Numerics: none; facts change schedules, never a bit of a result.
absl::Status ReadMachineFacts(std::string_view text, Target* target);

}  // namespace skein

#endif  // SKEIN_RUNTIME_MACHINE_FACTS_H_
