// Running sums along the last axis.
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

Graph CumulativeSum(DimExpr rows, int64_t columns) {
  GraphMaker g;
  return g.Output(g.Op1(Op::cumsum, g.Input("x", {rows, columns}), {{"axis", int64_t{1}}}));
}

}  // namespace

void AddScans() {
  AddSizedCase({.name = "scan/cumsum_4096",
                .graph = CumulativeSum,
                .columns = 4096,
                .flops = 1,
                .at_least_dram = 0.82,
                .resident_rows = 4});
}

}  // namespace skein
