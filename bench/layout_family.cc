// Kernels that move data: transposes, gathers, concatenations. Their ceiling is memory's alone:
// there is no arithmetic to speak of.
#include <random>

#include "absl/strings/str_cat.h"
#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

Value Transposed(GraphMaker& g, Value x) {
  return g.Op1(Op::transpose, x, {{"permutation", std::vector<int64_t>{1, 0}}});
}

Graph Transpose(int64_t n) {
  GraphMaker g;
  return g.Output(Transposed(g, g.Input("x", {n, n})));
}

Graph TransposeAdd(int64_t n) {
  GraphMaker g;
  const Value x = g.Input("x", {n, n});
  return g.Output(g.Op2(Op::add, Transposed(g, x), g.Input("y", {n, n})));
}

constexpr int64_t kTableRows = 32000, kWidth = 768;  // an embedding of BERT's size

Graph GatherScale(int64_t rows, int64_t width) {
  GraphMaker g;
  const Value table = g.Input("table", {kTableRows, width});
  const Value picked = g.GatherRows(table, g.Input("indices", {rows}, ElementType::kI64));
  return g.Output(g.Times(picked, 27.7));
}

bool FillIndices(std::string_view name, const TensorView& view) {
  if (name != "indices") return false;
  std::mt19937 generator(11);
  std::uniform_int_distribution<int64_t> row(0, kTableRows - 1);
  int64_t* indices = static_cast<int64_t*>(view.data);
  for (int64_t i = 0; i < view.dims[0]; ++i) indices[i] = row(generator);
  return true;
}

// A few rows over and over, so that what is gathered from stays in L2 too.
bool FillFewIndices(std::string_view name, const TensorView& view) {
  if (name != "indices") return false;
  int64_t* indices = static_cast<int64_t*>(view.data);
  for (int64_t i = 0; i < view.dims[0]; ++i) indices[i] = i * 7 % 61;
  return true;
}

Graph Concat(int64_t rows, int64_t first, int64_t second) {
  GraphMaker g;
  const Value a = g.Input("a", {rows, first}), b = g.Input("b", {rows, second});
  return g.Output(g.Node(Op::concat, {a, b}, {{"axis", int64_t{1}}}));
}

}  // namespace

void AddTransposes() {
  struct Row {
    const char* name;
    Graph (*graph)(int64_t);
    int64_t n;
    double at_least;
  };
  for (const Row& row : {Row{"transpose/", Transpose, 4096, 0.75},
                         {"transpose/", Transpose, 160, 0.65},
                         {"transpose/", Transpose, 256, 0.55},
                         {"transpose/add_", TransposeAdd, 4096, 0.70},
                         {"transpose/add_", TransposeAdd, 160, 0}}) {
    const char* level = row.n > 1000 ? "/DRAM" : "/L2";
    AddGraphRow({.name = absl::StrCat(row.name, row.n, level),
                 .graph = [graph = row.graph, n = row.n] { return graph(n); },
                 .at_least = row.at_least});
  }
}

void AddGathers() {
  const auto add = [](const char* level, double at_least, decltype(KernelOptions::fill) fill) {
    const int64_t rows = static_cast<int64_t>(LevelBytes(level) / (2 * kWidth * sizeof(float)));
    const size_t bytes = static_cast<size_t>(rows * kWidth) * sizeof(float);
    AddGraphRow({.name = absl::StrCat("gather/scale_768/", level),
                 .graph = [rows] { return GatherScale(rows, kWidth); },
                 .work = {Streams::Equal(1, 1, bytes), static_cast<double>(rows * kWidth)},
                 .at_least = at_least,
                 .fill = std::move(fill)});
  };
  add("L2", 0, FillFewIndices);
  add("DRAM", 0.82, FillIndices);
}

void AddConcats() {
  constexpr int64_t kFirst = 1001, kSecond = 515;
  for (const char* level : {"L2", "DRAM"}) {
    const int64_t rows =
        static_cast<int64_t>(LevelBytes(level) / (2 * (kFirst + kSecond) * sizeof(float)));
    AddGraphRow({.name = absl::StrCat("concat/1001+515/", level),
                 .graph = [rows] { return Concat(rows, kFirst, kSecond); },
                 .at_least = level == std::string_view("DRAM") ? 0.82 : 0});
  }
}

}  // namespace skein
