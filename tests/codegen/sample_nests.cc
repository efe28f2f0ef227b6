#include "tests/codegen/sample_nests.h"

#include <array>
#include <limits>
#include <utility>
#include <vector>

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32;
constexpr ElementType kI64 = ElementType::kI64;
constexpr ElementType kBool = ElementType::kBool;

std::vector<int> Iota(int begin, int end, int step = 1) {
  std::vector<int> v;
  for (int i = begin; i < end; i += step) v.push_back(i);
  return v;
}

}  // namespace

LoopNest StreamedRowsNest(int64_t columns) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr rows = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, kF32, rows * columns);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, rows * columns);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, rows);
  const DimExpr j = b.BeginVectorLoop(columns, 64);
  const ValueId x = b.Load(in, i * columns + j);
  b.Store(out, i * columns + j, b.Add(x, x), 1, ValueId(), /*streaming=*/true);
  b.EndLoop();
  b.EndLoop();
  return nest;
}

LoopNest PointwiseNest(int64_t constant, bool streaming) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr columns = constant >= 0 ? DimExpr(constant) : b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, columns * 3);
  const BufferId y = b.AddBuffer(BufferKind::kInput, kF32, columns * 3);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, columns * 3);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, 3);
  const DimExpr j = b.BeginVectorLoop(columns, 64);
  const DimExpr at = i * columns + j;
  const ValueId scaled = b.Mul(b.Load(x, at), b.Const(kF32, 2.5));
  const ValueId sum = b.Add(scaled, b.Load(y, at));
  b.Store(out, at, b.Binary(Opcode::kMax, sum, b.Const(kF32, 0.25)), 1, ValueId(), streaming);
  b.EndLoop();
  b.EndLoop();
  return nest;
}

LoopNest InPlaceNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, n);
  nest.buffers[out.index].in_place_with = x.index;
  const DimExpr j = b.BeginVectorLoop(n, 64);
  const ValueId v = b.Load(x, j);
  b.Store(out, j, b.Mul(v, v));
  b.EndLoop();
  return nest;
}

LoopNest NormalizeRowsNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr rows = b.AddArgument(), columns = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, rows * columns);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, rows * columns);
  const BufferId row = b.AddBuffer(BufferKind::kScratch, kF32, columns);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, rows);
  const std::vector<ValueId> lowest = {b.Const(kF32, -1e30, 64)};
  DimExpr j = b.BeginVectorLoop(columns, 64, lowest);
  const std::vector<ValueId> larger = {
      b.Binary(Opcode::kMaxX86, b.Carried(0), b.Load(x, i * columns + j))};
  const ValueId max = b.Reduce(Opcode::kMax, b.EndLoop(larger)[0]);
  const std::vector<ValueId> zero = {b.Const(kF32, 0.0, 64)};
  j = b.BeginVectorLoop(columns, 64, zero);
  const ValueId centred = b.Sub(b.Load(x, i * columns + j), max);
  const ValueId square = b.Mul(centred, centred);
  b.Store(row, j, square);
  const std::vector<ValueId> sums = {b.Add(b.Carried(0), square)};
  const ValueId sum = b.Reduce(Opcode::kAdd, b.EndLoop(sums)[0]);
  j = b.BeginVectorLoop(columns, 64);
  b.Store(out, i * columns + j, b.Div(b.Load(row, j), sum));
  b.EndLoop();
  b.EndLoop();
  return nest;
}

LoopNest ColumnSumNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr rows = b.AddArgument(), columns = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, rows * columns);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, columns);
  const DimExpr j = b.BeginVectorLoop(columns, 64);
  const std::vector<ValueId> zero = {b.Const(kF32, 0.0, 64)};
  const DimExpr i = b.BeginLoop(LoopKind::kSerial, rows, 1, zero);
  const std::vector<ValueId> next = {b.Add(b.Carried(0), b.Load(x, i * columns + j))};
  b.Store(out, j, b.EndLoop(next)[0]);
  b.EndLoop();
  return nest;
}

