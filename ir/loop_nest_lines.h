// The text form of a LoopNest line by line, for those who show something else beside it: machine
// code, counts, errors.
#ifndef SKEIN_IR_LOOP_NEST_LINES_H_
#define SKEIN_IR_LOOP_NEST_LINES_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ir/loop_nest.h"

namespace skein {

// Good as long as nobody needs the nest to be what it was: it keeps no reference to it.
class LoopNestLines {
 public:
  explicit LoopNestLines(const LoopNest& nest);

  // nest.ToString() without line ends, indentation and comments.
  const std::vector<std::string>& lines() const { return lines_; }
  // Where an instruction stands, a loop's first line; -1: nowhere.
  int LineOf(InstId inst) const { return line_of_inst_[inst.index]; }
  // An expression of the nest, in the numbers of the text.
  std::string Text(DimExpr e) const;

 private:
  std::vector<std::string> lines_;
  std::vector<int> line_of_inst_;
  std::vector<int> values_;                  // value -> number in the text; -1: none
  absl::flat_hash_map<int, DimExpr> loops_;  // loop -> coordinate in the text
};

}  // namespace skein

#endif  // SKEIN_IR_LOOP_NEST_LINES_H_
