#include "tests/support/run_graph.h"

#include <cmath>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "codegen/codegen.h"
#include "fusion/settle.h"
#include "ir/numeric.h"

namespace skein {
namespace {

int64_t CountOf(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (int64_t d : dims) count *= d;
  return count;
}

}  // namespace

HostTensor::HostTensor(ElementType t, std::vector<int64_t> d) : element(t), dims(std::move(d)) {
  // Never empty: an empty tensor still has an address. 0xAB shows elements that nobody writes.
  bytes.assign(std::max<int64_t>(BytesFor(element, count()), 1), 0xAB);
}
int64_t HostTensor::count() const { return CountOf(dims); }

std::vector<TensorView> Views(std::vector<HostTensor>& tensors) {
  std::vector<TensorView> views;
  for (HostTensor& t : tensors) views.push_back(t.view());
  return views;
}

absl::StatusOr<std::vector<HostTensor>> DrawInputs(const Graph& graph, const SymbolValues& sizes, uint64_t seed,
                                                   const std::function<int64_t(const std::string&)>& limit) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<HostTensor> inputs;
  for (const Graph::Named& in : graph.inputs()) {
    const TensorType& type = graph.type(in.value);
    std::vector<int64_t> dims;
    for (DimExpr d : type.dims) {
      SKEIN_ASSIGN_OR_RETURN(int64_t v, Evaluate(d, sizes));
      dims.push_back(v);
    }
    HostTensor t(type.element, dims);
    const int64_t below = IsBool(type.element) ? 2 : limit ? limit(in.name) : 4;
    for (int64_t i = 0; i < t.count(); ++i) {
      if (IsFloat(t.element)) {
        WriteFromDouble(t.element, t.bytes.data(), i, normal(random));
      } else {
        WriteFromInt64(t.element, t.bytes.data(), i, static_cast<int64_t>(random() % static_cast<uint64_t>(below)));
      }
    }
    inputs.push_back(std::move(t));
  }
  return inputs;
}

absl::StatusOr<std::vector<HostTensor>> RunProgram(Program& program, std::vector<HostTensor>& inputs,
                                            const RunOptions& options) {
  const std::vector<TensorView> in = Views(inputs);
  SKEIN_ASSIGN_OR_RETURN(std::vector<TensorView> types, program.OutputTypes(in));
  std::vector<HostTensor> outputs;
  for (const TensorView& t : types) outputs.emplace_back(t.element, t.dims);
  SKEIN_RETURN_IF_ERROR(program.Run(in, Views(outputs), options));
  return outputs;
}

absl::StatusOr<std::vector<HostTensor>> RunGraph(const Graph& graph, const CompileOptions& options,
                                                 std::vector<HostTensor>& inputs) {
  SKEIN_ASSIGN_OR_RETURN(std::unique_ptr<Program> program, Program::Compile(graph, options));
  return RunProgram(*program, inputs);
}

std::string FirstDifference(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b) {
  if (a.size() != b.size()) return absl::StrCat(a.size(), " outputs and ", b.size());
  for (size_t o = 0; o < a.size(); ++o) {
    if (a[o].element != b[o].element || a[o].dims != b[o].dims) return absl::StrCat("output ", o, ": other types");
    if (a[o].bytes == b[o].bytes) continue;
    for (int64_t i = 0; i < a[o].count(); ++i) {
      const ElementType t = a[o].element;
      if (IsFloat(t)) {
        const double x = ReadAsDouble(t, a[o].bytes.data(), i), y = ReadAsDouble(t, b[o].bytes.data(), i);
        if ((std::isnan(x) && std::isnan(y)) || (x == y && std::signbit(x) == std::signbit(y))) continue;
        return absl::StrCat("output ", o, ", element ", i, ": ", x, " and ", y, " (difference ", y - x, ")");
      }
      const int64_t x = ReadAsInt64(t, a[o].bytes.data(), i), y = ReadAsInt64(t, b[o].bytes.data(), i);
      if (x != y) return absl::StrCat("output ", o, ", element ", i, ": ", x, " and ", y);
    }
  }
  return "";
}

absl::StatusOr<std::vector<RefTensor>> Reference(const Graph& graph, const SymbolValues& sizes,
                                                 std::vector<HostTensor>& inputs) {
  std::vector<RefTensor> tensors;
  for (HostTensor& t : inputs) tensors.push_back(FromRaw(t.element, t.dims, t.bytes.data()));
  std::vector<std::pair<Value, const RefTensor*>> given;
  for (size_t i = 0; i < tensors.size(); ++i) given.push_back({graph.inputs()[i].value, &tensors[i]});
  std::vector<Value> wanted;
  for (const Graph::Named& out : graph.outputs()) wanted.push_back(out.value);
  return Interpret(graph, sizes, given, wanted);
}