LoopNest ConstantColumnMaxNest(int64_t rows, int64_t columns) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, rows * columns);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 64);
  const std::vector<ValueId> start = {b.Load(x, 0, 1), b.Const(kF32, -4.0, 64)};
  const DimExpr i = b.BeginLoop(LoopKind::kSerial, rows, 1, start);
  const std::vector<ValueId> inner = {b.Carried(1), b.Carried(0)};
  const DimExpr j = b.BeginVectorLoop(columns, 64, inner);
  const ValueId v = b.Load(x, i * columns + j);
  const std::vector<ValueId> yields = {b.Binary(Opcode::kMax, b.Carried(0), v),
                                       b.Add(b.Carried(1), b.Const(kF32, 1.0))};
  const std::vector<ValueId> maxima = b.EndLoop(yields);
  const std::vector<ValueId> outer = {maxima[1], maxima[0]};
  const std::vector<ValueId> last = b.EndLoop(outer);
  b.Store(out, 0, b.Add(last[1], b.Splat(last[0], 64)));
  return nest;
}

LoopNest GemmTileNest(int rows, int columns) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr depth = b.AddArgument();
  const BufferId a = b.AddBuffer(BufferKind::kInput, kF32, depth * rows);
  const BufferId panel = b.AddBuffer(BufferKind::kInput, kF32, depth * columns);
  const BufferId c = b.AddBuffer(BufferKind::kOutput, kF32, rows * columns);
  std::vector<ValueId> accumulators(rows, b.Const(kF32, 0.0, columns));
  const DimExpr k = b.BeginLoop(LoopKind::kSerial, depth, 1, accumulators);
  const ValueId right = b.Load(panel, k * columns, columns);
  for (int r = 0; r < rows; ++r) {
    const ValueId left = b.Load(a, depth * r + k, columns, 0);
    accumulators[r] = b.Fma(left, right, b.Carried(r));
  }
  accumulators = b.EndLoop(accumulators);
  for (int r = 0; r < rows; ++r) b.Store(c, r * columns, accumulators[r]);
  return nest;
}

LoopNest GatherNest(ElementType element) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument(), size = b.AddArgument();
  const BufferId index = b.AddBuffer(BufferKind::kInput, kI64, n);
  const BufferId table = b.AddBuffer(BufferKind::kInput, element, size);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, element, n);
  const DimExpr j = b.BeginVectorLoop(n, 64);
  const ValueId in_range = b.ClampIndex(b.Load(index, j), size, 5);
  b.Store(out, j, b.Gather(table, 0, in_range));
  b.EndLoop();
  return nest;
}

LoopNest ScatterNest(ElementType element) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument(), size = b.AddArgument();
  const BufferId index = b.AddBuffer(BufferKind::kInput, kI64, n);
  const BufferId x = b.AddBuffer(BufferKind::kInput, element, n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, element, size);
  const DimExpr j = b.BeginVectorLoop(n, 64);
  const ValueId in_range = b.ClampIndex(b.Load(index, j), size, 70);
  b.Scatter(out, 0, b.Load(x, j), in_range);
  b.EndLoop();
  return nest;
}

LoopNest ConvertNest(ElementType from) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, from, n);
  std::vector<BufferId> all, first;
  for (int to = 0; to < kElementTypes; ++to) {
    all.push_back(b.AddBuffer(BufferKind::kOutput, static_cast<ElementType>(to), n));
    first.push_back(b.AddBuffer(BufferKind::kOutput, static_cast<ElementType>(to), 1));
  }
  const DimExpr j = b.BeginVectorLoop(n, 16);
  const ValueId v = b.Load(x, j);
  for (int to = 0; to < kElementTypes; ++to) {
    b.Store(all[to], j, b.Convert(static_cast<ElementType>(to), v));
  }
  b.EndLoop();
  const ValueId scalar = b.Load(x, 0, 1);
  for (int to = 0; to < kElementTypes; ++to) {
    b.Store(first[to], 0, b.Convert(static_cast<ElementType>(to), scalar));
  }
  return nest;
}

