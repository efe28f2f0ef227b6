#include "tests/golden/golden_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "fusion/plan.h"
#include "fusion/settle.h"
#include "ir/op.h"

namespace skein {
namespace {

const char* PhaseName(Phase phase) {
  return phase == Phase::kProgram ? "program" : phase == Phase::kBinding ? "binding" : "run";
}

std::string ValueList(const Graph& graph, const std::vector<Value>& values) {
  std::vector<std::string> texts;
  for (Value v : values) texts.push_back(absl::StrCat("%", v.node.index, " ", graph.type(v).ToString()));
  return absl::StrJoin(texts, ", ");
}

std::string PlanText(const Plan& plan) {
  std::string text;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    const Group& group = plan.groups[g];
    std::vector<std::string> ops, arguments;
    for (NodeId id : group.nodes) ops.emplace_back(Name(plan.graph.node(id).op));
    for (DimExpr e : group.arguments) arguments.push_back(e.ToString());
    absl::StrAppend(&text, "group ", g, ": ", group.kind, ", every ", PhaseName(group.phase), "\n");
    absl::StrAppend(&text, "  reads ", ValueList(plan.graph, group.inputs), "\n");
    absl::StrAppend(&text, "  writes ", ValueList(plan.graph, group.outputs), "\n");
    absl::StrAppend(&text, "  computes ", absl::StrJoin(ops, " "), "\n");
    if (group.kind == "dot") continue;  // its arguments follow from tile sizes, which are a matter of speed
    absl::StrAppend(&text, "  arguments ", absl::StrJoin(arguments, ", "), "\n");
  }
  for (const Refusal& r : plan.refusals) absl::StrAppend(&text, r.code, ": ", SentenceOf(plan, r), "\n");
  return text;
}

// "rows=5, n=70; rows=1, n=1"
absl::StatusOr<std::vector<SymbolValues>> ParseSizes(const std::string& text) {
  std::vector<SymbolValues> result;
  for (const std::string& binding : std::vector<std::string>(absl::StrSplit(text, ';'))) {
    SymbolValues sizes;
    for (const std::string& pair : std::vector<std::string>(absl::StrSplit(binding, ','))) {
      const size_t equals = pair.find('=');
      if (equals == std::string::npos) return InvalidArgument("'", pair, "' in sizes has no =");
      const size_t begin = pair.find_first_not_of(' ');
      sizes[pair.substr(begin, equals - begin)] = std::atoll(pair.c_str() + equals + 1);
    }
    result.push_back(std::move(sizes));
  }
  return result;
}

absl::StatusOr<GoldenFile> Parse(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream content;
  content << in.rdbuf();
  const std::string text = content.str();
  GoldenFile file{.path = path, .name = std::filesystem::path(path).stem().string()};
  const std::string input_line = "\ninput:\n", expect_line = "\nexpect:\n";
  const size_t input = text.find(input_line), expect = text.find(expect_line);
  if (input == std::string::npos || expect == std::string::npos || expect < input) {
    return InvalidArgument("needs the lines input: and expect:");
  }
  file.head = text.substr(0, expect + expect_line.size());
  file.expect = text.substr(expect + expect_line.size());
  std::istringstream lines(text.substr(0, input + 1));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# ", 0) == 0) line = line.substr(2);
    for (auto [key, field] : {std::pair("command: ", &file.command), std::pair("family: ", &file.family),
                              std::pair("unlike: ", &file.unlike), std::pair("rule: ", &file.rule)}) {
      if (line.rfind(key, 0) == 0) *field = line.substr(std::string(key).size());
    }
    if (line.rfind("sizes: ", 0) == 0) {
      SKEIN_ASSIGN_OR_RETURN(file.sizes, ParseSizes(line.substr(7)));
    }
  }
  SKEIN_ASSIGN_OR_RETURN(
      file.graph, ParseGraph(text.substr(input + input_line.size(), expect - input - input_line.size() + 1)));
  return file;
}

}  // namespace

absl::StatusOr<std::vector<GoldenFile>> ReadGoldenFiles() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(SKEIN_SOURCE_DIR "/tests/golden")) {
    if (entry.path().extension() == ".skein") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<GoldenFile> files;
  for (const std::string& path : paths) {
    absl::StatusOr<GoldenFile> file = Parse(path);
    if (!file.ok()) return Annotate(file.status(), path);
    files.push_back(*std::move(file));
  }
  return files;
}

absl::StatusOr<std::string> RunGoldenCommand(const std::string& command, const Graph& graph) {
  if (command == "settle") {
    SKEIN_ASSIGN_OR_RETURN(Graph settled, Settle(graph));
    return settled.ToString();
  }
  SKEIN_ASSIGN_OR_RETURN(Plan plan, MakePlan(graph, {}));
  if (command == "plan") return plan.graph.ToString() + PlanText(plan);
  if (command != "loops") return InvalidArgument("no command '", command, "': settle, plan or loops");
  std::string text;
  for (const Group& group : plan.groups) absl::StrAppend(&text, group.nest->ToString());
  return text;
}

absl::Status UpdateGoldenFile(const GoldenFile& file, const std::string& expect) {
  std::ofstream out(file.path);
  out << file.head << expect;
  out.flush();
  if (!out) return InvalidArgument("cannot write ", file.path);
  return absl::OkStatus();
}

}  // namespace skein
