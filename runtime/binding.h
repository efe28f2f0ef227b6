// A variant at given sizes: everything that a run needs and that does not change from run to run.
#ifndef SKEIN_RUNTIME_BINDING_H_
#define SKEIN_RUNTIME_BINDING_H_

#include <memory>
#include <vector>

#include "base/status.h"
#include "runtime/variant.h"

namespace skein {

struct GroupSizes {
  int first_argument = 0;   // into Binding::arguments
  int64_t tiles = 0;
  int tasks = 1;            // workers that share the tiles
  int64_t chunks = 1;       // ranges of tiles that they take in turn
  int64_t passes = 1;       // TilePasses: a range is the same part of each
  // Tiles of each pass in the first range, which the caller of the launch takes; where workers are far from it, first_far.
  int64_t first = 1, first_far = 1;
  int64_t bytes = 0, flops = 0;
};

struct Binding {
  Variant* variant = nullptr;
  std::vector<int64_t> symbols;             // in the binder's order
  SymbolValues symbol_map;
  std::vector<std::vector<int64_t>> dims;   // per value of the variant
  std::vector<int64_t> bytes;               // per value
  std::vector<int64_t> offsets;             // per value: into the memory of its place
  std::vector<int64_t> arguments;           // of all groups, one after another
  std::vector<GroupSizes> groups;
  int64_t arena_bytes = 0, program_bytes = 0, late_bytes = 0, binding_bytes = 0;
  int64_t scratch_bytes = 0;                // of one worker's slot, a multiple of 64
  OnceMemory binding_memory;
};

// Evaluates all sizes, divides tiles among `threads` workers and lays out memory.
// Errors: InvalidArgument naming a value with a negative dim; ResourceExhausted naming one that no
// memory can hold.
absl::StatusOr<std::unique_ptr<Binding>> BindSizes(Variant* variant, const SymbolBinder& binder,
                                                   std::vector<int64_t> symbols, int threads);

// How many workers a group's work is worth, and into how many ranges its tiles go; of several passes, one unless it
// matters. Never changes a result.
void DivideTiles(int threads, GroupSizes* sizes);

}  // namespace skein

#endif  // SKEIN_RUNTIME_BINDING_H_
