// skein plan, why, ops, dump.
#include <cstdio>
#include <map>

#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/tensors.h"
#include "frontends/onnx/import.h"
#include "runtime/dump.h"

namespace skein {
namespace {

absl::StatusOr<PlanOptions> PlanOptionsOf(const Flags& flags, bool fuse) {
  SKEIN_ASSIGN_OR_RETURN(CompileOptions options, OptionsOf(flags));
  PlanOptions plan_options;
  plan_options.fuse = fuse;
  plan_options.target = options.target;
  return plan_options;
}

absl::StatusOr<Plan> PlanOf(const Flags& flags, const Graph& graph, bool fuse) {
  SKEIN_ASSIGN_OR_RETURN(PlanOptions options, PlanOptionsOf(flags, fuse));
  return MakePlan(graph, options);
}

int64_t At(DimExpr e, const SymbolValues& sizes) {
  absl::StatusOr<int64_t> v = Evaluate(e, sizes);
  return v.ok() ? *v : 0;
}

const char* PhaseName(Phase phase) {
  return phase == Phase::kProgram ? "program" : phase == Phase::kBinding ? "binding" : "run";
}

}  // namespace

absl::StatusOr<int> PlanCommand(const Flags& flags) {
  SKEIN_ASSIGN_OR_RETURN(Graph graph, LoadGraph(flags));
  SKEIN_ASSIGN_OR_RETURN(Plan plan, PlanOf(flags, graph, !flags.no_fuse));
  SKEIN_ASSIGN_OR_RETURN(Plan unfused, PlanOf(flags, graph, false));
  SKEIN_ASSIGN_OR_RETURN(const SymbolValues sizes, CompleteBinding(graph, flags.bindings[0]));
  std::optional<TrafficGap> gap;
  if (!flags.no_fuse) {
    SKEIN_ASSIGN_OR_RETURN(PlanOptions options, PlanOptionsOf(flags, true));
    gap = MeasureGap(plan, options, sizes);
  }
  if (flags.json) {
    Json json;
    json.BeginObject().Field("bytes_moved", At(plan.fused_bytes, sizes));
    json.Field("bytes_moved_no_fuse", At(unfused.fused_bytes, sizes));
    if (gap) {
      json.Field("bytes", static_cast<int64_t>(gap->bytes));
      json.Field(gap->exact ? "optimum_bytes" : "lower_bound_bytes", static_cast<int64_t>(gap->least_bytes));
      json.Field("gap", gap->gap());
    }
    json.Key("groups").BeginArray();
    for (const Group& g : plan.groups) {
      json.BeginObject().Field("hash", std::string_view(g.hash.Hex())).Field("kind", std::string_view(g.kind));
      json.Field("phase", PhaseName(g.phase)).Strings("origins", Origins(plan, g));
      json.Field("bytes_read", At(g.bytes_read, sizes)).Field("bytes_written", At(g.bytes_written, sizes));
      json.Field("flops", At(g.flops, sizes)).EndObject();
    }
    json.EndArray().Key("guards").BeginArray();
    for (const Guard& guard : plan.graph.guards()) json.Value(std::string_view(guard.reason));
    json.EndArray().Key("refusals").BeginArray();
    for (const Refusal& r : plan.refusals) {
      json.BeginObject().Field("code", std::string_view(r.code)).Field("reason", std::string_view(SentenceOf(plan, r))).EndObject();
    }
    json.EndArray().EndObject();
    std::printf("%s\n", json.text().c_str());
    return kPass;
  }
  // In short: kernels of one structure on one line.
  struct Row {
    int count = 0;
    std::string kind, phase, origins;
    int64_t bytes = 0, flops = 0;
  };
  std::vector<Hash128> order;
  std::map<Hash128, Row> rows;
  int launches = 0;
  for (const Group& g : plan.groups) {
    if (!rows.contains(g.hash)) order.push_back(g.hash);
    Row& row = rows[g.hash];
    ++row.count;
    row.kind = g.kind;
    row.phase = PhaseName(g.phase);
    if (row.origins.empty()) row.origins = absl::StrJoin(Origins(plan, g), " ");
    row.bytes += At(g.bytes_read, sizes) + At(g.bytes_written, sizes);
    row.flops += At(g.flops, sizes);
    launches += g.phase == Phase::kRun;
  }
  std::printf("%5s %-10s %-8s %12s %12s  %s\n", "times", "kind", "phase", "bytes", "flops", "nodes of the first");
  for (const Hash128& hash : order) {
    const Row& row = rows[hash];
    std::string origins = row.origins.size() > 90 ? row.origins.substr(0, 87) + "..." : row.origins;
    std::printf("%5d %-10s %-8s %12lld %12lld  %s\n", row.count, row.kind.c_str(), row.phase.c_str(),
                static_cast<long long>(row.bytes), static_cast<long long>(row.flops), origins.c_str());
  }
  int unfused_launches = 0;
  for (const Group& g : unfused.groups) unfused_launches += g.phase == Phase::kRun;
  std::printf("%d launches a run in place of %d; %.1f MB moved in place of %.1f MB\n", launches, unfused_launches,
              At(plan.fused_bytes, sizes) / 1e6, At(unfused.fused_bytes, sizes) / 1e6);
  if (gap) {
    std::printf("%.4f times the %s of %.1f MB\n", gap->gap(),
                gap->exact ? "optimum" : "lower bound of the optimum,", gap->least_bytes / 1e6);
  }
  for (const Guard& guard : plan.graph.guards()) std::printf("guard: %s\n", guard.reason.c_str());
  std::map<std::string, int> codes;
  for (const Refusal& r : plan.refusals) ++codes[r.code];
  for (const auto& [code, count] : codes) {
    for (const Refusal& r : plan.refusals) {
      if (r.code != code) continue;
      std::printf("%s, %d times, first: %s\n", code.c_str(), count, SentenceOf(plan, r).c_str());
      break;
    }
  }
  return kPass;
}

absl::StatusOr<int> WhyCommand(const Flags& flags) {
  SKEIN_ASSIGN_OR_RETURN(Graph graph, LoadGraph(flags, 2));
  SKEIN_ASSIGN_OR_RETURN(Plan plan, PlanOf(flags, graph, !flags.no_fuse));
  for (int i = 1; i <= 2; ++i) {
    bool known = false;
    for (const std::string& name : plan.graph.source_names) known = known || name == flags.arguments[i];
    if (!known) return InvalidArgument("the graph has no node '", flags.arguments[i], "'");
  }
  std::printf("%s\n", Why(plan, flags.arguments[1], flags.arguments[2]).c_str());
  return kPass;
}

absl::StatusOr<int> OpsCommand(const Flags& flags) {
  if (!flags.arguments.empty()) return InvalidArgument("ops takes no arguments");
  const std::vector<std::string> ops = SupportedOnnxOps();
  if (flags.json) {
    Json json;
    json.BeginObject().Strings("onnx", ops).EndObject();
    std::printf("%s\n", json.text().c_str());
    return kPass;
  }
  for (const std::string& op : ops) std::printf("%s\n", op.c_str());
  return kPass;
}

absl::StatusOr<int> DumpCommand(const Flags& flags) {
  std::optional<EmitKind> kind = ParseEmitKind(flags.emit);
  if (!kind) return InvalidArgument("--emit is graph, loops, llvm or asm, not '", flags.emit, "'");
  SKEIN_ASSIGN_OR_RETURN(Graph graph, LoadGraph(flags));
  SKEIN_ASSIGN_OR_RETURN(Plan plan, PlanOf(flags, graph, !flags.no_fuse));
  SKEIN_ASSIGN_OR_RETURN(CompileOptions options, OptionsOf(flags));
  SKEIN_ASSIGN_OR_RETURN(std::string text, EmitText(plan, *kind, flags.group, options));
  std::printf("%s", text.c_str());
  return kPass;
}

}  // namespace skein