LoopNest ArithmeticNest(ElementType element) {
  LoopNest nest;
  LoopBuilder b(&nest);
  using enum Opcode;
  std::vector<Opcode> binary, unary, compares = {kLess, kLessEqual, kEqual, kNotEqual};
  if (IsFloat(element)) {
    binary = {kAdd, kSub, kMul, kDiv, kMin, kMax, kMinX86, kMaxX86};
    unary = {kNeg, kAbs, kSqrt, kFloor, kCeil, kTrunc, kRoundEven};
  } else if (IsBool(element)) {
    binary = {kAnd, kOr, kXor};
    unary = {kNot};
    compares = {kEqual, kNotEqual};
  } else {
    binary = {kAdd, kSub, kMul, kIntDiv, kIntRem, kMin, kMax, kAnd, kOr, kXor, kShl, kShr, kSar};
    unary = {kNeg, kAbs, kNot};
  }
  const DimExpr n = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, element, n);
  const BufferId y = b.AddBuffer(BufferKind::kInput, element, n);
  std::vector<BufferId> out;
  for (size_t i = 0; i < binary.size() + unary.size() + 2; ++i) {
    out.push_back(b.AddBuffer(BufferKind::kOutput, element, n));
  }
  for (size_t i = 0; i < compares.size(); ++i) {
    out.push_back(b.AddBuffer(BufferKind::kOutput, kBool, n));
  }
  const DimExpr j = b.BeginVectorLoop(n, 16);
  const ValueId v = b.Load(x, j), w = b.Load(y, j);
  size_t next = 0;
  for (Opcode op : binary) b.Store(out[next++], j, b.Binary(op, v, w));
  for (Opcode op : unary) b.Store(out[next++], j, b.Unary(op, v));
  if (IsFloat(element)) {
    b.Store(out[next++], j, b.Fma(v, w, v));
    b.Store(out[next++], j, b.Div(v, b.Const(element, 3.0)));
  } else if (IsBool(element)) {
    b.Store(out[next++], j, b.Select(v, w, b.Unary(kNot, v)));
    b.Store(out[next++], j, v);
  } else {
    // Division and shift by constants, which compilers treat specially.
    b.Store(out[next++], j, b.Binary(kIntDiv, v, b.ConstInt(element, 3)));
    b.Store(out[next++], j, b.Binary(kIntRem, v, b.ConstInt(element, 5)));
  }
  for (Opcode op : compares) b.Store(out[next++], j, b.Binary(op, v, w));
  b.EndLoop();
  return nest;
}

LoopNest MaskNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, n);
  const BufferId flags = b.AddBuffer(BufferKind::kInput, kBool, n);
  const BufferId masked = b.AddBuffer(BufferKind::kOutput, kF32, n);
  const BufferId selected = b.AddBuffer(BufferKind::kOutput, kF32, n);
  const BufferId positive = b.AddBuffer(BufferKind::kOutput, kBool, n);
  const BufferId broadcast = b.AddBuffer(BufferKind::kOutput, kF32, n);
  const DimExpr j = b.BeginVectorLoop(n, 64);
  const ValueId flag = b.Load(flags, j);
  const ValueId v = b.Load(x, j, 0, 1, flag);
  b.Store(masked, j, v, 1, flag);
  const ValueId is_positive = b.Binary(Opcode::kLess, b.Const(kF32, 0.0), b.Load(x, j));
  b.Store(positive, j, b.Binary(Opcode::kAnd, is_positive, flag));
  b.Store(selected, j, b.Select(is_positive, v, b.Const(kF32, -1.0)));
  // No lane is active: nothing may be read, although the address is far outside.
  const ValueId none = b.LaneMask(DimExpr(0) - n, 64);
  b.Store(broadcast, j, b.Add(b.Load(x, j + 1000000, 0, 0, none), v));
  b.EndLoop();
  return nest;
}

