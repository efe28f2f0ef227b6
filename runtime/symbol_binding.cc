#include "runtime/symbol_binding.h"

#include <algorithm>
#include <optional>

#include "runtime/program.h"

namespace skein {
namespace {

struct Solution {
  DimExpr base, stride;
};

// e = base + stride * symbol with base and stride free of it, if it is so.
std::optional<Solution> SolveFor(DimExpr e, const std::string& symbol) {
  const DimExpr base = SubstituteSymbols(e, {{symbol, DimExpr(0)}});
  const DimExpr stride = SubstituteSymbols(e, {{symbol, DimExpr(1)}}) - base;
  if (stride.IsConst(0) || e != base + stride * DimExpr::Symbol(symbol)) return std::nullopt;
  return Solution{base, stride};
}

std::vector<std::string> SymbolsOf(DimExpr e) {
  std::vector<std::string> names;
  VisitLeaves(e, [&](DimExpr leaf) {
    if (leaf.kind() == DimKind::kSymbol) names.emplace_back(leaf.symbol());
  });
  return names;
}

}  // namespace

absl::StatusOr<SymbolBinder> SymbolBinder::Create(const Graph& graph) {
  SymbolBinder binder;
  auto slot_or_new = [&](std::string_view name) {
    int slot = binder.Slot(name);
    if (slot >= 0) return slot;
    binder.names_.emplace_back(name);
    return static_cast<int>(binder.names_.size()) - 1;
  };
  for (const Graph::Named& input : graph.inputs()) {
    const TensorType& type = graph.type(input.value);
    InputType& added = binder.inputs_.emplace_back(InputType{input.name, type.element, type.dims, {}});
    for (DimExpr dim : type.dims) {
      SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr compiled, CompiledDimExpr::Compile(dim, slot_or_new));
      added.compiled.push_back(std::move(compiled));
    }
  }
  auto slot = [&](std::string_view name) { return binder.Slot(name); };
  std::vector<bool> solved(binder.names_.size(), false);
  // Round 0 takes plain symbols only, so that messages speak of the input that states one directly.
  bool progress = true;
  for (int round = 0; round <= 1 || progress; ++round) {
    progress = false;
    for (size_t i = 0; i < binder.inputs_.size(); ++i) {
      for (size_t d = 0; d < binder.inputs_[i].dims.size(); ++d) {
        const DimExpr dim = binder.inputs_[i].dims[d];
        if (round == 0 && dim.kind() != DimKind::kSymbol) continue;
        std::vector<std::string> unknown = SymbolsOf(dim);
        std::erase_if(unknown, [&](const std::string& name) { return solved[binder.Slot(name)]; });
        if (unknown.size() != 1) continue;
        std::optional<Solution> solution = SolveFor(dim, unknown[0]);
        if (!solution.has_value()) continue;
        Step step{binder.Slot(unknown[0]), static_cast<int>(i), static_cast<int>(d), {}, {}};
        SKEIN_ASSIGN_OR_RETURN(step.base, CompiledDimExpr::Compile(solution->base, slot));
        SKEIN_ASSIGN_OR_RETURN(step.stride, CompiledDimExpr::Compile(solution->stride, slot));
        solved[step.symbol] = true;
        binder.steps_.push_back(std::move(step));
        progress = true;
      }
    }
  }
  for (size_t s = 0; s < solved.size(); ++s) {
    if (!solved[s]) {
      return InvalidArgument("the inputs mention the symbol '", binder.names_[s], "' but no dim determines it");
    }
  }
  return binder;
}

int SymbolBinder::Slot(std::string_view name) const {
  auto it = std::find(names_.begin(), names_.end(), name);
  return it == names_.end() ? -1 : static_cast<int>(it - names_.begin());
}

SymbolValues SymbolBinder::ToMap(std::span<const int64_t> values) const {
  SymbolValues map;
  for (size_t i = 0; i < names_.size(); ++i) map[names_[i]] = values[i];
  return map;
}

absl::Status SymbolBinder::CheckTypes(std::span<const TensorView> inputs) const {
  if (inputs.size() != inputs_.size()) {
    return InvalidArgument("the graph has ", inputs_.size(), " inputs, but ", inputs.size(), " are given");
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const InputType& type = inputs_[i];
    if (inputs[i].element != type.element) {
      return InvalidArgument("input '", type.name, "' is ", Name(type.element), ", but ", Name(inputs[i].element),
                             " is given");
    }
    if (inputs[i].dims.size() != type.dims.size()) {
      return InvalidArgument("input '", type.name, "' has rank ", type.dims.size(), " ", ToString(type.dims),
                             ", but rank ", inputs[i].dims.size(), " is given");
    }
    for (size_t d = 0; d < type.dims.size(); ++d) {
      if (inputs[i].dims[d] < 0) {
        return InvalidArgument("input '", type.name, "' has ", inputs[i].dims[d], " in dim ", d);
      }
    }
  }
  return absl::OkStatus();
}

std::string SymbolBinder::SymbolText(DimExpr e, std::span<const int64_t> values) const {
  std::string text;
  for (const std::string& name : SymbolsOf(e)) {
    const int symbol = Slot(name);
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " = ", values[symbol]);
    for (const Step& step : steps_) {
      if (step.symbol == symbol) {
        absl::StrAppend(&text, " by dim ", step.dim, " of input '", inputs_[step.input].name, "'");
      }
    }
  }
  return text;
}

absl::StatusOr<std::vector<int64_t>> SymbolBinder::Bind(std::span<const TensorView> inputs) const {
  SKEIN_RETURN_IF_ERROR(CheckTypes(inputs));
  std::vector<int64_t> values(names_.size(), 0);
  for (const Step& step : steps_) {
    const int64_t dim = inputs[step.input].dims[step.dim];
    const int64_t base = step.base.Eval(values), stride = step.stride.Eval(values);
    // A stride of 0 leaves the symbol open: an empty dim, whatever it is.
    const __int128 rest = static_cast<__int128>(dim) - base;
    const __int128 value = stride == 0 ? 0 : rest / stride;
    if (value * stride != rest || value < 0 || value > INT64_MAX) {
      const InputType& type = inputs_[step.input];
      return InvalidArgument("input '", type.name, "' has ", dim, " in dim ", step.dim, ", which is ",
                             type.dims[step.dim].ToString(), ": no ", names_[step.symbol], " >= 0 fits");
    }
    values[step.symbol] = static_cast<int64_t>(value);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const InputType& type = inputs_[i];
    for (size_t d = 0; d < type.dims.size(); ++d) {
      const int64_t expected = type.compiled[d].Eval(values);
      if (inputs[i].dims[d] == expected) continue;
      const std::string found = absl::StrCat("input '", type.name, "' has ", inputs[i].dims[d], " in dim ", d);
      const std::string why = SymbolText(type.dims[d], values);
      if (why.empty()) return InvalidArgument(found, ", but ", expected, " is required");
      if (type.dims[d].kind() == DimKind::kSymbol) return InvalidArgument(found, ", but ", why);
      return InvalidArgument(found, ", but ", type.dims[d].ToString(), " is ", expected, ", with ", why);
    }
  }
  return values;
}

}  // namespace skein
