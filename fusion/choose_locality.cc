#include "fusion/choose_locality.h"

#include <algorithm>

namespace skein {

Locality ChooseLocality(const Plan& plan, size_t group, const Target& target,
                        const std::function<std::optional<int64_t>(DimExpr)>& size) {
  const Group& g = plan.groups[group];
  Locality result;
  if (g.phase != Phase::kRun || g.kind == "dot" || !g.nest.root.valid()) return result;
  auto bytes = [&](DimExpr e) { return size(e).value_or(0); };
  result.far = bytes(g.bytes_read) + bytes(g.bytes_written) > target.l2_bytes;
  bool any = false;
  for (Value output : g.outputs) {
    // What runs between here and the first reader pushes the output out of the caches.
    int64_t between = 0;
    bool read = false;
    for (size_t i = group + 1; i < plan.groups.size() && !read; ++i) {
      const Group& later = plan.groups[i];
      read = std::find(later.inputs.begin(), later.inputs.end(), output) != later.inputs.end();
      if (!read) between += bytes(later.bytes_read) + bytes(later.bytes_written);
    }
    const bool soon = read && between < target.stream_intermediate_bytes;
    const TensorType& type = plan.graph.type(output);
    const int64_t written = BytesFor(type.element, bytes(Product(type.dims)));
    const bool streamed = written >= (soon ? target.stream_intermediate_bytes : target.stream_output_bytes);
    any = any || streamed;
    result.streamed.push_back(streamed);
  }
  if (!any) result.streamed.clear();
  return result;
}

absl::StatusOr<Group> Reschedule(const Graph& graph, const Group& group, const Target& target,
                                 const Locality& locality) {
  auto boundary = [&](Value v) {
    return std::find(group.inputs.begin(), group.inputs.end(), v) != group.inputs.end();
  };
  SKEIN_ASSIGN_OR_RETURN(Group result, Schedule(graph, {group.outputs, boundary, locality}, target));
  result.phase = group.phase;
  return result;
}

absl::Status SettleLocality(const Target& target, Plan* plan) {
  for (size_t i = 0; i < plan->groups.size(); ++i) {
    const Locality locality =
        ChooseLocality(*plan, i, target, [](DimExpr e) { return e.AsConst(); });
    if (locality == Locality()) continue;
    SKEIN_ASSIGN_OR_RETURN(plan->groups[i], Reschedule(plan->graph, plan->groups[i], target, locality));
  }
  return absl::OkStatus();
}

}  // namespace skein
