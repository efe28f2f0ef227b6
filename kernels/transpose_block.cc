#include "kernels/transpose_block.h"

namespace skein {
namespace {

// Lanes that interleaves of 128 bits see, and 128-bit groups of a row: 4 x 4, or 2 x 4 for 64-bit elements.
constexpr int kGroups = 4;

// In each group of `group` lanes, the lower (or upper) half of a's runs of `run` lanes alternating with b's.
std::vector<int> Interleaved(int lanes, int group, int run, bool upper) {
  std::vector<int> result;
  for (int base = 0; base < lanes; base += group) {
    const int half = base + (upper ? group / 2 : 0);
    for (int at = half; at < half + group / 2; at += run) {
      for (int from : {at, lanes + at}) {
        for (int i = 0; i < run; ++i) result.push_back(from + i);
      }
    }
  }
  return result;
}

// Groups 0 and 2 (or 1 and 3) of a, then of b.
std::vector<int> AlternateGroups(int lanes, bool odd) {
  const int group = lanes / kGroups;
  std::vector<int> result;
  for (int from : {0, lanes}) {
    for (int g = odd ? 1 : 0; g < kGroups; g += 2) {
      for (int i = 0; i < group; ++i) result.push_back(from + g * group + i);
    }
  }
  return result;
}

}  // namespace

int TransposeBlockLanes(ElementType element) { return BitWidth(element) == 64 ? 8 : 16; }

std::vector<ValueId> TransposeBlock(LoopBuilder& b, std::span<const ValueId> rows) {
  const int lanes = static_cast<int>(rows.size());
  const int group = lanes / kGroups;
  // Within groups: afterwards value g*group + c holds, in its group l, column l*group + c of rows g*group...
  std::vector<ValueId> v(rows.begin(), rows.end());
  for (int run = 1; run < group; run *= 2) {
    std::vector<ValueId> next(lanes);
    for (int i = 0; i < lanes; i += group) {
      for (int j = 0; j < group / 2; ++j) {
        // Pairs that hold the same columns: neighbours at first, then every second one.
        const int first = i + (run == 1 ? 2 * j : j), second = first + run;
        next[i + 2 * j] = b.Shuffle(v[first], v[second], Interleaved(lanes, group, run, false));
        next[i + 2 * j + 1] = b.Shuffle(v[first], v[second], Interleaved(lanes, group, run, true));
      }
    }
    v = std::move(next);
  }
  // The groups themselves: a 4x4 transpose for each column within groups.
  std::vector<ValueId> result(lanes);
  for (int c = 0; c < group; ++c) {
    for (bool odd : {false, true}) {
      const ValueId low = b.Shuffle(v[c], v[group + c], AlternateGroups(lanes, odd));
      const ValueId high = b.Shuffle(v[2 * group + c], v[3 * group + c], AlternateGroups(lanes, odd));
      const int l = odd ? 1 : 0;
      result[l * group + c] = b.Shuffle(low, high, AlternateGroups(lanes, false));
      result[(l + 2) * group + c] = b.Shuffle(low, high, AlternateGroups(lanes, true));
    }
  }
  return result;
}

}  // namespace skein
