#include "fusion/column_strip.h"

#include <algorithm>

#include "absl/numeric/bits.h"

namespace skein {
namespace {

constexpr int kLanes = 64;
constexpr int64_t kStrip = 2048;   // columns: 8 KiB of f32 accumulators and as much again of totals
constexpr int64_t kFarStates = 256 << 10;  // bytes of accumulators and totals of a strip from memory
constexpr int64_t kNearStates = 32 << 10;  // that stay in L1 beside what is read
constexpr int64_t kShortRun = 512, kLongRun = 16384;  // columns
constexpr int64_t kLine = 16;      // columns of 4 bytes
constexpr int64_t kTiles = 8;      // enough to keep memory busy
constexpr int64_t kPass = 4;
constexpr int64_t kColumnBytes = 4;  // of what is read, usually

// L2 gives a line a cycle (240 GB/s measured, 130 otherwise) where it is read strictly in order, or where the loads of a
// loop's body do not stride evenly for long: the processor fetches into L1 what it guesses that an instruction will
// read next, and guesses wrong where a row ends. In order means one row at a time, with a load and a store of an
// accumulator for each element (200 GB/s); two rows at a time in a few steps of many groups are uneven enough. Rows of
// 8 KiB are not.
constexpr int64_t kFewestSteps = 2, kMostSteps = 6, kMostGroups = 8;
constexpr int64_t kMostColumns = 1536;
// Halves of rows that are no longer are read at nine tenths of the speed of rows, those of longer ones at half of it.
constexpr int64_t kLeastHalf = 384, kMostHalved = 1024;
// A half is in order where one step has all of it. Accumulators of so many groups stay in registers, of 32, from row to row.
constexpr int kMostKept = 7;

// The most groups of lanes in one step of a row, if that makes reading fast; else 1.
int FastGroups(int64_t columns) {
  if (columns > kMostColumns) return 1;
  for (int groups = kMostGroups; groups > 1; --groups) {
    const int64_t steps = columns / (groups * kLanes);
    if (columns % (groups * kLanes) == 0 && steps >= kFewestSteps && steps <= kMostSteps) return groups;
  }
  return 1;
}

ColumnStrip ChooseNear(const ColumnWork& work, const Target& target) {
  if (!work.columns) return {kStrip, kPass};
  const int64_t n = std::max<int64_t>(*work.columns, 1), half = n / 2;
  if (work.units > 1 && !work.light) {  // arithmetic takes longer than reading
    return {std::min(kStrip, work.alone && half >= kLanes && half % kLanes == 0 ? half : n), 2};
  }
  if (n > kStrip) return {kStrip, kPass};
  ColumnStrip strip{.width = n, .pass = 1};  // what is read in one run reaches L1 ahead of its use
  if (work.units > 1) return strip;
  const bool halved = work.alone && n % 2 == 0 && half >= kLeastHalf && n <= kMostHalved && FastGroups(half) > 1;
  if (halved) strip.width = half;
  if (halved && work.light && work.chunked && target.lanes() >= 16) {
    strip.groups = static_cast<int>(half / kLanes);
    strip.kept = std::min(strip.groups, kMostKept);
    return strip;
  }
  strip.groups = FastGroups(strip.width);
  if (strip.groups > 1) strip.pass = work.light && target.lanes() < 16 ? 4 : 2;  // narrow registers take more loads
  return strip;
}

// A core that waits for nothing but memory runs as far ahead as it can, comes to lines that are not there yet, and what it
// wants fetched when they are comes in a burst, of which part is lost. So where a line takes few operations, a step is one
// line, in vectors so narrow that it takes kPaced of them or more: nearly as long as memory needs to bring it. (Zen 5,
// AVX-512: argmax 33 -> 38 GB/s, maxima 36 -> 38; full vectors with 24 idle instructions a line do the same.)
constexpr int64_t kPaced = 8;
void PaceSteps(const ColumnWork& work, const Target& target, ColumnStrip* strip) {
  const int64_t full = target.lanes();
  const int64_t operations = (full < 16 ? 4 : 2) * work.units + work.operations;  // on a vector; NaN takes some
  if (!work.single || !work.columns || *work.columns % kLine != 0 || operations * kLine / full > 2 * kPaced) return;
  strip->lanes = static_cast<int>(absl::bit_floor(static_cast<uint64_t>(std::min(full, operations * kLine / kPaced))));
  strip->groups = static_cast<int>(kLine) / strip->lanes;
  strip->ahead = target.prefetch_bytes / 8 * 5 / kPass;
}

ColumnStrip ChooseFar(const ColumnWork& work, const Target& target) {
  ColumnStrip strip{std::max(kStrip, kFarStates / work.bytes / kLanes * kLanes), kPass};
  const std::optional<int64_t> n = work.columns;
  if (n && work.alone) strip.width = std::min(strip.width, std::max(kStrip, *n / kTiles / kStrip * kStrip));
  const bool whole_rows = n && *n <= strip.width;
  if (whole_rows) strip.width = std::max<int64_t>(*n, 1);
  if (work.light) {  // the processor fetches by itself
    if (whole_rows && *n <= kShortRun) {  // but 6% less where these rows lie badly to each other: the next pass is fetched
      strip = {.width = strip.width, .pass = 2 * kPass, .ahead = *n * kColumnBytes, .level = target.prefetch_level};
    }
  } else if (whole_rows && *n * work.bytes <= kNearStates) {  // one row after the other is one run of memory
    strip.pass = 1;
    strip.ahead = target.prefetch_bytes / 8 * 3;
    strip.level = target.prefetch_level;
  } else {
    // The more instructions a line takes, the fewer lines the core's window has under way itself.
    const bool brief = target.lanes() >= 16 && work.units == 1;
    strip.ahead = target.prefetch_bytes / (brief || strip.width < kLongRun ? 4 : 2) / kPass;
    strip.level = target.prefetch_level;
    PaceSteps(work, target, &strip);
  }
  return strip;
}

}  // namespace

ColumnStrip ChooseStrip(const ColumnWork& work, const Target& target) {
  return work.far ? ChooseFar(work, target) : ChooseNear(work, target);
}

}  // namespace skein
