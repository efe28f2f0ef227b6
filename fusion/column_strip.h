// How the columns of an outer reduction are walked: in strips, some rows at a time.
#ifndef SKEIN_FUSION_COLUMN_STRIP_H_
#define SKEIN_FUSION_COLUMN_STRIP_H_

#include <cstdint>
#include <optional>

#include "ir/target.h"

namespace skein {

// What is reduced.
struct ColumnWork {
  std::optional<int64_t> columns;  // if it is known how many there are
  bool alone;      // no loop around them has tiles of its own
  bool far;        // they come from beyond L2
  bool light;      // taking an element in is one operation
  bool chunked;    // rows are added up in chunks
  bool single;     // one value is read; it and all that is carried has 4 bytes an element
  int units;       // of 4 bytes that a column's state has
  int64_t operations;  // on an element before it is taken in
  int64_t bytes;   // that a column has in scratch
};

struct ColumnStrip {
  int64_t width;       // columns
  int64_t pass;        // rows that are taken in while an accumulator is in a register
  int lanes = 64;      // columns of one vector
  int groups = 1;      // of lanes in one body of the loop over them; divides the strip
  int kept = 0;        // groups whose accumulators stay in registers from row to row; 0, or else one step has all groups
  int64_t ahead = 0;   // bytes of each row by which fetches run ahead, all along the strip; 0: none
  int level = 0;       // where to
};
ColumnStrip ChooseStrip(const ColumnWork& work, const Target& target);

}  // namespace skein

#endif  // SKEIN_FUSION_COLUMN_STRIP_H_
