// Normalizations over the last axis.
#include "absl/strings/str_cat.h"
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

Value LayerNormOf(GraphMaker& g, Value x, int64_t columns) {
  return g.LayerNorm(x, g.Input("scale", {columns}), g.Input("bias", {columns}));
}

Graph LayerNorm(DimExpr rows, int64_t columns) {
  GraphMaker g;
  return g.Output(LayerNormOf(g, g.Input("x", {rows, columns}), columns));
}

Graph ResidualLayerNorm(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Dims dims = {rows, columns};
  const Value sum = g.Op2(Op::add, g.Input("x", dims), g.Input("residual", dims));
  return g.Output(LayerNormOf(g, sum, columns));
}

// The same with the sum as a second output, as the next block of a transformer needs it.
Graph ResidualLayerNormSum(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Dims dims = {rows, columns};
  const Value sum = g.Op2(Op::add, g.Input("x", dims), g.Input("residual", dims));
  return g.Outputs({LayerNormOf(g, sum, columns), sum});
}

Graph RmsNorm(DimExpr rows, int64_t columns) {
  GraphMaker g;
  return g.Output(g.RmsNorm(g.Input("x", {rows, columns}), g.Input("scale", {columns})));
}

}  // namespace

void AddNorms() {
  AddSizedCase({.name = "norm/layer_norm_768",
                .graph = LayerNorm,
                .columns = 768,
                .flops = 8,
                .rows = {128},
                .at_least_dram = 0.88});
  AddSizedCase({.name = "norm/residual_layer_norm_768",
                .graph = ResidualLayerNorm,
                .columns = 768,
                .flops = 9,
                .at_least_dram = 0.88,
                .at_least_l2 = 0.75});
  AddSizedCase({.name = "norm/residual_layer_norm_768_sum",
                .graph = ResidualLayerNormSum,
                .columns = 768,
                .flops = 9,
                .at_least_dram = 0.82});
  AddSizedCase({.name = "norm/rms_norm_1024",
                .graph = RmsNorm,
                .columns = 1024,
                .flops = 4,
                .at_least_dram = 0.88,
                .at_least_l2 = 0.88});
  for (const int64_t columns : {7, 13, 40}) {
    AddSizedCase({.name = absl::StrCat("norm/layer_norm_", columns),
                  .graph = LayerNorm,
                  .columns = columns,
                  .flops = 8,
                  .levels = {"L2", "DRAM"},
                  .at_least_dram = 0.60,
                  .at_least_l2 = 0.85});
  }
}

}  // namespace skein