LoopNest ShuffleNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, 64);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, 64 * 4 + 24 + 8);
  const BufferId scalars = b.AddBuffer(BufferKind::kOutput, kF32, 6);
  const BufferId numbers = b.AddBuffer(BufferKind::kOutput, ElementType::kI32, 64);
  const ValueId v = b.Load(x, 0, 64);
  std::vector<int> reversed = Iota(0, 64), interleaved, permuted;
  for (int& i : reversed) i = 63 - i;
  for (int i = 0; i < 32; ++i) interleaved.push_back(i), interleaved.push_back(64 + i);
  for (int i = 0; i < 64; ++i) permuted.push_back((i * 37 + 11) % 128);
  const ValueId back = b.Shuffle(v, reversed);
  b.Store(out, 0, back);
  b.Store(out, 64, b.Shuffle(v, back, interleaved));
  b.Store(out, 128, b.Shuffle(v, back, permuted));
  std::vector<int> joined = Iota(8, 40);
  for (int i : Iota(64, 96)) joined.push_back(i);
  b.Store(out, 192, b.Shuffle(v, b.Mul(back, back), joined));
  const ValueId third = b.Shuffle(v, Iota(5, 29));
  b.Store(out, 256, third);
  const ValueId eight = b.Shuffle(third, Iota(1, 24, 3));
  b.Store(out, 280, eight);
  b.Store(scalars, 0, b.Extract(v, 37));
  b.Store(scalars, 1, b.Extract(third, 23));
  b.Store(scalars, 2, b.Reduce(Opcode::kAdd, v));
  b.Store(scalars, 3, b.Reduce(Opcode::kMax, back));
  b.Store(scalars, 4, b.Reduce(Opcode::kMul, eight));
  b.Store(scalars, 5, b.Reduce(Opcode::kMin, b.Shuffle(eight, {0, 1})));
  b.Store(numbers, 0, b.Iota(ElementType::kI32, 64));
  return nest;
}

LoopNest LookupNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  const BufferId indices = b.AddBuffer(BufferKind::kInput, ElementType::kI32, n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, n);
  const BufferId scalar = b.AddBuffer(BufferKind::kOutput, kF32, 1);
  std::array<float, 16> table;
  for (int i = 0; i < 16; ++i) table[i] = static_cast<float>(i * i) - 7.5f;
  const DimExpr i = b.BeginVectorLoop(n, 64);
  b.Store(out, i, b.Lookup(b.Load(indices, i), table));  // of any value: the low four bits count
  b.EndLoop();
  b.Store(scalar, 0, b.Lookup(b.Load(indices, 0, 1), table));
  return nest;
}

LoopNest StrideNest(ElementType element) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument(), stride = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, element, n * 3 * stride);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, element, n * stride);
  const BufferId other = b.AddBuffer(BufferKind::kOutput, element, n * 2);
  const DimExpr j = b.BeginVectorLoop(n, 32);
  const ValueId three = b.Load(x, j * 3, 0, 3);
  const ValueId strided = b.Load(x, j * stride, 0, stride);
  const ValueId same = b.Load(x, j, 0, 0);
  b.Store(other, j * 2, three, 2);
  b.Store(other, j * 2 + 1, same, 2);
  b.Store(out, j * stride, strided, stride);
  b.EndLoop();
  return nest;
}

LoopNest Dot4Nest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  constexpr ElementType kI32 = ElementType::kI32;
  const DimExpr n = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kI32, n);
  const BufferId y = b.AddBuffer(BufferKind::kInput, kI32, n);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kI32, n + 1);
  const DimExpr j = b.BeginVectorLoop(n, 32);
  const ValueId left = b.Load(x, j), right = b.Load(y, j);
  b.Store(out, j, b.Dot4(left, left, right));
  b.EndLoop();
  const ValueId left1 = b.Load(x, 0, 1), right1 = b.Load(y, 0, 1);
  b.Store(out, n, b.Dot4(right1, left1, right1));
  return nest;
}

