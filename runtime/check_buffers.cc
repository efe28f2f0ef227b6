// What a run is given, before anything reads or writes it.
#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_join.h"
#include "runtime/launch.h"

namespace skein {

bool HasInputTypes(const Binding& binding, std::span<const TensorView> inputs) {
  const Variant& variant = *binding.variant;
  if (inputs.size() != variant.plan.graph.inputs().size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {  // the first values are the inputs
    if (inputs[i].element != variant.values[i].element || inputs[i].dims != binding.dims[i]) return false;
  }
  return true;
}

absl::Status CheckBuffers(const Graph& graph, const Binding& binding, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) {
  const Variant& variant = *binding.variant;
  if (outputs.size() != variant.output_values.size()) {
    return InvalidArgument("the graph has ", variant.output_values.size(), " outputs, but ", outputs.size(),
                           " are given");
  }
  struct Range {
    const std::byte* begin;
    const std::byte* end;
    std::string_view name;
  };
  absl::InlinedVector<Range, 4> written;
  auto range = [](const TensorView& t, int64_t bytes, std::string_view name) {
    const auto* begin = static_cast<const std::byte*>(t.data);
    return Range{begin, begin + bytes, name};
  };
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int value = variant.output_values[i];
    const std::string& name = graph.outputs()[i].name;
    if (outputs[i].element != variant.values[value].element || outputs[i].dims != binding.dims[value]) {
      return InvalidArgument("output '", name, "' is ", Name(variant.values[value].element), "[",
                             absl::StrJoin(binding.dims[value], ", "), "], but ", Name(outputs[i].element), "[",
                             absl::StrJoin(outputs[i].dims, ", "), "] is given");
    }
    if (binding.bytes[value] == 0) continue;
    if (outputs[i].data == nullptr) return InvalidArgument("output '", name, "' has no memory");
    const Range mine = range(outputs[i], binding.bytes[value], name);
    for (const Range& other : written) {
      if (mine.begin < other.end && other.begin < mine.end) {
        return InvalidArgument("output '", name, "' overlaps output '", other.name, "'");
      }
    }
    written.push_back(mine);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {  // the first values are the inputs
    const std::string& name = graph.inputs()[i].name;
    if (binding.bytes[i] == 0) continue;
    if (inputs[i].data == nullptr) return InvalidArgument("input '", name, "' has no data");
    const Range mine = range(inputs[i], binding.bytes[i], name);
    for (const Range& other : written) {
      if (mine.begin < other.end && other.begin < mine.end) {
        return InvalidArgument("output '", other.name, "' overlaps input '", name, "'");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace skein
