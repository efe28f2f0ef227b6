// Graph -> Graph passes that run before planning. They are target-independent; whatever changes rounding
// happens here and nowhere later, so that every plan of the settled graph computes the same bits.
#ifndef SKEIN_FUSION_SETTLE_H_
#define SKEIN_FUSION_SETTLE_H_

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

// The whole pipeline, in the order of the array in settle.cc; each pass is verified.
absl::StatusOr<Graph> Settle(const Graph& graph);

struct Pass {
  const char* name;
  absl::StatusOr<Graph> (*run)(const Graph&);
};
std::span<const Pass> SettlePasses();

}  // namespace skein

#endif  // SKEIN_FUSION_SETTLE_H_