LoopNest ExtremaNest(ElementType element) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument();
  std::vector<BufferId> in, out;
  for (int i = 0; i < 4; ++i) in.push_back(b.AddBuffer(BufferKind::kInput, element, n));
  for (int i = 0; i < 7; ++i) out.push_back(b.AddBuffer(BufferKind::kOutput, element, n));
  const DimExpr j = b.BeginVectorLoop(n, 32);
  std::vector<ValueId> x;
  for (BufferId buffer : in) x.push_back(b.Load(buffer, j));
  size_t next = 0;
  auto store = [&](ValueId v) { b.Store(out[next++], j, v); };
  for (const auto& [op, other] : {std::pair(Opcode::kMax, Opcode::kMin), std::pair(Opcode::kMin, Opcode::kMax)}) {
    const ValueId two = b.Binary(op, x[0], x[1]), three = b.Binary(op, two, x[2]);
    store(b.Binary(op, b.Binary(op, three, x[3]), x[0]));
    store(b.Binary(other, three, x[3]));
    store(b.Binary(op, two, b.Binary(op, x[2], x[3])));
  }
  const ValueId stored = b.Binary(Opcode::kMax, x[3], b.Binary(Opcode::kMax, x[2], x[1]));
  store(b.Binary(Opcode::kMax, stored, stored));
  b.EndLoop();
  return nest;
}

std::vector<double> ExtremaInput(int number) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kValues[] = {0.0, -0.0, 1, -1, 2, kInfinity, -kInfinity, kNan, -kNan};
  int64_t place = 1;
  for (int i = 0; i < number; ++i) place *= 9;
  std::vector<double> values;
  for (int64_t i = 0; i < kExtremaElements; ++i) values.push_back(kValues[i / place % 9]);
  return values;
}

LoopNest IndexNest() {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr n = b.AddArgument(), m = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, kF32, n * m * 35);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, kF32, n * m * 35);
  const BufferId positions = b.AddBuffer(BufferKind::kOutput, kI64, n * m * 5);
  const DimExpr i = b.BeginLoop(LoopKind::kParallel, n);
  const DimExpr j = b.BeginLoop(LoopKind::kParallel, m * 2, 2);
  const DimExpr l = b.BeginLoop(LoopKind::kParallel, 5);
  const DimExpr tile = (i * m + FloorDiv(j, 2)) * 5 + l;
  const DimExpr skewed = FloorDiv(i - j * 3 + 1, 4) + Mod(j - i * 2, m + 1) +
                         Select(Less(i, j), i * 10, Min(i, l) - Max(j, 3)) + Equal(i, l) * 7 +
                         FloorDiv(i + 5, m - m) + Mod(FloorDiv(tile, 3), 7);
  b.Store(positions, tile, b.Index(skewed));
  b.Prefetch(x, tile * 7 + 100000, 0);
  b.Prefetch(x, tile * 7 + 1000, 1);
  const std::vector<ValueId> start = {b.Const(kF32, 1.0), b.Index(0)};
  const DimExpr u = b.BeginLoop(LoopKind::kUnrolled, 7, 1, start);
  const ValueId product = b.Mul(b.Carried(0), b.Load(x, tile * 7 + u, 1));
  const DimExpr count = DimExpr::Value(b.Carried(1).index);
  b.Store(out, tile * 7 + Min(count, 6), product);
  const std::vector<ValueId> next = {product, b.Index(count + 1)};
  b.EndLoop(next);
  b.EndLoop();
  b.EndLoop();
  b.EndLoop();
  return nest;
}

}  // namespace skein
