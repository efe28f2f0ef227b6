// An iteration domain: the dims of a tensor, those of extent 1 dropped and adjacent ones merged into one loop
// where every access allows it.
#ifndef SKEIN_FUSION_DOMAIN_H_
#define SKEIN_FUSION_DOMAIN_H_

#include <span>
#include <vector>

#include "fusion/schedule.h"
#include "ir/dim_expr.h"
#include "ir/graph.h"

namespace skein {

class Domain {
 public:
  // `base` numbers the placeholders, so that several domains can be analyzed together.
  explicit Domain(Dims dims, int base = kPlaceholder) : dims_(std::move(dims)), base_(base) {
    for (size_t d = 0; d < dims_.size(); ++d) {
      if (dims_[d].IsConst(1)) {
        placeholders_.push_back(0);
        continue;
      }
      placeholders_.push_back(DimExpr::Coord(base + static_cast<int>(active_.size()), dims_[d]));
      active_.push_back(static_cast<int>(d));
      runs_.push_back({static_cast<int>(active_.size()) - 1, static_cast<int>(active_.size()) - 1});
    }
  }

  // One coordinate per dim, to analyze accesses with.
  const Dims& placeholders() const { return placeholders_; }

  void Collapse(std::span<const DimExpr> uses) { runs_ = CollapseDims(ActiveDims(), uses, base_); }

  int loop_count() const { return static_cast<int>(runs_.size()); }
  DimExpr extent(int loop) const {
    DimExpr product = 1;
    for (int i = runs_[loop].first; i <= runs_[loop].second; ++i) product = product * dims_[active_[i]];
    return product;
  }

  // An index of a loop, to analyze accesses with.
  DimExpr Placeholder(int loop) const { return DimExpr::Coord(base_ + kFirstLoop + loop, extent(loop)); }

  // Coordinates of the tensor for given loop indices.
  Dims Coords(std::span<const DimExpr> indices) const {
    Dims coords(dims_.size(), DimExpr(0));
    for (size_t loop = 0; loop < runs_.size(); ++loop) {
      Dims run;
      for (int i = runs_[loop].first; i <= runs_[loop].second; ++i) run.push_back(dims_[active_[i]]);
      Dims parts = Delinearize(indices[loop], run);
      for (size_t i = 0; i < parts.size(); ++i) coords[active_[runs_[loop].first + i]] = parts[i];
    }
    return coords;
  }

 private:
  static constexpr int kFirstLoop = 1000;  // past the numbers of dims and of merged dims
  Dims ActiveDims() const {
    Dims result;
    for (int d : active_) result.push_back(dims_[d]);
    return result;
  }
  Dims dims_, placeholders_;
  int base_;
  std::vector<int> active_;                  // dims that are not 1
  std::vector<std::pair<int, int>> runs_;    // of indices into active_
};

// Lanes of a vector loop over `extent`: 64, or the next power of two (at least 16) for short constant ones.
inline int LanesFor(DimExpr extent) {
  if (ProveLessEqual(extent, 16)) return 16;
  if (ProveLessEqual(extent, 32)) return 32;
  return 64;
}

}  // namespace skein

#endif  // SKEIN_FUSION_DOMAIN_H_
