// Sizes of inputs -> values of the graph's symbols.
#ifndef SKEIN_RUNTIME_SYMBOL_BINDING_H_
#define SKEIN_RUNTIME_SYMBOL_BINDING_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ir/dim_expr_eval.h"
#include "ir/graph.h"

namespace skein {

struct TensorView;

// How the dims of a graph's inputs determine its symbols: a dim that is a plain symbol gives it at once,
// one that is affine in a single unknown (`past + 1`, `2*n`) once the others are known.
class SymbolBinder {
 public:
  // Errors: InvalidArgument naming a symbol that the inputs mention but do not determine.
  static absl::StatusOr<SymbolBinder> Create(const Graph& graph);

  // The value of every symbol, in the order of names().
  // Errors: InvalidArgument naming the input: wrong count, rank, element type; a dim that no value fits;
  // a dim that conflicts with the value that an earlier input gave its symbols.
  absl::StatusOr<std::vector<int64_t>> Bind(std::span<const TensorView> inputs) const;

  const std::vector<std::string>& names() const { return names_; }
  int Slot(std::string_view name) const;  // -1: no such symbol
  SymbolValues ToMap(std::span<const int64_t> values) const;

 private:
  struct InputType {
    std::string name;
    ElementType element;
    Dims dims;
    std::vector<CompiledDimExpr> compiled;
  };
  // symbol = (dim - base) / stride, where base and stride mention only symbols of earlier steps.
  struct Step {
    int symbol, input, dim;
    CompiledDimExpr base, stride;
  };
  absl::Status CheckTypes(std::span<const TensorView> inputs) const;
  std::string SymbolText(DimExpr e, std::span<const int64_t> values) const;

  std::vector<std::string> names_;
  std::vector<InputType> inputs_;
  std::vector<Step> steps_;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_SYMBOL_BINDING_H_
