// Matrix products of a BERT layer's sizes: activations times packed weights.
#include "absl/strings/str_cat.h"
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {

void AddGemm() {
  struct Product {
    int64_t m, k, n;
  };
  for (const Product p : {Product{128, 768, 768}, Product{128, 768, 3072}, Product{128, 3072, 768},
                          Product{1024, 1024, 1024}}) {
    const auto bytes = [](int64_t rows, int64_t columns) {
      return static_cast<size_t>(rows * columns) * sizeof(float);
    };
    AddGraphRow(
        {.name = absl::StrCat("gemm/", p.m, "x", p.k, "x", p.n),
         .graph =
             [p] {
               GraphMaker g;
               return g.Output(g.Op2(Op::dot, g.Input("a", {p.m, p.k}), g.Weight(p.k, p.n)));
             },
         .work = {{{bytes(p.m, p.k), bytes(p.k, p.n)}, {bytes(p.m, p.n)}},
                  2.0 * static_cast<double>(p.m * p.k * p.n)}});
  }
}

}  // namespace skein
