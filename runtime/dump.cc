#include "runtime/dump.h"

#include <map>

#include "absl/strings/str_join.h"
#include "codegen/listing.h"

namespace skein {
namespace {

absl::StatusOr<std::string> Assembly(const NamedNest& nest, const CompileOptions& options) {
  absl::StatusOr<Listing> listing = Unimplemented("no back end is built in");
  if (HaveXbyak() && (options.tier == Tier::kFast || !HaveLlvm())) listing = ListXbyak(nest, options.target);
  if (absl::IsUnimplemented(listing.status()) && HaveLlvm()) listing = ListLlvm(nest, options.target);
  SKEIN_RETURN_IF_ERROR(listing.status());
  return ListingText(*listing);
}

absl::StatusOr<std::string> KernelText(const Group& group, EmitKind kind, const CompileOptions& options) {
  if (group.nest == nullptr) return std::string("(no loops: the graph interpreter runs it)\n");
  if (kind == EmitKind::kLoops) return group.nest->ToString();
  const NamedNest nest{group.nest.get(), absl::StrCat("skein_", group.hash.Hex())};
  return kind == EmitKind::kLlvm ? LlvmIrText(nest, options.target) : Assembly(nest, options);
}

std::string Header(const Plan& plan, int g) {
  const Group& group = plan.groups[g];
  std::string text = absl::StrCat("// group ", g, ": ", group.kind, ", kernel ", group.hash.Hex(), "\n// from ",
                                  absl::StrJoin(Origins(plan, group), ", "), "\n");
  for (size_t a = 0; a < group.arguments.size(); ++a) {
    absl::StrAppend(&text, "// a", a, " = ", group.arguments[a].ToString(), "\n");
  }
  return text;
}

}  // namespace

std::optional<EmitKind> ParseEmitKind(std::string_view name) {
  if (name == "graph") return EmitKind::kGraph;
  if (name == "loops") return EmitKind::kLoops;
  if (name == "llvm") return EmitKind::kLlvm;
  if (name == "asm") return EmitKind::kAsm;
  return std::nullopt;
}

absl::StatusOr<std::string> EmitText(const Plan& plan, EmitKind kind, std::optional<int> group,
                                     const CompileOptions& options) {
  if (kind == EmitKind::kGraph) return plan.graph.ToString();
  const int count = static_cast<int>(plan.groups.size());
  if (group.has_value() && (*group < 0 || *group >= count)) {
    return InvalidArgument("there is no group ", *group, ": the plan has ", count);
  }
  std::string text;
  std::map<Hash128, int> printed;
  for (int g = group.value_or(0); g < (group.has_value() ? *group + 1 : count); ++g) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", Header(plan, g));
    const auto [it, fresh] = printed.emplace(plan.groups[g].hash, g);
    if (!fresh && plan.groups[g].nest != nullptr) {
      absl::StrAppend(&text, "// the same kernel as group ", it->second, "\n");
      continue;
    }
    SKEIN_ASSIGN_OR_RETURN(std::string kernel, KernelText(plan.groups[g], kind, options));
    absl::StrAppend(&text, kernel);
  }
  return text;
}

}  // namespace skein
