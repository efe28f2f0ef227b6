// What a group with reductions computes, before it is decided in which loops: its rows, its phases and where
// every value is needed, over placeholder coordinates.
//
// A row is a point of the dims that no reduction runs over. Reductions that do not depend on each other and run
// over the same extent share a phase; the results come after the last one.
#ifndef SKEIN_FUSION_ROW_GROUP_H_
#define SKEIN_FUSION_ROW_GROUP_H_

#include <map>
#include <optional>
#include <vector>

#include "fusion/domain.h"
#include "fusion/schedule.h"

namespace skein {

class RowGroup {
 public:
  struct Phase {
    int level;  // reductions on the longest chain up to and including these
    DimExpr extent;
    std::vector<NodeId> reductions;
  };
  struct Output {
    OutputPath path;
    Dims coords;       // of the core
    bool inner;        // stored once per element of the row (else once per row)
    BufferId buffer;
  };

  // `emitter` and `spec` outlive the result.
  // Errors: FailedPrecondition "SK13x: sentence" where the group is no set of rows.
  static absl::StatusOr<RowGroup> Find(Emitter& emitter, const GroupSpec& spec,
                                       const std::vector<NodeId>& reductions);

  const std::vector<Phase>& phases() const { return phases_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  const Domain& rows() const { return *rows_; }
  DimExpr final_extent() const { return final_extent_; }             // elements of a result's row
  const std::vector<Demand>& demands() const { return demands_; }    // users first
  bool IsReduction(NodeId node) const { return places_.contains(node); }

  // What a phase asks for; those of phases().size() are the results.
  std::vector<Demand> Roots(size_t phase) const;

  // Merges the loops over rows where every access allows it.
  absl::Status Collapse();
  // The same, and adds the output buffers.
  absl::Status Prepare();

  // Coordinates over placeholders -> over loops: rows at `row_coords` (of rows()), elements at `inner`.
  Dims At(std::span<const DimExpr> coords, std::span<const DimExpr> row_coords, DimExpr inner) const;
  Demand At(const Demand& d, std::span<const DimExpr> row_coords, DimExpr inner) const {
    return {d.value, At(d.coords, row_coords, inner), d.condition};
  }

  // Coordinates that run along a row.
  static bool IsInner(int coord);
  // The one extent along a row that a demand's coordinates run over, if there is one.
  static std::optional<DimExpr> InnerExtent(const Demand& d);

 private:
  RowGroup(Emitter& emitter, const GroupSpec& spec)
      : emitter_(&emitter), graph_(&emitter.graph()), spec_(&spec) {}

  absl::Status Analyze();
  absl::StatusOr<std::vector<Demand>> Walk(std::vector<Demand> roots);
  absl::Status PlaceOutput(const Dims& main_dims, const Dims& main_coords, Output* output);
  absl::Status FindPhases(size_t reductions);
  DimExpr Inner(DimExpr extent) const;
  DimExpr ExtentOf(NodeId reduction) const;
  Dims OperandCoords(NodeId reduction, Dims coords) const;
  bool SurelyInside(const Demand& d) const;

  Emitter* emitter_;
  const Graph* graph_;
  const GroupSpec* spec_;
  std::vector<Output> outputs_;
  mutable std::vector<DimExpr> inner_extents_;  // numbered as they are met
  std::map<NodeId, Dims> places_;          // result coordinates of each reduction
  std::optional<Domain> rows_;
  DimExpr final_extent_;
  std::vector<Demand> demands_;
  std::vector<Phase> phases_;
};

}  // namespace skein

#endif  // SKEIN_FUSION_ROW_GROUP_H_
