// Kernels that Skein makes, over sizes from a BERT layer's to memory's.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/families.h"
#include "bench/graph_case.h"

namespace skein {
namespace {

constexpr double kTranscendental = 20;  // flops, DESIGN section 6

struct Shape {
  int64_t rows, columns;
  double elements() const { return static_cast<double>(rows * columns); }
  size_t bytes() const { return static_cast<size_t>(rows * columns) * sizeof(float); }
  std::string text() const { return absl::StrCat(rows, "x", columns); }
};

// A graph over [rows, columns]. Its arithmetic ceiling is the same graph on one and on three rows' worth of L1.
void AddRowsGraph(const std::string& name, Shape s, int reads, double flops,
                  const std::function<Graph(Shape)>& graph) {
  constexpr int64_t kResident = 2048;  // elements: 8 KiB a stream
  const int64_t rows = std::max<int64_t>(1, kResident / s.columns);
  AddRow(
      name, {reads, 1, s.bytes(), flops * s.elements()}, [=] { return MakeGraphKernel(graph(s)); },
      [=]() -> Resident {
        if (s.columns > kResident) {
          return {MakeGraphKernel(graph({1, kResident / 2})), MakeGraphKernel(graph({1, kResident})),
                  s.elements() / (kResident / 2)};
        }
        return {MakeGraphKernel(graph({rows, s.columns})), MakeGraphKernel(graph({2 * rows, s.columns})),
                static_cast<double>(s.rows) / rows};
      });
}

}  // namespace

void AddPointwise() {
  for (Shape s : {Shape{128, 768}, Shape{128, 3072}, Shape{4096, 768}, Shape{16384, 4096}}) {
    AddRowsGraph("pointwise/add/" + s.text(), s, 2, 1, [](Shape s) {
      GraphMaker g;
      return g.Output(g.Op2(Op::add, g.Input("a", {s.rows, s.columns}), g.Input("b", {s.rows, s.columns})));
    });
    AddRowsGraph("pointwise/add+mul+relu/" + s.text(), s, 3, 3, [](Shape s) {
      GraphMaker g;
      Dims dims = {s.rows, s.columns};
      Value x = g.Op2(Op::mul, g.Op2(Op::add, g.Input("a", dims), g.Input("b", dims)), g.Input("c", dims));
      return g.Output(g.Op2(Op::maximum, x, g.Scalar(0, x)));
    });
    AddRowsGraph("pointwise/bias+gelu/" + s.text(), s, 1, kTranscendental + 4, [](Shape s) {
      GraphMaker g;
      Value x = g.Input("x", {s.rows, s.columns});
      return g.Output(g.Gelu(g.Op2(Op::add, x, g.Row(g.Input("bias", {s.columns}), x))));
    });
  }
}

void AddSoftmax() {
  for (Shape s : {Shape{1536, 128}, Shape{1024, 512}, Shape{1024, 1024}, Shape{65536, 1024}}) {
    AddRowsGraph("softmax/" + s.text(), s, 1, kTranscendental + 4, [](Shape s) {
      GraphMaker g;
      return g.Output(g.Softmax(g.Input("x", {s.rows, s.columns})));
    });
  }
}

void AddLayerNorm() {
  for (Shape s : {Shape{128, 768}, Shape{512, 1024}, Shape{4096, 768}, Shape{65536, 768}}) {
    AddRowsGraph("layer_norm/" + s.text(), s, 1, 8, [](Shape s) {
      GraphMaker g;
      Value x = g.Input("x", {s.rows, s.columns});
      return g.Output(g.LayerNorm(x, g.Input("scale", {s.columns}), g.Input("bias", {s.columns})));
    });
  }
}

void AddGemm() {
  struct Product {
    int64_t m, k, n;
  };
  for (Product p : {Product{128, 768, 768}, Product{128, 768, 3072}, Product{128, 3072, 768}, Product{1024, 1024, 1024}}) {
    const size_t bytes = static_cast<size_t>(p.m * p.k + p.m * p.n + p.k * p.n) * sizeof(float) / 3;
    AddRow(absl::StrCat("gemm/", p.m, "x", p.k, "x", p.n), {2, 1, bytes, 2.0 * p.m * p.k * p.n}, [p] {
      GraphMaker g;
      return MakeGraphKernel(g.Output(g.Op2(Op::dot, g.Input("a", {p.m, p.k}), g.Weight(p.k, p.n))));
    });
  }
}

}  // namespace skein
