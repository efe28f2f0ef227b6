#include "codegen/listing.h"

#include <algorithm>
#include <cctype>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skein {
namespace {

constexpr size_t kMnemonicColumn = 9, kOperandColumn = 24, kCommentColumn = 72;
constexpr int kMostOperands = 8;  // of a line, shown with it

// Bytes in place of instructions, at most 16 to a line, none across a mark.
std::vector<Instruction> Bytes(const ObjectCode& object, int entry, const std::vector<CodeMark>& marks) {
  const ObjectCode::Entry& function = object.entries[entry];
  std::vector<Instruction> lines;
  auto mark = marks.begin();
  for (uint32_t i = 0; i < function.size; ++i) {
    while (mark != marks.end() && mark->offset < i) ++mark;
    const bool marked = mark != marks.end() && mark->offset == i;
    if (lines.empty() || lines.back().bytes == 16 || marked) lines.push_back({i, 0, ""});
    absl::StrAppendFormat(&lines.back().text, " %02x", object.code[function.offset + i]);
    ++lines.back().bytes;
  }
  return lines;
}

absl::StatusOr<std::vector<Instruction>> InstructionsOrBytes(const ObjectCode& object, int entry,
                                                             const std::vector<CodeMark>& marks) {
  if (entry < 0 || entry >= static_cast<int>(object.entries.size())) {
    return InvalidArgument("disassemble: entry ", entry, " of ", object.entries.size());
  }
  absl::StatusOr<std::vector<Instruction>> instructions = Decode(object, entry);
  if (absl::IsUnimplemented(instructions.status())) return Bytes(object, entry, marks);
  return instructions;
}

// The nest's lines, and which of them have code of their own.
class NestLines {
 public:
  explicit NestLines(const Listing& listing) : lines_(listing.lines), has_code_(lines_.size()) {
    for (size_t i = 0; i < lines_.size(); ++i) {
      const std::vector<int> values = Values(lines_[i]);
      if (lines_[i].starts_with("%") && !lines_[i].ends_with("{")) definition_[values[0]] = static_cast<int>(i);
    }
    for (const CodeMark& mark : listing.marks) {
      if (mark.line >= 0 && mark.note.empty()) has_code_[mark.line] = true;
    }
  }

  std::string Comment(const CodeMark& mark) const {
    if (mark.line < 0) return mark.note;
    std::string text = absl::StrCat(mark.note, mark.note.empty() ? "" : " ", lines_[mark.line]);
    if (text.ends_with(" {")) text.resize(text.size() - 2);
    if (!mark.note.empty()) return text;
    std::vector<int> shown;
    AddOperandsWithoutCode(mark.line, shown);
    for (size_t i = 0; i < shown.size(); ++i) absl::StrAppend(&text, i == 0 ? "   with " : "; ", lines_[shown[i]]);
    return text;
  }

 private:
  // The numbers of the values that a line names.
  static std::vector<int> Values(const std::string& line) {
    std::vector<int> values;
    for (size_t at = line.find('%'); at != std::string::npos; at = line.find('%', at + 1)) {
      size_t end = at + 1;
      while (end < line.size() && std::isdigit(static_cast<unsigned char>(line[end])) != 0) ++end;
      int number = -1;
      if (absl::SimpleAtoi(line.substr(at + 1, end - at - 1), &number)) values.push_back(number);
    }
    return values;
  }

  // Constants, loads that are an operand of an instruction, splats of what is the same in all lanes anyway.
  void AddOperandsWithoutCode(int line, std::vector<int>& shown) const {
    for (int value : Values(lines_[line])) {
      const auto found = definition_.find(value);
      if (found == definition_.end() || found->second == line || has_code_[found->second]) continue;
      if (std::find(shown.begin(), shown.end(), found->second) != shown.end()) continue;
      if (shown.size() == kMostOperands) return;
      shown.push_back(found->second);
      AddOperandsWithoutCode(found->second, shown);
    }
  }

  const std::vector<std::string>& lines_;
  std::vector<bool> has_code_;
  absl::flat_hash_map<int, int> definition_;  // value -> line; loops' results and arguments left out
};

}  // namespace

absl::StatusOr<std::string> Disassemble(const ObjectCode& object, int entry) {
  SKEIN_ASSIGN_OR_RETURN(const std::vector<Instruction> instructions, InstructionsOrBytes(object, entry, {}));
  std::string text = absl::StrCat(object.entries[entry].name, ":\n");
  for (const Instruction& i : instructions) absl::StrAppendFormat(&text, "%6x:%s\n", i.offset, i.text);
  return text;
}

absl::StatusOr<std::string> ListingText(const Listing& listing) {
  SKEIN_ASSIGN_OR_RETURN(const std::vector<Instruction> instructions,
                         InstructionsOrBytes(listing.object, 0, listing.marks));
  const NestLines lines(listing);
  std::string text = absl::StrCat(listing.object.entries[0].name, ":\n");
  if (!HaveLlvm()) {
    absl::StrAppend(&text, "; bytes: the disassembler is LLVM's, and this library is built without it\n");
  }
  auto mark = listing.marks.begin();
  for (const Instruction& instruction : instructions) {
    // "\tmnemonic\toperands"
    std::string line = absl::StrFormat("%6x:", instruction.offset);
    for (char c : instruction.text) {
      if (c == '\t') line.resize(line.size() < kMnemonicColumn ? kMnemonicColumn : kOperandColumn, ' ');
      else line += c;
    }
    const CodeMark* here = nullptr;
    for (; mark != listing.marks.end() && mark->offset <= instruction.offset; ++mark) here = &*mark;
    if (here != nullptr) {
      line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
      absl::StrAppend(&line, "; ", lines.Comment(*here));
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace skein