std::string OutsideBounds(const std::vector<RefTensor>& reference, const std::vector<HostTensor>& got) {
  for (size_t o = 0; o < got.size(); ++o) {
    const RefTensor& want = reference[o];
    const ElementType t = got[o].element;
    if (want.element != t || want.dims != got[o].dims) return absl::StrCat("output ", o, " is of another type");
    for (int64_t i = 0; i < got[o].count(); ++i) {
      const double bound = want.error.empty() ? 0 : want.error[i];
      if (!std::isfinite(bound)) continue;
      double expected, value;
      if (IsFloat(t)) {
        expected = want.value[i];
        value = ReadAsDouble(t, got[o].bytes.data(), i);
        if (std::isnan(expected) && std::isnan(value)) continue;
        // Past the largest finite number: whatever the ends of the bound round to.
        const auto round = [t](double v) { return DoubleFromBits(t, BitsFromDouble(t, v)); };
        if (round(expected - bound) <= value && value <= round(expected + bound)) continue;
      } else {
        expected = static_cast<double>(want.exact[i]);
        value = static_cast<double>(ReadAsInt64(t, got[o].bytes.data(), i));
        if (want.exact[i] == ReadAsInt64(t, got[o].bytes.data(), i)) continue;
      }
      if (std::abs(value - expected) <= bound) continue;
      return absl::StrCat("output ", o, ", element ", i, ": ", value, ", but the reference is ", expected,
                          " within ", bound);
    }
  }
  return "";
}

std::vector<NamedOptions> EveryWay() {
  std::vector<NamedOptions> ways;
  for (bool fuse : {true, false}) {
    const std::string prefix = fuse ? "fused, " : "no-fuse, ";
    auto add = [&](const std::string& name) -> CompileOptions& {
      ways.push_back({prefix + name, {}});
      ways.back().options.fuse = fuse;
      return ways.back().options;
    };
    add("interpreter").interpret = true;
    const bool both_isas = DefaultTarget().isa == Isa::kAvx512;
    if (HaveXbyak()) add("Xbyak").tier = Tier::kFast;
    if (HaveXbyak() && both_isas) {
      CompileOptions& options = add("Xbyak for AVX2");
      options.tier = Tier::kFast;
      options.target = Target{.isa = Isa::kAvx2};
    }
    if (!HaveLlvm()) continue;
    auto add_llvm = [&](const std::string& name) -> CompileOptions& {
      CompileOptions& options = add(name);
      options.tier = Tier::kOptimized;
      return options;
    };
    add_llvm("LLVM");
    if (both_isas) add_llvm("LLVM for AVX2").target = Target{.isa = Isa::kAvx2};
    if (fuse) add_llvm("LLVM on two threads").threads = 2;
  }
  return ways;
}

std::vector<NamedOptions> WaysWithoutLlvm() {
  std::vector<NamedOptions> ways;
  for (NamedOptions& way : EveryWay()) {
    if (way.name.find("LLVM") == std::string::npos) ways.push_back(std::move(way));
  }
  return ways;
}

std::string RunAllWays(const Graph& graph, const SymbolValues& sizes, uint64_t seed,
                       const std::vector<NamedOptions>& ways) {
  const absl::StatusOr<Graph> settled = Settle(graph);
  if (!settled.ok()) return settled.status().ToString();
  absl::StatusOr<std::vector<HostTensor>> inputs = DrawInputs(graph, sizes, seed);
  if (!inputs.ok()) return inputs.status().ToString();
  std::vector<HostTensor> first;
  for (const NamedOptions& way : ways) {
    const absl::StatusOr<std::vector<HostTensor>> outputs = RunGraph(graph, way.options, *inputs);
    if (!outputs.ok()) return absl::StrCat(way.name, ": ", ForStrCat(outputs.status().ToString()));
    if (first.empty()) {
      first = *outputs;
      const absl::StatusOr<std::vector<RefTensor>> reference = Reference(*settled, sizes, *inputs);
      if (!reference.ok()) return reference.status().ToString();
      const std::string outside = OutsideBounds(*reference, first);
      if (!outside.empty()) return absl::StrCat(way.name, ": ", outside);
    }
    const std::string difference = FirstDifference(first, *outputs);
    if (!difference.empty()) return absl::StrCat(ways[0].name, " against ", way.name, ": ", difference);
  }
  return "";
}

}  // namespace skein
