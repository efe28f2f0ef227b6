// Softmax over the last axis: rows of a few vectors, long ones, short ones, masked ones.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

Graph Softmax(DimExpr rows, int64_t columns) {
  GraphMaker g;
  return g.Output(g.Softmax(g.Input("x", {rows, columns})));
}

Graph LogSoftmax(DimExpr rows, int64_t columns) {
  GraphMaker g;
  return g.Output(g.LogSoftmax(g.Input("x", {rows, columns})));
}

// Scores of attention: every `columns` rows have the same mask of [columns, columns]. Fewer rows
// than that have that many rows of it, and so has an unknown number.
Graph ScaleMaskSoftmax(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const int64_t heads = std::max<int64_t>(1, rows.AsConst().value_or(1) / columns);
  const DimExpr queries = heads > 1 ? DimExpr(columns) : rows.IsConst() ? Min(rows, columns) : rows;
  const Value x = g.Input("x", {heads, queries, columns});
  const Value mask = g.Repeat(g.Input("mask", {1, queries, columns}), x);
  return g.Output(g.Softmax(g.Op2(Op::add, g.Times(x, 0.125), mask)));
}

// The mask of a decoder: -infinity right of the diagonal. Its exponentials underflow to exactly 0,
// which must not cost more than others.
bool FillCausal(std::string_view name, const TensorView& view) {
  if (name != "mask") return false;
  const int64_t rows = view.dims[1], columns = view.dims[2];
  float* mask = static_cast<float*>(view.data);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      mask[i * columns + j] = j > i ? -std::numeric_limits<float>::infinity() : 0;
    }
  }
  return true;
}

}  // namespace

void AddSoftmax() {
  for (const int64_t columns : {512, 1024}) {
    AddSizedCase({.name = absl::StrCat("softmax/", columns),
                  .graph = Softmax,
                  .columns = columns,
                  .flops = kTranscendental + 4,
                  .at_least_dram = 0.88,
                  .at_least_l2 = 0.88});
  }
  AddSizedCase({.name = "softmax",  // the scores of one layer of BERT base at 128 tokens
                .graph = Softmax,
                .columns = 128,
                .flops = kTranscendental + 4,
                .levels = {},
                .rows = {12 * 128}});
  for (const int64_t columns : {7, 13, 40}) {
    AddSizedCase({.name = absl::StrCat("softmax/", columns),
                  .graph = Softmax,
                  .columns = columns,
                  .flops = kTranscendental + 4,
                  .levels = {"L2", "DRAM"},
                  .at_least_dram = 0.72,
                  .at_least_l2 = 0.85});
  }
  AddSizedCase({.name = "softmax/scale_mask_512",
                .graph = ScaleMaskSoftmax,
                .columns = 512,
                .flops = kTranscendental + 6,
                .levels = {"L2", "DRAM"},
                .at_least_dram = 0.82,
                .at_least_l2 = 0.88});
  AddSizedCase({.name = "softmax/scale_mask_512_causal",
                .graph = ScaleMaskSoftmax,
                .columns = 512,
                .flops = kTranscendental + 6,
                .levels = {"L2", "DRAM"},
                .at_least_dram = 0.82,
                .fill = FillCausal});
  AddSizedCase({.name = "softmax/log_32000",
                .graph = LogSoftmax,
                .columns = 32000,
                .flops = kTranscendental + 4,
                .levels = {"L2", "DRAM"},
                .at_least_dram = 0.70});
}

}  // namespace skein
