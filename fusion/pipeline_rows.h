// Row kernels whose stages overlap: one loop runs the last stage of a row, the middle stages of rows after it and
// the first stage of a row after those.
//
// Stage after stage, a row kernel reads from memory in its first loop, computes in the next and writes in its last,
// and every row waits for its sums. Pipelined, memory and arithmetic are busy all the time.
#ifndef SKEIN_FUSION_PIPELINE_ROWS_H_
#define SKEIN_FUSION_PIPELINE_ROWS_H_

#include <optional>
#include <vector>

#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

// Operations on an element from which on arithmetic hides some of what memory takes.
inline constexpr int kManyOperations = 16;
// Operations on an element in the body of a loop.
int CountOperations(const LoopNest& nest, BlockId body);

class RowPipeline {
 public:
  // The stages of the nest's tile, if
  //   - it is one row: the innermost parallel loop goes by single rows;
  //   - it has at least two loops over one extent, with scalars between them: vector loops, or serial loops over
  //     chunks of one size with a vector loop in each; all but the last one reduce the row to scalars;
  //   - no address in it depends on what was computed, and nothing is computed in place;
  //   - the rows in flight stay in cache, and there are rows enough.
  static std::optional<RowPipeline> Find(const LoopNest& nest, const Target& target);

  // Whether so little is computed on an element that memory is what rows wait for.
  bool is_light() const { return light_; }

  // Rewrites the nest: a tile is a block of rows, in which a serial loop over rows q runs each stage one or two rows
  // behind the stage before it, all stages in one vector loop. What one stage leaves to a later one is carried
  // along (scalars) or kept in as many rows of scratch as lie between them. Before the first row and after the
  // last one, stages work on the nearest row of the block: what they write there too early is written again, and
  // what they write again is the same. Where there are two stages and a block is short, the first alone and the second
  // alone have loops of their own instead. Same values, same bits.
  void Rewrite(LoopNest* nest) const;

 private:
  friend class RowPipeliner;
  struct Stage {
    InstId chunks;                       // the serial loop, if there is one
    InstId loop;                         // the vector loop
    std::vector<InstId> before, after;   // it, in a chunk
    InstId outer() const { return chunks.valid() ? chunks : loop; }
  };
  bool AddStage(const LoopNest& nest, InstId loop);
  bool StagesMatch(const LoopNest& nest) const;
  bool CanCarry(const LoopNest& nest) const;
  bool ChooseSizes(const LoopNest& nest, const Target& target);

  InstId row_loop_;
  std::vector<Stage> stages_;
  std::vector<std::vector<InstId>> scalars_;     // before the first stage, and after each
  InstId chunks_;                                // of the first stage that has chunks
  int lag_ = 1;                                  // rows between a stage and the next
  int64_t block_rows_ = 0;
  bool three_loops_ = false;
  bool light_ = false;
};

}  // namespace skein

#endif  // SKEIN_FUSION_PIPELINE_ROWS_H_
