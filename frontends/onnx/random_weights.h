// Weights for a graph whose weight file is not there.
#ifndef SKEIN_FRONTENDS_ONNX_RANDOM_WEIGHTS_H_
#define SKEIN_FRONTENDS_ONNX_RANDOM_WEIGHTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"
#include "onnx/onnx_pb.h"

namespace skein {

// Draws `tensors`, initializers of `graph`, on two threads where there is much to do. The role of
// each is told by its first telling user, looking through transposes, casts and identities:
//   product or convolution    normal, deviation 1 / sqrt(fan-in): activations keep their variance
//   embedding table           normal, deviation 0.5
//   scale, variance, divisor  uniform in [0.5, 1.5)
//   index                     integers within the extent that it indexes
// and else by its rank: matrices as a product's, vectors normal with deviation 0.1. By name.
// Numerics: normals are the sum of four uniforms, cut at 3.5 deviations; each element depends on
// the seed, the tensor's name and its position only. Errors: InvalidArgument naming the tensor
// whose dims are wrong or that exceeds `max_bytes` in all.
absl::StatusOr<std::map<std::string, LiteralRef>> DrawWeights(
    const onnx::GraphProto& graph, const std::vector<const onnx::TensorProto*>& tensors,
    uint64_t seed, int64_t max_bytes);

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_RANDOM_WEIGHTS_H_
