// Locality: how far the memory is that a kernel works on, and what its loops do about it.
//
// Out of cache, a store that reads the line it overwrites, and a load that waits for its line, cost more than
// any arithmetic around them. So stores to large outputs bypass the caches, and loads are fetched ahead. In
// cache both cost time. Neither changes a result.
#ifndef SKEIN_FUSION_LOCALITY_H_
#define SKEIN_FUSION_LOCALITY_H_

#include <vector>

#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

struct Locality {
  std::vector<bool> streamed;  // per output (none if empty): stores bypass the caches
  bool far = false;            // inputs come from beyond L2, and are fetched ahead
  bool operator==(const Locality&) const = default;
};

// Marks the stores and inserts the prefetches that `locality` asks for. A stream of loads is fetched
//   - where one loop reads it: in that loop, its share of target.prefetch_bytes ahead; a single stream beside
//     stores that bypass the caches in two steps, further ahead into L2 and less far into L1;
//   - where a row is walked by several loops: one or more rows ahead, in loops that find the row in cache
//     already, so that memory is busy while nothing else needs it; into L2 where the row is too long for L1;
//   - where indices in memory select the row: some tiles ahead, from the index of that later tile, in two steps.
// Source: measured schedules of memory-bound kernels, docs/performance.md.
void ApplyLocality(const Locality& locality, const Target& target, LoopNest* nest);

}  // namespace skein

#endif  // SKEIN_FUSION_LOCALITY_H_
