// What a run is given, before anything reads or writes it.
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
  const auto overlap = [&](const TensorView& a, int64_t a_bytes, const TensorView& b, int64_t b_bytes) {
    const auto* const a_begin = static_cast<const std::byte*>(a.data);
    const auto* const b_begin = static_cast<const std::byte*>(b.data);
    return a_begin < b_begin + b_bytes && b_begin < a_begin + a_bytes;
  };
  const auto output_bytes = [&](size_t i) { return binding.bytes[variant.output_values[i]]; };
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
    for (size_t j = 0; j < i; ++j) {
      if (output_bytes(j) > 0 && overlap(outputs[i], binding.bytes[value], outputs[j], output_bytes(j))) {
        return InvalidArgument("output '", name, "' overlaps output '", graph.outputs()[j].name, "'");
      }
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {  // the first values are the inputs
    const std::string& name = graph.inputs()[i].name;
    if (binding.bytes[i] == 0) continue;
    if (inputs[i].data == nullptr) return InvalidArgument("input '", name, "' has no data");
    for (size_t j = 0; j < outputs.size(); ++j) {
      if (output_bytes(j) > 0 && overlap(inputs[i], binding.bytes[i], outputs[j], output_bytes(j))) {
        return InvalidArgument("output '", graph.outputs()[j].name, "' overlaps input '", name, "'");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace skein
