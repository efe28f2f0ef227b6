// Elementwise kernels.
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

Graph Add(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Dims dims = {rows, columns};
  return g.Output(g.Op2(Op::add, g.Input("a", dims), g.Input("b", dims)));
}

Graph AddMulRelu(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Dims dims = {rows, columns};
  const Value sum = g.Op2(Op::add, g.Input("a", dims), g.Input("b", dims));
  return g.Output(g.Relu(g.Op2(Op::mul, sum, g.Input("c", dims))));
}

Graph Chain(DimExpr rows, int64_t columns) {
  GraphMaker g;
  return g.Output(g.Chain8(g.Input("x", {rows, columns})));
}

Graph BiasGelu(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Value x = g.Input("x", {rows, columns});
  return g.Output(g.Gelu(g.Op2(Op::add, x, g.Row(g.Input("bias", {columns}), x))));
}

Graph SwiGlu(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Value gate = g.Input("gate", {rows, columns});
  return g.Output(g.Op2(Op::mul, g.Silu(gate), g.Input("up", {rows, columns})));
}

// relu(f32(q) * scale + x), a scale per row.
Graph DequantizeAddRelu(DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Dims dims = {rows, columns};
  const Value q = g.Cast(g.Input("q", dims, ElementType::kI8), ElementType::kF32);
  const Value scaled = g.Op2(Op::mul, q, g.Repeat(g.Input("scale", {rows, 1}), q));
  return g.Output(g.Relu(g.Op2(Op::add, scaled, g.Input("x", dims))));
}

}  // namespace

void AddPointwise() {
  struct Row {
    const char* name;
    Graph (*graph)(DimExpr, int64_t);
    int64_t columns;
    double flops;
    double at_least_dram;
  };
  for (const Row& row : {Row{"add", Add, 1024, 1, 0.88},
                         {"add_mul_relu", AddMulRelu, 1024, 3, 0.88},
                         {"chain8", Chain, 1024, 9, 0.88},
                         {"bias_gelu", BiasGelu, 3072, kTranscendental + 5, 0.88},
                         {"swiglu", SwiGlu, 2816, kTranscendental + 2, 0.82},
                         {"dequantize_add_relu", DequantizeAddRelu, 4096, 3, 0.88}}) {
    AddSizedCase({.name = std::string("pointwise/") + row.name,
                  .graph = row.graph,
                  .columns = row.columns,
                  .flops = row.flops,
                  .levels = {"L1", "L2", "L3", "DRAM"},
                  .at_least_dram = row.at_least_dram,
                  .at_least_l2 = 0.88});
  }
  // One layer of BERT base at 128 tokens.
  AddSizedCase({.name = "pointwise/add", .graph = Add, .columns = 768, .flops = 1, .levels = {}, .rows = {128}});
  AddSizedCase({.name = "pointwise/bias_gelu",
                .graph = BiasGelu,
                .columns = 3072,
                .flops = kTranscendental + 5,
                .levels = {},
                .rows = {128}});
}

}  // namespace skein
