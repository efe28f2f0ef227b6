// ONNX files to Graph: parse, check, expand functions and composites to primitives, infer shapes.
#ifndef SKEIN_FRONTENDS_ONNX_IMPORT_H_
#define SKEIN_FRONTENDS_ONNX_IMPORT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

struct ImportOptions {
  // Draws every weight whose external file is missing from this seed, by its role: matrices normal
  // with deviation 1/sqrt(fan-in), embeddings normal, scales and variances positive, indices in the
  // range of what they index. Without it a missing file is an error.
  std::optional<uint64_t> random_weights_seed;
  // Inputs that have this value instead of being inputs of the Graph: a shape or a list of axes
  // that is an input in the file can be known this way. By name.
  std::map<std::string, LiteralRef> fixed_inputs;
  // Symbols of named dims that are this from the start, so that nothing is assumed of them: how a graph
  // is built again for sizes that its guards rule out (CompileOptions::rebuild).
  SymbolMap fixed_symbols;
  // What drawn weights may take in all, so that a small file cannot ask for all memory.
  int64_t max_random_weight_bytes = int64_t{8} << 30;
  // Nodes after functions are expanded: a few nested functions can stand for millions.
  int64_t max_nodes = 1'000'000;
};

// Reads the model at `path`. External data is memory-mapped and must lie in the model's folder.
// Named dims become symbols; dims without a name become `<input>.<axis>`.
// Errors: InvalidArgument (a broken file, a wrong shape or type, data outside the folder) and
// Unimplemented (an operator, type or mode that Skein does not have, a data-dependent shape); each
// names the node, its operator and the value at fault.
absl::StatusOr<Graph> ImportOnnx(const std::string& path, const ImportOptions& options = {});

// The same from memory. `folder` is where external data lies; empty: there is none.
absl::StatusOr<Graph> ImportOnnxBytes(std::string_view bytes, const std::string& folder,
                                      const ImportOptions& options = {});

// Operators that can be imported, sorted; "domain.Name" where the domain is not ai.onnx.
std::vector<std::string> SupportedOnnxOps();

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_IMPORT_H_
