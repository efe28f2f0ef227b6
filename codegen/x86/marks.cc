#include "codegen/x86/marks.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace skein::x86 {
namespace {

// What each variable holds: "%9", "$1", "$1*64 + a0", "&b2[$1*64]"; "" where nobody said.
std::vector<std::string> Contents(const Program& program, const std::vector<VariableNote>& notes,
                                  const LoopNestLines& lines) {
  std::vector<std::string> contents(program.variables.size());
  for (const VariableNote& note : notes) {
    std::string& text = contents[note.variable.index];
    if (!text.empty() && note.expr.kind() != DimKind::kValue) continue;
    text = lines.Text(note.expr);
    if (note.buffer >= 0) text = absl::StrCat("&b", note.buffer, note.expr.IsConst(0) ? "" : "[" + text + "]");
  }
  // The kernel's parameters, and the loop around everything where no parallel loop gave its index a name.
  const Variable unnamed[] = {program.parameters[0], program.parameters[1], program.parameters[2],
                              program.parameters[3], program.loops[0].arguments[0]};
  const char* const names[] = {"args", "tile_begin", "tile_end", "scratch", "tile"};
  for (int i = 0; i < 5; ++i) {
    if (std::string& text = contents[unnamed[i].index]; text.empty() || text[0] == '&') text = names[i];
  }
  for (size_t i = 0; i < contents.size(); ++i) {
    const VariableInfo& info = program.variables[i];
    if (info.constant == ConstantKind::kNone) continue;
    if (info.constant == ConstantKind::kVector) {
      contents[i] = "vector";
    } else {
      contents[i] = absl::StrCat("0x", absl::Hex(info.bits));
    }
  }
  return contents;
}

// Of the operation itself. Everything in front of the first instruction of a nest belongs to the entry.
std::string Note(const Operation& operation, bool for_loop, const std::vector<std::string>& contents) {
  if (!operation.inst.valid()) return "entry";
  if (operation.action == Action::kLoopBegin) return "enter";
  if (operation.action == Action::kLoopEnd) return "next";
  if (!operation.index) return for_loop ? "step" : "";
  const std::string& content = contents[operation.result.index];
  return content.empty() ? "index for" : absl::StrCat(content[0] == '&' ? "address " : "index ", content, " for");
}

}  // namespace

std::vector<CodeMark> MarksOf(const Program& program, const std::vector<VariableNote>& notes,
                              const std::vector<CodePoint>& points, const LoopNestLines& lines) {
  const std::vector<std::string> contents = Contents(program, notes, lines);
  std::vector<CodeMark> marks = {{.offset = 0, .note = "entry"}};
  for (const CodePoint& point : points) {
    CodeMark mark{.offset = point.offset};
    if (*point.moves != '\0') {
      mark.note = point.moves;
      if (point.variable.valid()) absl::StrAppend(&mark.note, " ", contents[point.variable.index]);
    } else if (point.operation == static_cast<int>(program.operations.size())) {
      mark.note = "exit";
    } else {
      const Operation& operation = program.operations[point.operation];
      if (operation.inst.valid()) mark.line = lines.LineOf(operation.inst);
      const bool for_loop = mark.line >= 0 && lines.lines()[mark.line].ends_with("{");
      mark.note = Note(operation, for_loop, contents);
    }
    if (marks.back().offset == mark.offset) marks.pop_back();
    marks.push_back(std::move(mark));
  }
  return marks;
}

}  // namespace skein::x86
