#include "codegen/x86/fixed_shuffle.h"

#include <array>

namespace skein::x86 {
namespace {

using enum ShuffleBy;

constexpr int kMostLanes = 16;

// Where lane i comes from: lane 0 .. n - 1 of a, behind them of b. A block is four lanes.
int SourceLane(ShuffleBy by, int immediate, int i, int n) {
  const int block = i & ~3, j = i & 3;
  switch (by) {
    case kBlend:
      return (immediate >> i & 1) * n + i;
    case kUnpackLow:
      return (j & 1) * n + block + j / 2;
    case kUnpackHigh:
      return (j & 1) * n + block + 2 + j / 2;
    case kInBlocks:
      return (j / 2) * n + block + (immediate >> 2 * j & 3);
    case kHalves:
      return (immediate >> block & 3) * 4 + j;
    default:
      return (block / 8) * n + (immediate >> block / 2 & 3) * 4 + j;
  }
}

// The bits of the immediate by which lane i comes from `lane`, if any do.
int ImmediateFor(ShuffleBy by, int i, int lane, int n) {
  switch (by) {
    case kBlend:
      return lane / n << i;
    case kInBlocks:
      return (lane & 3) << 2 * (i & 3);
    case kHalves:
      return lane / 4 << (i & ~3);
    case kBlocks:
      return (lane % n) / 4 << (i & ~3) / 2;
    default:
      return 0;
  }
}

// Lanes of equal number share the bits of the immediate.
int BitsOf(ShuffleBy by, int i) {
  if (by == kInBlocks) return i & 3;
  return by == kHalves || by == kBlocks ? i & ~3 : i;
}

constexpr ShuffleBy kOfEight[] = {kBlend, kUnpackLow, kUnpackHigh, kInBlocks, kHalves};
constexpr ShuffleBy kOfSixteen[] = {kUnpackLow, kUnpackHigh, kInBlocks, kBlocks};

}  // namespace

std::optional<FixedShuffle> FindFixedShuffle(std::span<const int> from, int lanes, bool same, int splats) {
  const int count = static_cast<int>(from.size());
  for (const bool swapped : {false, true}) {
    if (swapped && same) break;
    const auto lane_of = [&](int i) { return swapped ? from[i] ^ lanes : from[i]; };
    for (ShuffleBy by : lanes == 8 ? std::span<const ShuffleBy>(kOfEight) : std::span<const ShuffleBy>(kOfSixteen)) {
      std::array<bool, kMostLanes> given{};
      int immediate = 0;
      for (int i = 0; i < count; ++i) {
        bool& known = given[BitsOf(by, i)];
        if (from[i] >= 0 && !known) immediate |= ImmediateFor(by, i, lane_of(i), lanes);
        known = known || from[i] >= 0;
      }
      bool fits = true;
      for (int i = 0; i < count && fits; ++i) {
        if (from[i] < 0) continue;
        const int difference = SourceLane(by, immediate, i, lanes) ^ lane_of(i);
        const bool alike = difference < lanes && (splats >> from[i] / lanes & 1) != 0;
        fits = alike || (same ? difference & (lanes - 1) : difference) == 0;
      }
      if (fits) return FixedShuffle{by, immediate, swapped};
    }
  }
  return std::nullopt;
}

}  // namespace skein::x86
