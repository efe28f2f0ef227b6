// Reductions over the inner, the middle and the outer axis.
#include <algorithm>

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
// columns are added up; `Resident(n)` has n times the elements of Resident(1).
struct Axis {
  const char* name;
  int number;
  Shape dram, l2;
  Shape (*resident)(int64_t n);
};
constexpr Axis kAxes[] = {
    {"inner",
     2,
     {256, 512, 512},
     {1, 256, 512},
     [](int64_t n) {
       return Shape{1, n, 512};
     }},
    {"middle",
     1,
     {256, 512, 512},
     {16, 128, 64},
     [](int64_t n) {
       return Shape{n, 32, 64};
     }},
    {"outer",
     0,
     {256, 512, 512},
     {256, 4, 128},
     [](int64_t n) {
       return Shape{64, 1, 32 * n};
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
  const auto graph_of = [apply = reduction.apply, number = axis.number](const Shape& s) {
    GraphMaker g;
    return g.Output(apply(g, g.Input("x", s.dims()), number));
  };
  row.graph = [=] { return graph_of(shape); };
  row.work.flops = shape.elements();
  row.at_least = dram ? 0.88 : reduction.at_least_l2;
  row.resident = [=, resident = axis.resident](int64_t n) { return graph_of(resident(n)); };
  const double unit_bytes = axis.resident(1).elements() * sizeof(float);
  row.large = static_cast<int64_t>(static_cast<double>(Caches().l1) * 2 / 3 / unit_bytes);
  row.small = std::max<int64_t>(1, row.large / 4);
  row.units = shape.elements() / axis.resident(1).elements();
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
