#include "fusion/planner_cost.h"

namespace skein {

double NominalElements(const TensorType& type) {
  constexpr int64_t kNominal = 128;
  const DimExpr elements = Product(type.dims);
  SymbolValues symbols;
  VisitLeaves(elements, [&](DimExpr leaf) {
    if (leaf.kind() == DimKind::kSymbol) symbols[std::string(leaf.symbol())] = kNominal;
  });
  absl::StatusOr<int64_t> v = Evaluate(elements, symbols);
  return v.ok() ? static_cast<double>(*v) : 0;
}

double NominalBytes(const TensorType& type) { return NominalElements(type) * BitWidth(type.element) / 8; }

}  // namespace skein
