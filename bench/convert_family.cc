// Elements that are narrower in memory than in registers: read, computed with in f32, stored.
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

// relu(0.5 x + 0.25), in f32.
Graph Scaled(ElementType from, ElementType to, DimExpr rows, int64_t columns) {
  GraphMaker g;
  const Value x = g.Cast(g.Input("x", {rows, columns}, from), ElementType::kF32);
  return g.Output(g.Cast(g.Relu(g.Plus(g.Times(x, 0.5), 0.25)), to));
}

}  // namespace

void AddConversions() {
  using enum ElementType;
  struct Row {
    const char* name;
    ElementType from, to;
  };
  for (const Row& row : {Row{"f16_to_f16", kF16, kF16},
                         {"bf16_to_bf16", kBF16, kBF16},
                         {"i8_to_i8", kI8, kI8},
                         {"u8_to_u8", kU8, kU8},
                         {"f16_to_f32", kF16, kF32},
                         {"bf16_to_f32", kBF16, kF32},
                         {"i8_to_f32", kI8, kF32},
                         {"u8_to_f32", kU8, kF32},
                         {"i4_to_f32", kI4, kF32},
                         {"f32_to_bf16", kF32, kBF16},
                         {"f32_to_i8", kF32, kI8}}) {
    AddSizedCase(
        {.name = std::string("convert/") + row.name,
         .graph = [from = row.from, to = row.to](
                      DimExpr rows, int64_t columns) { return Scaled(from, to, rows, columns); },
         .columns = 1024,
         .flops = 3,
         .levels = {"L2", "DRAM"}});
  }
}

}  // namespace skein
