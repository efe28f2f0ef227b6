#include "fusion/choose_locality.h"

#include <algorithm>

namespace skein {

std::vector<Locality> ChooseLocalities(const Plan& plan, const Target& target, std::span<const GroupBytes> bytes,
                                       const std::function<int64_t(Value)>& size) {
  // Sizes saturate where no memory could hold them; their sums must not overflow.
  auto total = [](const GroupBytes& b) {
    constexpr int64_t kMost = int64_t{1} << 50;
    return std::min(b.read, kMost) + std::min(b.written, kMost);
  };
  std::vector<Locality> result(plan.groups.size());
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    const Group& group = plan.groups[g];
    if (group.phase != Phase::kRun || group.nest == nullptr || group.kind == "dot") continue;
    result[g].far = total(bytes[g]) > target.l2_bytes;
    if (bytes[g].written < std::min(target.stream_output_bytes, target.stream_intermediate_bytes)) continue;
    bool any = false;
    for (Value output : group.outputs) {
      // What runs between here and the first reader pushes the output out of the caches.
      int64_t between = 0;
      bool read = false;
      for (size_t i = g + 1; i < plan.groups.size() && !read && between < target.stream_intermediate_bytes; ++i) {
        const std::vector<Value>& inputs = plan.groups[i].inputs;
        read = std::find(inputs.begin(), inputs.end(), output) != inputs.end();
        if (!read) between += total(bytes[i]);
      }
      const bool soon = read && between < target.stream_intermediate_bytes;
      result[g].streamed.push_back(size(output) >=
                                   (soon ? target.stream_intermediate_bytes : target.stream_output_bytes));
      any = any || result[g].streamed.back();
    }
    if (!any) result[g].streamed.clear();
  }
  return result;
}

absl::Status ScheduleForLocalities(const Target& target, std::span<const Locality> localities, Plan* plan) {
  for (size_t g = 0; g < plan->groups.size(); ++g) {
    if (localities[g] == Locality()) continue;
    Group& group = plan->groups[g];
    const std::vector<Value> inputs = group.inputs;
    auto boundary = [&](Value v) { return std::find(inputs.begin(), inputs.end(), v) != inputs.end(); };
    SKEIN_ASSIGN_OR_RETURN(Group again,
                           Schedule(plan->graph, {group.outputs, boundary, localities[g]}, target));
    if (again.inputs != group.inputs) {
      return Internal("the kernel of ", OriginText(plan->graph, group.outputs[0].node),
                      " reads other memory when it is scheduled for another locality");
    }
    again.phase = group.phase;
    group = std::move(again);
  }
  return absl::OkStatus();
}

absl::Status SettleLocality(const Target& target, Plan* plan) {
  std::vector<GroupBytes> bytes;
  for (const Group& group : plan->groups) {
    bytes.push_back({group.bytes_read.AsConst().value_or(0), group.bytes_written.AsConst().value_or(0)});
  }
  const std::vector<Locality> localities = ChooseLocalities(*plan, target, bytes, [&](Value v) {
    const TensorType& type = plan->graph.type(v);
    return BytesFor(type.element, Product(type.dims).AsConst().value_or(0));
  });
  return ScheduleForLocalities(target, localities, plan);
}

}  // namespace skein
