// Reductions over the inner, the middle and the outer axis.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32;

struct Reduction {
  const char* name;
  Value (*apply)(GraphMaker& g, Value x, int axis);
  double at_least_l2;
};
constexpr Reduction kReductions[] = {
    {"sum", [](GraphMaker& g, Value x, int axis) { return g.Reduce(SumReducer(kF32), x, axis); },
     0.88},
    {"mean", [](GraphMaker& g, Value x, int axis) { return g.Mean(x, axis); }, 0},
    {"max", [](GraphMaker& g, Value x, int axis) { return g.Reduce(MaxReducer(kF32), x, axis); },
     0},
    {"argmax", [](GraphMaker& g, Value x, int axis) { return g.ArgMax(x, axis); }, 0},
};

struct Shape {
  int64_t outer, middle, inner;
  Dims dims() const { return {outer, middle, inner}; }
  double elements() const { return static_cast<double>(outer * middle * inner); }
};

// Over one axis of three. What lies in L1 keeps the reduced extent up to 64, the chunk in which
// columns are added up; `resident(n)` has n `units`.
struct Axis {
  const char* name;
  int number;
  Shape dram, l2;
  int64_t unit;  // elements
  Dims (*resident)(DimExpr n);
};
constexpr Axis kAxes[] = {
    {"inner",
     2,
     {256, 512, 512},
     {1, 256, 512},
     512,
     [](DimExpr n) {
       return Dims{1, n, 512};
     }},
    {"middle",
     1,
     {256, 512, 512},
     {16, 128, 64},
     32 * 64,
     [](DimExpr n) {
       return Dims{n, 32, 64};
     }},
    {"outer",
     0,
     {256, 512, 512},
     {256, 4, 128},
     64 * 32,
     [](DimExpr n) {
       return Dims{64, 1, 32 * n};
     }},
};

void AddReduction(const Reduction& reduction, const Axis& axis, bool dram) {
  // 256 MiB, and half of an L2 of 1 MiB; larger ones hold more of the outermost or innermost.
  Shape shape = dram ? axis.dram : axis.l2;
  const double scale = static_cast<double>(LevelBytes("L2")) / (512 << 10);
  if (!dram) {
    int64_t& extent = axis.number == 1 ? shape.outer : shape.middle;
    extent = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(extent) * scale));
  }
  GraphRow row;
  row.name = absl::StrCat("reduce/", reduction.name, "_", axis.name, dram ? "/DRAM" : "/L2");
  const auto graph_of = [apply = reduction.apply, number = axis.number](Dims dims) {
    GraphMaker g;
    return g.Output(apply(g, g.Input("x", std::move(dims)), number));
  };
  row.graph = [=] { return graph_of(shape.dims()); };
  row.work.flops = shape.elements();
  row.at_least = dram ? 0.88 : reduction.at_least_l2;
  row.resident = [=, resident = axis.resident](DimExpr n) { return graph_of(resident(n)); };
  row.one_code = axis.number != 0;  // columns are laid out by their number
  row.large = static_cast<int64_t>(Caches().l1 * 2 / 3 / sizeof(float)) / axis.unit;
  row.small = std::max<int64_t>(1, row.large / 4);
  row.units = shape.elements() / static_cast<double>(axis.unit);
  AddGraphRow(std::move(row));
}

}  // namespace

void AddReductions() {
  for (const Reduction& reduction : kReductions) {
    for (const Axis& axis : kAxes) {
      for (const bool dram : {false, true}) AddReduction(reduction, axis, dram);
    }
  }
}

}  // namespace skein
