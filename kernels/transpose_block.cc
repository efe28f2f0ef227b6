#include "kernels/transpose_block.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

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

std::vector<int> Lanes(int first, int count) {
  std::vector<int> result(count);
  std::iota(result.begin(), result.end(), first);
  return result;
}

ValueId Join(LoopBuilder& b, ValueId low, ValueId high) {
  return b.Shuffle(low, high, Lanes(0, 2 * b.type(low).lanes));
}

using Four = std::array<ValueId, 4>;

// Transposes 4x4 elements within each group of 4 of 16 lanes.
Four TransposeWithinGroups(LoopBuilder& b, const Four& v) {
  Four pairs, result;
  for (int i = 0; i < 4; ++i) pairs[i] = b.Shuffle(v[i & 2], v[(i & 2) + 1], Interleaved(16, 4, 1, i & 1));
  for (int i = 0; i < 4; ++i) result[i] = b.Shuffle(pairs[i >> 1], pairs[2 + (i >> 1)], Interleaved(16, 4, 2, i & 1));
  return result;
}

// Transposes 4x4 groups of 4 lanes.
Four TransposeGroups(LoopBuilder& b, const Four& v) {
  Four result;
  for (bool odd : {false, true}) {
    const ValueId low = b.Shuffle(v[0], v[1], AlternateGroups(16, odd));
    const ValueId high = b.Shuffle(v[2], v[3], AlternateGroups(16, odd));
    result[odd ? 1 : 0] = b.Shuffle(low, high, AlternateGroups(16, false));
    result[odd ? 3 : 2] = b.Shuffle(low, high, AlternateGroups(16, true));
  }
  return result;
}

// Rows of up to 16 elements from their columns, `ShortRowLanes` apart, one after the other in values of 16 lanes.
std::vector<ValueId> PaddedRows(LoopBuilder& b, std::span<const ValueId> columns) {
  const int lanes = ShortRowLanes(static_cast<int64_t>(columns.size()));
  std::vector<ValueId> padded(columns.begin(), columns.end());
  padded.resize(lanes, columns[0]);
  std::vector<Four> quads;
  for (int q = 0; q < lanes; q += 4) {
    quads.push_back(TransposeWithinGroups(b, {padded[q], padded[q + 1], padded[q + 2], padded[q + 3]}));
  }
  std::vector<ValueId> rows(lanes);
  const int shared = kShortRows / lanes;  // rows in a value
  for (int i = 0; i < 4; i += shared) {
    Four parts;
    for (int j = 0; j < 4; ++j) parts[j] = quads[j % (lanes / 4)][i + j / (lanes / 4)];
    const Four whole = TransposeGroups(b, parts);
    for (int l = 0; l < 4; ++l) rows[(4 * l + i) / shared] = whole[l];
  }
  return rows;
}

// A value whose lane i is lane place(i).second of values[place(i).first].
template <typename Place>
ValueId Collect(LoopBuilder& b, std::span<const ValueId> values, Place place) {
  std::vector<size_t> sources;
  for (int i = 0; i < kShortRows; ++i) {
    if (std::find(sources.begin(), sources.end(), place(i).first) == sources.end()) sources.push_back(place(i).first);
  }
  // Two values at a time; lanes from those not reached yet hold anything.
  ValueId result = values[sources[0]];
  for (size_t next = 1; next < sources.size(); ++next) {
    std::vector<int> from(kShortRows);
    for (int i = 0; i < kShortRows; ++i) {
      const auto [source, lane] = place(i);
      from[i] = source == sources[next] ? kShortRows + lane : next == 1 ? lane : i;
    }
    result = b.Shuffle(result, values[sources[next]], from);
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

int ShortRowLanes(int64_t elements) { return elements <= 4 ? 4 : elements <= 8 ? 8 : kShortRows; }

// Both ways by way of values that hold, in group l, the same four columns of row 4*l + i.
std::vector<ValueId> ShortRowsToColumns(LoopBuilder& b, std::span<const ValueId> rows) {
  const int columns = b.type(rows[0]).lanes;
  std::vector<Four> quads(columns / 4);
  for (int i = 0; i < 4; ++i) {
    const Four v = {rows[i], rows[4 + i], rows[8 + i], rows[12 + i]};
    if (columns == 16) {
      const Four groups = TransposeGroups(b, v);
      for (int q = 0; q < 4; ++q) quads[q][i] = groups[q];
      continue;
    }
    const ValueId low = Join(b, v[0], v[1]), high = Join(b, v[2], v[3]);
    if (columns == 4) {
      quads[0][i] = Join(b, low, high);
    } else {
      for (int q = 0; q < 2; ++q) quads[q][i] = b.Shuffle(low, high, AlternateGroups(16, q == 1));
    }
  }
  std::vector<ValueId> result;
  for (const Four& quad : quads) {
    for (ValueId v : TransposeWithinGroups(b, quad)) result.push_back(v);
  }
  return result;
}

std::vector<ValueId> ColumnsToShortRows(LoopBuilder& b, std::span<const ValueId> columns) {
  const int elements = static_cast<int>(columns.size());
  std::vector<ValueId> rows = PaddedRows(b, columns.first(std::min(elements, kShortRows)));
  const size_t others = rows.size();
  if (elements > kShortRows) {
    for (ValueId v : PaddedRows(b, columns.subspan(kShortRows))) rows.push_back(v);
  }
  std::vector<ValueId> result;
  for (int line = 0; line < elements; ++line) {
    result.push_back(Collect(b, rows, [&](int i) {
      const int row = (line * kShortRows + i) / elements, column = (line * kShortRows + i) % elements;
      const bool other = column >= kShortRows;
      const int pitch = ShortRowLanes(other ? elements - kShortRows : elements);
      const int at = row * pitch + column % kShortRows;
      return std::pair((other ? others : 0) + at / kShortRows, at % kShortRows);
    }));
  }
  return result;
}

}  // namespace skein
