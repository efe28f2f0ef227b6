#include "runtime/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ir/numeric.h"
#include "ir/op.h"
#include "runtime/symbol_binding.h"

namespace skein {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A tensor whose elements differ by less than this many ulps of the largest may well come out constant.
constexpr double kSpreadUlps = 64;

double Round(ElementType t, double v) { return DoubleFromBits(t, BitsFromDouble(t, v)); }

// Beyond this, rounding to `t` may give infinity.
double Largest(ElementType t) {
  switch (t) {
    case ElementType::kF16: return 65504;
    case ElementType::kBF16: return 0x1.FEp127;
    case ElementType::kF32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}

// The distance of neighbours in `t` at v.
double UlpAt(ElementType t, double v) { return 2 * HalfUlp(t, v); }

std::string Coordinates(int64_t index, std::span<const int64_t> dims) {
  std::vector<int64_t> coords(dims.size());
  for (size_t d = dims.size(); d-- > 0;) {
    coords[d] = index % dims[d];
    index /= dims[d];
  }
  return absl::StrCat("[", absl::StrJoin(coords, ", "), "]");
}

class Comparer {
 public:
  Comparer(const RefTensor& reference, const void* got, bool within_bounds)
      : reference_(reference), got_(got), within_bounds_(within_bounds) {}

  TensorComparison Run() {
    result_.elements = reference_.count();
    for (int64_t i = 0; i < result_.elements; ++i) {
      if (IsFloat(reference_.element)) {
        CompareFloat(i);
      } else {
        CompareExact(i);
      }
    }
    if (got_norm_ > 0 || reference_norm_ > 0) {
      result_.cosine = got_norm_ > 0 && reference_norm_ > 0 ? dot_ / std::sqrt(got_norm_ * reference_norm_) : 0;
    }
    CheckWorth();
    return std::move(result_);
  }

 private:
  void Fail(std::string message) {
    if (result_.passed) result_.message = std::move(message);
    result_.passed = false;
  }
  void FailAt(int64_t i, double got, double reference, double bound) {
    if (!result_.passed) return;
    Fail(absl::StrFormat("element %s is %.9g, the reference is %.17g with a bound of %.3g",
                         Coordinates(i, reference_.dims), got, reference, bound));
  }

  void CompareExact(int64_t i) {
    const int64_t got = ReadAsInt64(reference_.element, got_, i), expected = reference_.exact[i];
    const double difference = std::abs(static_cast<double>(got) - static_cast<double>(expected));
    const double bound = reference_.error.empty() ? 0 : reference_.error[i];
    result_.worst_absolute = std::max(result_.worst_absolute, difference);
    Accumulate(static_cast<double>(got), static_cast<double>(expected));
    if (got == expected) return;
    result_.worst_ratio = bound > 0 ? std::max(result_.worst_ratio, difference / bound) : kInfinity;
    if (within_bounds_ && !(difference <= bound)) {
      FailAt(i, static_cast<double>(got), static_cast<double>(expected), bound);
    }
  }

  // Most of what is ever compared is f32.
  double Read(int64_t i) const {
    if (reference_.element != ElementType::kF32) return ReadAsDouble(reference_.element, got_, i);
    float value;
    std::memcpy(&value, static_cast<const std::byte*>(got_) + 4 * i, 4);
    return value;
  }

  void CompareFloat(int64_t i) {
    const ElementType t = reference_.element;
    const double got = Read(i);
    const double expected = reference_.value[i];
    const double bound = reference_.error.empty() ? 0 : reference_.error[i];
    if (within_bounds_ && !(bound < kInfinity)) {
      ++worthless_;
      return;
    }
    if (std::isnan(expected)) {
      ++worthless_;
      if (!std::isnan(got)) FailAt(i, got, expected, bound);
      return;
    }
    if (!std::isfinite(got) || std::abs(expected) > Largest(t)) {
      // Overflow: anything between the ends of the bound, as the element type has them.
      const double low = Round(t, expected - bound), high = Round(t, expected + bound);
      if (!(low <= got && got <= high)) FailAt(i, got, expected, bound);
      return;
    }
    Accumulate(got, expected);
    if (got == expected) return;
    const double difference = std::abs(got - expected);
    result_.worst_absolute = std::max(result_.worst_absolute, difference);
    if (expected != 0) result_.worst_relative = std::max(result_.worst_relative, difference / std::abs(expected));
    result_.worst_ulp = std::max(result_.worst_ulp, difference / UlpAt(t, expected));
    if (!within_bounds_) return;
    result_.worst_ratio = std::max(result_.worst_ratio, bound > 0 ? difference / bound : kInfinity);
    if (difference > bound) FailAt(i, got, expected, bound);
  }

  void Accumulate(double got, double expected) {
    dot_ += got * expected;
    got_norm_ += got * got;
    reference_norm_ += expected * expected;
    got_low_ = std::min(got_low_, got);
    got_high_ = std::max(got_high_, got);
    low_ = std::min(low_, expected);
    high_ = std::max(high_, expected);
  }

  void CheckWorth() {
    if (result_.elements > 0 && worthless_ == result_.elements) {
      Fail("every element of the reference is NaN or without a bound: this proves nothing");
    }
    if (!IsFloat(reference_.element) || !(got_low_ == got_high_)) return;
    const double largest = std::max(std::abs(low_), std::abs(high_));
    if (high_ - low_ > kSpreadUlps * UlpAt(reference_.element, largest)) {
      Fail(absl::StrFormat("every element is %.9g, the reference's lie between %.9g and %.9g", got_low_, low_, high_));
    }
  }

  const RefTensor& reference_;
  const void* got_;
  const bool within_bounds_;
  TensorComparison result_;
  int64_t worthless_ = 0;
  double dot_ = 0, got_norm_ = 0, reference_norm_ = 0;
  double got_low_ = kInfinity, got_high_ = -kInfinity, low_ = kInfinity, high_ = -kInfinity;
};

// Constants that layers share carry the names of all of them.
std::string FirstNames(std::vector<std::string> names) {
  constexpr size_t kMost = 6;
  const size_t more = names.size() > kMost ? names.size() - kMost : 0;
  names.resize(names.size() - more);
  return absl::StrCat(absl::StrJoin(names, ", "), more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

absl::StatusOr<GroupCheck> CheckLaunch(const LaunchView& view, const VerifyOptions& options) {
  const Graph& graph = view.plan->graph;
  const Group& group = *view.group;
  std::vector<RefTensor> inputs;
  inputs.reserve(view.inputs.size());
  std::vector<std::pair<Value, const RefTensor*>> given;
  for (size_t i = 0; i < view.inputs.size(); ++i) {
    if (graph.Constant(group.inputs[i]) != nullptr) continue;  // the reference reads the literal itself
    inputs.push_back(FromRaw(view.inputs[i].element, view.inputs[i].dims, view.inputs[i].data));
    given.emplace_back(group.inputs[i], &inputs.back());
  }
  GroupCheck check{.group = view.group_index, .kind = group.kind, .nodes = "", .worst = {}};
  check.nodes = FirstNames(Origins(*view.plan, group));
  absl::StatusOr<std::vector<RefTensor>> reference =
      Interpret(graph, *view.symbols, given, group.outputs, {.threads = options.threads, .track_error = true});
  if (!reference.ok()) return Annotate(reference.status(), absl::StrCat("reference of group ", view.group_index));
  for (size_t i = 0; i < reference->size(); ++i) {
    TensorComparison comparison = Compare((*reference)[i], view.outputs[i].data);
    const bool worse = i == 0 || (check.worst.passed && (!comparison.passed ||
                                                         comparison.worst_ratio > check.worst.worst_ratio));
    if (worse) check.worst = std::move(comparison);
  }
  return check;
}

absl::Status CheckEndToEnd(const Graph& graph, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs, const VerifyOptions& options,
                           VerifyReport* report) {
  SKEIN_ASSIGN_OR_RETURN(SymbolBinder binder, SymbolBinder::Create(graph));
  SKEIN_ASSIGN_OR_RETURN(std::vector<int64_t> symbols, binder.Bind(inputs));
  std::vector<RefTensor> tensors;
  tensors.reserve(inputs.size());
  std::vector<std::pair<Value, const RefTensor*>> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    tensors.push_back(FromRaw(inputs[i].element, inputs[i].dims, inputs[i].data));
    given.emplace_back(graph.inputs()[i].value, &tensors.back());
  }
  std::vector<Value> wanted;
  for (const Graph::Named& output : graph.outputs()) wanted.push_back(output.value);
  SKEIN_ASSIGN_OR_RETURN(std::vector<RefTensor> reference,
                         Interpret(graph, binder.ToMap(symbols), given, wanted,
                                   {.threads = options.threads, .track_error = false}));
  for (size_t i = 0; i < reference.size(); ++i) {
    report->outputs.push_back({graph.outputs()[i].name, Compare(reference[i], outputs[i].data, false)});
    report->passed = report->passed && report->outputs.back().comparison.passed;
  }
  return absl::OkStatus();
}

}  // namespace

TensorComparison Compare(const RefTensor& reference, const void* got, bool within_bounds) {
  return Comparer(reference, got, within_bounds).Run();
}

std::string VerifyReport::ToString() const {
  std::string text;
  const GroupCheck* worst = nullptr;
  for (const GroupCheck& check : groups) {
    if (!check.worst.passed) {
      absl::StrAppend(&text, "FAILED group ", check.group, " (", check.kind, ": ", check.nodes, "): ",
                      check.worst.message, "\n");
    }
    if (worst == nullptr || check.worst.worst_ratio > worst->worst.worst_ratio) worst = &check;
  }
  if (worst != nullptr) {
    absl::StrAppendFormat(&text, "%d groups checked; the largest error is %.3g of its bound, %.3g ulp, in group %d (%s)\n",
                          groups.size(), worst->worst.worst_ratio, worst->worst.worst_ulp, worst->group, worst->kind);
  }
  for (const OutputCheck& output : outputs) {
    const TensorComparison& c = output.comparison;
    absl::StrAppendFormat(&text, "%soutput '%s': ulp %.3g, absolute %.3g, relative %.3g, cosine %.9f%s%s\n",
                          c.passed ? "" : "FAILED ", output.name, c.worst_ulp, c.worst_absolute, c.worst_relative,
                          c.cosine, c.passed ? "" : ": ", c.message);
  }
  return text;
}

absl::StatusOr<VerifyReport> VerifyProgram(Program& program, const Graph& graph, std::span<const TensorView> inputs,
                                           std::span<const TensorView> outputs, const VerifyOptions& options) {
  VerifyReport report;
  RunOptions run;
  const Plan* plan = nullptr;  // of the variant that ran
  run.after_group = [&](const LaunchView& view) -> absl::Status {
    plan = view.plan;
    if (view.group->phase == Phase::kProgram && !options.program_groups) return absl::OkStatus();
    SKEIN_ASSIGN_OR_RETURN(GroupCheck check, CheckLaunch(view, options));
    report.passed = report.passed && check.worst.passed;
    report.groups.push_back(std::move(check));
    return absl::OkStatus();
  };
  SKEIN_RETURN_IF_ERROR(program.Run(inputs, outputs, run));
  if (!options.end_to_end) return report;
  absl::Status checked = CheckEndToEnd(graph, inputs, outputs, options, &report);
  // Where these sizes break a guard, `graph` does not say what is right; what the variant was made from does.
  if (absl::IsFailedPrecondition(checked) && plan != nullptr) {
    checked = CheckEndToEnd(plan->graph, inputs, outputs, options, &report);
  }
  if (!checked.ok()) return checked;
  return report;
}

}  // namespace skein
