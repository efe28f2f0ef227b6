#include "ir/random_loop_nest.h"

#include <algorithm>
#include <array>
#include <bit>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ir/dim_expr_eval.h"
#include "ir/numeric.h"

namespace skein {
namespace {

using E = ElementType;

// SplitMix64: the same numbers everywhere, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int Below(int n) { return static_cast<int>(Next() % static_cast<uint64_t>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }
  template <typename T>
  T Of(std::initializer_list<T> choices) {
    return choices.begin()[Below(static_cast<int>(choices.size()))];
  }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[Below(static_cast<int>(choices.size()))];
  }

 private:
  uint64_t state_;
};

// Bit patterns worth computing with.
uint64_t RandomBits(E t, Random& random) {
  const int width = BitWidth(t);
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  if (IsBool(t)) return random.Next() & 1;
  if (IsFloat(t) && random.Chance(85)) {
    const double unit = static_cast<double>(random.Next() >> 11) * 0x1p-53;
    return BitsFromDouble(t, (unit - 0.5) * random.Of({1.0, 8.0, 8.0, 300.0, 1e6}));
  }
  if (IsFloat(t)) {
    const double special = random.Of({0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3e9, -3e9, 1e19,
                                      1e300, -1e300, 1e-300, 6e-8, 1e-40, 65520.0, 16777217.0});
    if (random.Chance(75)) return BitsFromDouble(t, special);
    const double infinity = 1e300 * 1e300;
    return BitsFromDouble(t, random.Of({infinity, -infinity, infinity - infinity}));
  }
  switch (random.Below(4)) {
    case 0:
      return random.Next() & mask;
    case 1:
      return static_cast<uint64_t>(random.Below(5) - 2) & mask;
    case 2:
      return (uint64_t{1} << (width - 1)) - static_cast<uint64_t>(random.Below(2));
    default:
      return static_cast<uint64_t>(random.Below(100)) & mask;
  }
}

// How a buffer is indexed by the row and the column at hand.
enum class Layout { kMatrix, kRow, kColumn, kStrided, kTransposed, kReversed, kTable };

struct PlannedBuffer {
  BufferId id;
  BufferKind kind;
  E element;
  Layout layout;
  bool readable;  // scratch becomes so when it has been written
};

class Generator {
 public:
  Generator(uint64_t seed, const RandomOptions& options)
      : random_(seed), options_(options), builder_(&nest_) {}

  LoopNest Run() {
    ChooseExtents();
    AddBuffers();
    const int parallel = random_.Of({0, 1, 1, 1, 2});
    int open = 0;
    if (parallel == 2) {  // rows is a multiple of 3 then
      const DimExpr i = builder_.BeginLoop(LoopKind::kParallel, row_loop_extent_);
      const DimExpr j = builder_.BeginLoop(LoopKind::kParallel, 3);
      row_ = i * 3 + j;
      open = 2;
    } else {
      const LoopKind kind = parallel == 1 ? LoopKind::kParallel : LoopKind::kSerial;
      const int step = random_.Of({1, 1, 2});
      row_ = builder_.BeginLoop(kind, rows_, step);
      open = 1;
    }
    Block(2);
    for (int i = 0; i < open; ++i) builder_.EndLoop();
    return std::move(nest_);
  }

 private:
  struct Scope {
    size_t values;
    std::vector<bool> readable;
  };

  void ChooseExtents();
  void AddBuffers();
  void AddBuffer(BufferKind kind, E element, Layout layout);

  Scope Enter() {
    Scope scope{pool_.size(), {}};
    for (const PlannedBuffer& buffer : buffers_) scope.readable.push_back(buffer.readable);
    return scope;
  }
  // Leaves a block: its values are gone, and what it wrote too, if it may not have run.
  void Leave(const Scope& scope, bool surely_ran) {
    pool_.resize(scope.values);
    if (surely_ran) return;
    for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].readable = scope.readable[i];
  }

  // --- statements ---
  void Block(int depth);
  void VectorPhase(int depth);
  DimExpr AsIndex(ValueId scalar);
  void SerialPhase(int depth);
  void StraightPhase();
  void InnerSerial(int lanes);
  std::vector<ValueId> ChooseInits(int lanes, bool with_scalars);
  std::vector<ValueId> ChooseYields(const std::vector<ValueId>& inits);
  void StoreInLoop(int lanes);
  void StoreScalar();

  // --- values ---
  bool Allowed(Opcode op, E t) const { return !options_.allow || options_.allow(op, t); }
  int ChooseLanes() {
    for (;;) {
      const int lanes = options_.odd_lanes && random_.Chance(20)
                            ? 1 + random_.Below(64)
                            : random_.Of({1, 2, 4, 8, 16, 32, 64, 64, 16});
      if (lanes <= options_.max_lanes) return lanes;
    }
  }
  E AnyElement() {
    return random_.Of({E::kF32, E::kF32, E::kF32, E::kF64, E::kI32, E::kI32, E::kI64, E::kI8,
                       E::kI16, E::kU8, E::kU16, E::kU32, E::kU64, E::kBool});
  }
  // Mostly one of a few types, so that operations find operands other than constants.
  E ChooseElement() { return random_.Chance(85) ? random_.Of(palette_) : AnyElement(); }
  void Keep(ValueId value) { pool_.push_back(value); }
  ValueId Pick(E element, int lanes);
  // In this order, which the order of a call's arguments would not be.
  std::array<ValueId, 3> PickThree(E element, int lanes) {
    return {Pick(element, lanes), Pick(element, lanes), Pick(element, lanes)};
  }
  ValueId Fresh(E element, int lanes);
  ValueId As(E element, ValueId value);
  void Operations(int lanes);
  ValueId Operation(int lanes);
  ValueId FloatOperation(E t, int lanes);
  ValueId IntegerOperation(E t, int lanes);
  ValueId BoolOperation(int lanes);
  ValueId Compare(int lanes);
  ValueId BitcastOperation(int lanes);
  ValueId LoadColumns(const PlannedBuffer& buffer, int lanes);
  ValueId LoadSomething(E element, int lanes);
  ValueId GatherSomething(const PlannedBuffer& table, int lanes);

  DimExpr Address(const PlannedBuffer& buffer, DimExpr column) const;
  DimExpr Stride(const PlannedBuffer& buffer) const;

  Random random_;
  RandomOptions options_;
  LoopNest nest_;
  LoopBuilder builder_;
  DimExpr rows_ = 1, columns_ = 1, row_loop_extent_ = 1, row_, column_;
  bool in_columns_ = false;     // column_ is the index of a vector loop around
  bool in_inner_loop_ = false;  // in a loop inside that loop: may not run
  std::vector<PlannedBuffer> buffers_;
  std::vector<ValueId> pool_;  // values in scope
  std::vector<E> palette_;
  int strided_by_ = 2;
};

// --- declarations --------------------------------------------------------------------------------

void Generator::ChooseExtents() {
  row_loop_extent_ = random_.Chance(80) ? builder_.AddArgument() : DimExpr(2);
  rows_ = row_loop_extent_ * 3;
  if (random_.Chance(30)) {
    columns_ = random_.Of({0, 1, 3, 8, 16, 17, 63, 64, 65, 100, 128});
  } else {
    const DimExpr n = builder_.AddArgument();
    columns_ = random_.Of({n, n, n, n + 3, FloorDiv(n, 2), n * 2, Max(n, 5), n * 16});
  }
  strided_by_ = random_.Of({2, 3});
  for (int i = 2 + random_.Below(3); i > 0; --i) palette_.push_back(AnyElement());
}

void Generator::AddBuffer(BufferKind kind, E element, Layout layout) {
  DimExpr size = rows_ * columns_;
  if (layout == Layout::kRow) size = columns_;
  if (layout == Layout::kColumn) size = rows_;
  if (layout == Layout::kStrided) size = rows_ * columns_ * strided_by_;
  if (layout == Layout::kTable) size = columns_ + 1;
  const BufferId id = builder_.AddBuffer(kind, element, size);
  buffers_.push_back(PlannedBuffer{id, kind, element, layout, kind != BufferKind::kScratch});
}

void Generator::AddBuffers() {
  const auto any_element = [this] {
    return random_.Chance(25) ? random_.Of({E::kF16, E::kBF16, E::kI4, E::kU4}) : ChooseElement();
  };
  AddBuffer(BufferKind::kInput, E::kF32, Layout::kMatrix);
  AddBuffer(BufferKind::kInput, E::kI64, Layout::kTable);
  for (int i = random_.Below(5); i > 0; --i) {
    AddBuffer(BufferKind::kInput, any_element(),
              random_.Of({Layout::kMatrix, Layout::kRow, Layout::kColumn, Layout::kStrided,
                          Layout::kTransposed, Layout::kReversed, Layout::kTable}));
  }
  AddBuffer(BufferKind::kOutput, any_element(), Layout::kMatrix);
  for (int i = random_.Below(4); i > 0; --i) {
    AddBuffer(BufferKind::kOutput, any_element(),
              random_.Of({Layout::kMatrix, Layout::kColumn, Layout::kStrided, Layout::kTransposed,
                          Layout::kReversed}));
  }
  for (int i = random_.Below(3); i > 0; --i) {
    AddBuffer(BufferKind::kScratch, random_.Of({E::kF32, E::kF32, any_element()}), Layout::kRow);
  }
}

DimExpr Generator::Address(const PlannedBuffer& buffer, DimExpr column) const {
  switch (buffer.layout) {
    case Layout::kMatrix:
      return row_ * columns_ + column;
    case Layout::kRow:
    case Layout::kTable:
      return column;
    case Layout::kColumn:
      return row_;
    case Layout::kStrided:
      return (row_ * columns_ + column) * strided_by_;
    case Layout::kTransposed:
      return column * rows_ + row_;
    case Layout::kReversed:
      return row_ * columns_ + columns_ - column - 1;
  }
  return 0;
}

DimExpr Generator::Stride(const PlannedBuffer& buffer) const {
  switch (buffer.layout) {
    case Layout::kColumn:
      return 0;
    case Layout::kStrided:
      return strided_by_;
    case Layout::kTransposed:
      return rows_;
    case Layout::kReversed:
      return -1;
    default:
      return 1;
  }
}

// --- statements ----------------------------------------------------------------------------------

void Generator::Block(int depth) {
  for (int i = 1 + random_.Below(options_.phases); i > 0; --i) {
    const int choice = random_.Below(10);
    if (choice < 6) {
      VectorPhase(depth);
    } else if (choice < 8 && depth > 0) {
      SerialPhase(depth - 1);
    } else {
      StraightPhase();
    }
  }
  StoreScalar();
}

std::vector<ValueId> Generator::ChooseInits(int lanes, bool with_scalars) {
  std::vector<ValueId> inits;
  for (int i = random_.Of({0, 0, 1, 1, 2, 3}); i > 0; --i) {
    const int carried_lanes = with_scalars && random_.Chance(20) ? 1 : lanes;
    inits.push_back(builder_.Splat(Pick(ChooseElement(), carried_lanes), carried_lanes));
  }
  return inits;
}

std::vector<ValueId> Generator::ChooseYields(const std::vector<ValueId>& inits) {
  std::vector<ValueId> yields;
  for (size_t i = 0; i < inits.size(); ++i) {
    const VectorType t = builder_.type(inits[i]);
    ValueId next = Pick(t.element, t.lanes);
    const ValueId carried = builder_.Carried(static_cast<int>(i));
    if (IsBool(t.element)) {
      next = builder_.Binary(Opcode::kXor, carried, next);
    } else {
      const Opcode op = random_.Of({Opcode::kAdd, Opcode::kMax, Opcode::kMin, Opcode::kMul});
      if (random_.Chance(85) && Allowed(op, t.element)) next = builder_.Binary(op, carried, next);
    }
    yields.push_back(builder_.Splat(next, t.lanes));
  }
  return yields;
}

void Generator::VectorPhase(int depth) {
  const int lanes = ChooseLanes();
  const std::vector<ValueId> inits = ChooseInits(lanes, /*with_scalars=*/true);
  const Scope scope = Enter();
  column_ = builder_.BeginVectorLoop(columns_, lanes, inits);
  in_columns_ = true;
  for (size_t i = 0; i < inits.size(); ++i) Keep(builder_.Carried(static_cast<int>(i)));
  Operations(lanes);
  if (depth > 0 && random_.Chance(20)) InnerSerial(lanes);
  for (int i = 1 + random_.Below(2); i > 0; --i) StoreInLoop(lanes);
  const std::vector<ValueId> results = builder_.EndLoop(ChooseYields(inits));
  in_columns_ = false;
  Leave(scope, /*surely_ran=*/true);  // a scratch of no columns has nothing to read
  for (ValueId result : results) {
    Keep(result);
    const VectorType t = builder_.type(result);
    if ((t.lanes & (t.lanes - 1)) != 0 || t.lanes == 1) continue;
    const Opcode op = IsBool(t.element)
                          ? random_.Of({Opcode::kAnd, Opcode::kOr})
                      : IsFloat(t.element) && random_.Chance(30)
                          ? random_.Of({Opcode::kMinX86, Opcode::kMaxX86})
                          : random_.Of({Opcode::kAdd, Opcode::kMul, Opcode::kMin, Opcode::kMax});
    if (Allowed(Opcode::kReduce, t.element) && Allowed(op, t.element)) {
      Keep(builder_.Reduce(op, result));
    }
  }
}

// A serial loop inside the vector loop at hand.
void Generator::InnerSerial(int lanes) {
  const std::vector<ValueId> inits = ChooseInits(lanes, /*with_scalars=*/true);
  const Scope scope = Enter();
  const bool outer = std::exchange(in_inner_loop_, true);
  const DimExpr extent = random_.Of({DimExpr(3), Min(columns_, 2), Mod(columns_, 3)});
  const DimExpr k = builder_.BeginLoop(LoopKind::kSerial, extent, 1, inits);
  for (size_t i = 0; i < inits.size(); ++i) Keep(builder_.Carried(static_cast<int>(i)));
  Keep(builder_.Index(k + column_));
  Operations(lanes);
  if (random_.Chance(40)) StoreInLoop(lanes);
  const std::vector<ValueId> results = builder_.EndLoop(ChooseYields(inits));
  in_inner_loop_ = outer;
  Leave(scope, /*surely_ran=*/false);
  for (ValueId result : results) Keep(result);
}

// Of index arithmetic beyond 64 bits, expressions saturate and generated code wraps: no kernel gets there.
DimExpr Generator::AsIndex(ValueId scalar) {
  constexpr int64_t kMost = (int64_t{1} << 40) - 1;
  return DimExpr::Value(builder_.Binary(Opcode::kAnd, scalar, builder_.ConstInt(E::kI64, kMost)).index);
}

void Generator::SerialPhase(int depth) {
  const std::vector<ValueId> inits = ChooseInits(ChooseLanes(), /*with_scalars=*/true);
  LoopKind kind = LoopKind::kSerial;
  DimExpr extent =
      random_.Of({DimExpr(2), Min(columns_, 3), Mod(columns_, 4), DimExpr(0), Min(row_, 3)});
  if (random_.Chance(30)) {  // as long as the data say
    const ValueId trips = Pick(E::kI64, 1);
    extent = Mod(AsIndex(trips), 4);
  } else if (random_.Chance(40)) {
    kind = LoopKind::kUnrolled;
    extent = random_.Of({1, 2, 5});
  }
  const Scope scope = Enter();
  const DimExpr k = builder_.BeginLoop(kind, extent, random_.Of({1, 1, 2}), inits);
  for (size_t i = 0; i < inits.size(); ++i) Keep(builder_.Carried(static_cast<int>(i)));
  Keep(builder_.Index(k * 3 - 1));
  Block(depth);
  const std::vector<ValueId> results = builder_.EndLoop(ChooseYields(inits));
  Leave(scope, /*surely_ran=*/false);
  for (ValueId result : results) Keep(result);
}

// Vectors outside of vector loops: shuffles, reductions, masks.
void Generator::StraightPhase() {
  const int lanes = ChooseLanes();
  Operations(lanes);
  for (int i = random_.Below(3); i > 0; --i) {
    const E element = ChooseElement();
    const ValueId a = builder_.Splat(Pick(element, lanes), lanes);
    const ValueId b = builder_.Splat(Pick(element, lanes), lanes);
    const bool two = random_.Chance(50);
    const int result_lanes = random_.Chance(50) ? lanes : ChooseLanes();
    std::vector<int> indices;
    const int pattern = random_.Below(4);
    for (int j = 0; j < result_lanes; ++j) {
      const int all = two ? 2 * lanes : lanes;
      const int index = pattern == 0   ? all - 1 - j % all              // reversal
                        : pattern == 1 ? (j / 2 + j % 2 * lanes) % all  // interleave
                        : pattern == 2 ? (j + lanes / 2) % all          // rotation or upper half
                                       : random_.Below(all);
      indices.push_back(index);
    }
    if (Allowed(Opcode::kShuffle, element)) {
      Keep(two ? builder_.Shuffle(a, b, indices) : builder_.Shuffle(a, indices));
    }
    Keep(builder_.Extract(a, random_.Below(lanes)));
  }
  const E element = random_.Of({E::kF32, E::kI32, E::kF64, E::kI64});
  const ValueId value = builder_.Splat(Pick(element, lanes), lanes);
  if ((lanes & (lanes - 1)) == 0 && Allowed(Opcode::kReduce, element) &&
      Allowed(Opcode::kAdd, element)) {
    Keep(builder_.Reduce(Opcode::kAdd, value));
  }
}

// Stores lanes of the vector loop at hand.
void Generator::StoreInLoop(int lanes) {
  std::vector<size_t> targets;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].kind != BufferKind::kInput && buffers_[i].layout != Layout::kColumn) {
      targets.push_back(i);
    }
  }
  PlannedBuffer& buffer = buffers_[random_.Of(targets)];
  const ValueId value = builder_.Splat(As(buffer.element, Pick(ChooseElement(), lanes)), lanes);
  const ValueId mask = random_.Chance(15) ? Pick(E::kBool, lanes) : ValueId();
  if (buffer.kind == BufferKind::kOutput && buffer.layout == Layout::kMatrix &&
      random_.Chance(12) && Allowed(Opcode::kScatter, buffer.element)) {
    const ValueId index = builder_.ClampIndex(builder_.Splat(Pick(E::kI64, lanes), lanes), columns_,
                                              random_.Below(70));
    builder_.Scatter(buffer.id, row_ * columns_, value, index, mask);
    return;
  }
  const bool streaming = random_.Chance(10) && Stride(buffer) == DimExpr(1);
  builder_.Store(buffer.id, Address(buffer, column_), value, Stride(buffer), mask, streaming);
  if (!mask.valid() && !in_inner_loop_) buffer.readable = true;
}

// One scalar of the row.
void Generator::StoreScalar() {
  for (const PlannedBuffer& buffer : buffers_) {
    if (buffer.kind != BufferKind::kOutput || buffer.layout != Layout::kColumn) continue;
    builder_.Store(buffer.id, row_, As(buffer.element, Pick(ChooseElement(), 1)));
  }
}

// --- values --------------------------------------------------------------------------------------

// A value with `lanes` or 1 lanes.
ValueId Generator::Pick(E element, int lanes) {
  std::vector<ValueId> found;
  for (ValueId value : pool_) {
    const VectorType t = builder_.type(value);
    if (t.element == element && (t.lanes == 1 || t.lanes == lanes)) found.push_back(value);
  }
  if (!found.empty() && random_.Chance(80)) {
    // Rather the latest, so that chains get long.
    const size_t from = random_.Chance(50) ? found.size() - (found.size() + 2) / 3 : 0;
    return found[from + random_.Below(static_cast<int>(found.size() - from))];
  }
  const ValueId value = Fresh(element, lanes);
  Keep(value);
  return value;
}

ValueId Generator::As(E element, ValueId value) {
  const E from = builder_.type(value).element;
  if (from == element) return value;
  if (Allowed(Opcode::kConvert, from) && Allowed(Opcode::kConvert, element)) {
    return builder_.Convert(element, value);
  }
  return builder_.ConstBits(element, RandomBits(element, random_));
}

ValueId Generator::Fresh(E element, int lanes) {
  switch (random_.Below(6)) {
    case 0:
    case 1:
    case 2:
      return LoadSomething(element, lanes);
    case 3:
      if (IsInteger(element) && Allowed(Opcode::kIota, element))
        return builder_.Iota(element, lanes);
      if (element == E::kBool && Allowed(Opcode::kLaneMask, element)) {
        return builder_.LaneMask(columns_ - (in_columns_ ? column_ : DimExpr(2)), lanes);
      }
      break;
    case 4: {
      const DimExpr e = in_columns_ ? row_ * 2 + column_ : FloorDiv(row_ + columns_, 3);
      return As(element, builder_.Index(e));
    }
    default:
      break;
  }
  return builder_.ConstBits(element, RandomBits(element, random_));
}

ValueId Generator::LoadSomething(E element, int lanes) {
  std::vector<size_t> readable, right;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (!buffers_[i].readable || !Allowed(Opcode::kLoad, buffers_[i].element)) continue;
    readable.push_back(i);
    if (buffers_[i].element == element) right.push_back(i);
  }
  const std::vector<size_t>& choices = !right.empty() && random_.Chance(60) ? right : readable;
  if (choices.empty()) return builder_.ConstBits(element, RandomBits(element, random_));
  const PlannedBuffer& buffer = buffers_[random_.Of(choices)];
  if (buffer.layout == Layout::kTable) return As(element, GatherSomething(buffer, lanes));
  if (random_.Chance(4)) builder_.Prefetch(buffer.id, Address(buffer, 1000), random_.Below(2));
  return As(element, LoadColumns(buffer, lanes));
}

ValueId Generator::LoadColumns(const PlannedBuffer& buffer, int lanes) {
  if (buffer.layout == Layout::kColumn) return builder_.Load(buffer.id, row_, lanes, 0);
  if (in_columns_) {
    // A scalar loads the first column of the vector, which is always active.
    const ValueId mask = random_.Chance(10) ? Pick(E::kBool, lanes) : ValueId();
    const int loaded = mask.valid() ? std::max(lanes, builder_.type(mask).lanes) : lanes;
    return builder_.Load(buffer.id, Address(buffer, column_), loaded, Stride(buffer), mask);
  }
  const ValueId mask = builder_.LaneMask(columns_, lanes);
  return builder_.Load(buffer.id, Address(buffer, 0), lanes, Stride(buffer), mask);
}

ValueId Generator::GatherSomething(const PlannedBuffer& table, int lanes) {
  const DimExpr size = columns_ + 1;
  if (lanes == 1 && random_.Chance(60)) {
    std::vector<ValueId> scalars;
    for (ValueId value : pool_) {
      if (builder_.type(value) == VectorType{E::kI64, 1}) scalars.push_back(value);
    }
    if (!scalars.empty()) {
      return builder_.Load(table.id, Mod(AsIndex(random_.Of(scalars)), size), 1);
    }
  }
  if (!Allowed(Opcode::kGather, table.element)) {
    return builder_.Load(table.id, 0, lanes, 0);
  }
  std::vector<ValueId> indices;
  for (ValueId value : pool_) {
    const VectorType t = builder_.type(value);
    if (t.element == E::kI64 && t.lanes == lanes) indices.push_back(value);
  }
  const ValueId raw = indices.empty() ? builder_.Iota(E::kI64, lanes) : random_.Of(indices);
  const ValueId index = builder_.ClampIndex(raw, size, random_.Below(70));
  return builder_.Gather(table.id, 0, index);
}

void Generator::Operations(int lanes) {
  for (int i = 1 + random_.Below(options_.operations); i > 0; --i) {
    Keep(Operation(random_.Chance(85) ? lanes : 1));
  }
}

ValueId Generator::Operation(int lanes) {
  const int choice = random_.Below(20);
  if (choice == 0) return BitcastOperation(lanes);
  if (choice == 1 && Allowed(Opcode::kDot4, E::kI32)) {
    const std::array<ValueId, 3> x = PickThree(E::kI32, lanes);
    return builder_.Dot4(x[0], x[1], x[2]);
  }
  if (choice == 2) return Compare(lanes);
  if (choice == 10 && Allowed(Opcode::kLookup, E::kI32) && Allowed(Opcode::kLookup, E::kF32)) {
    std::array<float, 16> table;
    for (float& entry : table) {
      entry = std::bit_cast<float>(static_cast<uint32_t>(RandomBits(E::kF32, random_)));
    }
    return builder_.Lookup(Pick(E::kI32, lanes), table);
  }
  const E t = ChooseElement();
  if (choice == 3) return As(t, Pick(ChooseElement(), lanes));
  if (choice < 6 && Allowed(Opcode::kSelect, t)) {
    const std::array<ValueId, 3> x = PickThree(t, lanes);
    return builder_.Select(Pick(E::kBool, lanes), x[0], x[1]);
  }
  if (IsBool(t)) return BoolOperation(lanes);
  return IsFloat(t) ? FloatOperation(t, lanes) : IntegerOperation(t, lanes);
}

ValueId Generator::FloatOperation(E t, int lanes) {
  const Opcode op = random_.Of(
      {Opcode::kAdd, Opcode::kSub, Opcode::kMul, Opcode::kDiv, Opcode::kFma, Opcode::kFma,
       Opcode::kMin, Opcode::kMax, Opcode::kMinX86, Opcode::kMaxX86, Opcode::kNeg, Opcode::kAbs,
       Opcode::kSqrt, Opcode::kFloor, Opcode::kCeil, Opcode::kTrunc, Opcode::kRoundEven});
  if (!Allowed(op, t)) return Pick(t, lanes);
  const std::array<ValueId, 3> x = PickThree(t, lanes);
  if (op == Opcode::kFma) return builder_.Fma(x[0], x[1], x[2]);
  return op >= Opcode::kNeg ? builder_.Unary(op, x[0]) : builder_.Binary(op, x[0], x[1]);
}

ValueId Generator::IntegerOperation(E t, int lanes) {
  const Opcode op =
      random_.Of({Opcode::kAdd, Opcode::kSub, Opcode::kMul, Opcode::kIntDiv, Opcode::kIntRem,
                  Opcode::kMin, Opcode::kMax, Opcode::kNeg, Opcode::kAbs, Opcode::kAnd, Opcode::kOr,
                  Opcode::kXor, Opcode::kNot, Opcode::kShl, Opcode::kShr, Opcode::kSar});
  if (!Allowed(op, t)) return Pick(t, lanes);
  if (op == Opcode::kNeg || op == Opcode::kAbs || op == Opcode::kNot) {
    return builder_.Unary(op, Pick(t, lanes));
  }
  ValueId b = Pick(t, lanes);
  const bool shift = op == Opcode::kShl || op == Opcode::kShr || op == Opcode::kSar;
  if (shift && random_.Chance(70)) {
    b = builder_.ConstInt(t, random_.Below(BitWidth(t) + 2));
  }
  return builder_.Binary(op, Pick(t, lanes), b);
}

ValueId Generator::BoolOperation(int lanes) {
  const Opcode op = random_.Of({Opcode::kAnd, Opcode::kOr, Opcode::kXor, Opcode::kNot});
  if (!Allowed(op, E::kBool)) return Pick(E::kBool, lanes);
  if (op == Opcode::kNot) return builder_.Unary(op, Pick(E::kBool, lanes));
  const std::array<ValueId, 3> x = PickThree(E::kBool, lanes);
  return builder_.Binary(op, x[0], x[1]);
}

ValueId Generator::Compare(int lanes) {
  const E t = ChooseElement();
  const Opcode op =
      random_.Of({Opcode::kLess, Opcode::kLessEqual, Opcode::kEqual, Opcode::kNotEqual});
  if (!Allowed(op, t)) return Pick(E::kBool, lanes);
  const std::array<ValueId, 3> x = PickThree(t, lanes);
  return builder_.Binary(op, x[0], x[1]);
}

// The bits of a NaN are nobody's business: NaNs become 1 first.
ValueId Generator::BitcastOperation(int lanes) {
  const bool wide = random_.Chance(30);
  const E f = wide ? E::kF64 : E::kF32;
  const E i = wide ? random_.Of({E::kI64, E::kU64}) : random_.Of({E::kI32, E::kU32});
  if (!Allowed(Opcode::kBitcast, f) || !Allowed(Opcode::kBitcast, i)) return Pick(i, lanes);
  if (random_.Chance(40)) return builder_.Bitcast(f, Pick(i, lanes));
  if (!Allowed(Opcode::kEqual, f) || !Allowed(Opcode::kSelect, f)) return Pick(i, lanes);
  const ValueId x = Pick(f, lanes);
  const ValueId number = builder_.Binary(Opcode::kEqual, x, x);
  return builder_.Bitcast(i, builder_.Select(number, x, builder_.Const(f, 1)));
}

int64_t EvaluateSize(DimExpr size, const std::vector<int64_t>& arguments) {
  const auto slot = [](std::string_view symbol) { return ArgumentNumber(symbol); };
  const absl::StatusOr<CompiledDimExpr> compiled = CompiledDimExpr::Compile(size, slot);
  return compiled.ok() ? compiled->Eval(arguments) : 0;
}

}  // namespace

LoopNest RandomLoopNest(uint64_t seed, const RandomOptions& options) {
  return Generator(seed, options).Run();
}

std::vector<void*> RandomInputs::Pointers() {
  std::vector<void*> pointers;
  for (std::vector<uint8_t>& buffer : buffers) pointers.push_back(buffer.data());
  return pointers;
}

RandomInputs MakeRandomInputs(const LoopNest& nest, uint64_t seed) {
  constexpr int64_t kMaxElements = 1 << 15;  // in one buffer: milliseconds in the interpreter
  Random random(seed ^ 0x5eed);
  RandomInputs inputs;
  for (int attempt = 0;; ++attempt) {
    inputs.arguments.clear();
    for (int i = 0; i < nest.argument_count; ++i) {
      const int64_t small = random.Of({0, 1, 2, 3, 5});
      const int64_t large =
          random.Of({7, 8, 9, 15, 16, 17, 31, 32, 33, 37, 63, 64, 65, 127, 128, 131});
      inputs.arguments.push_back(attempt < 20 && random.Chance(60) ? large : small);
    }
    int64_t largest = 0;
    for (const Buffer& buffer : nest.buffers) {
      largest = std::max(largest, EvaluateSize(buffer.size, inputs.arguments));
    }
    if (largest <= kMaxElements || attempt > 40) break;
  }
  for (const Buffer& buffer : nest.buffers) {
    if (buffer.kind == BufferKind::kScratch) continue;
    const int64_t size = EvaluateSize(buffer.size, inputs.arguments);
    std::vector<uint8_t> bytes(BytesFor(buffer.element, size));
    for (int64_t i = 0; i < size; ++i) {
      WriteBits(buffer.element, bytes.data(), i, RandomBits(buffer.element, random));
    }
    inputs.buffers.push_back(std::move(bytes));
  }
  return inputs;
}

std::string FirstDifference(const LoopNest& nest, const RandomInputs& a, const RandomInputs& b) {
  if (a.status != b.status) {
    return absl::StrCat("status: 0x", absl::Hex(a.status), " and 0x", absl::Hex(b.status));
  }
  for (size_t i = 0; i < a.buffers.size(); ++i) {
    const E t = nest.buffers[i].element;
    const int64_t size = EvaluateSize(nest.buffers[i].size, a.arguments);
    for (int64_t j = 0; j < size; ++j) {
      const uint64_t x = ReadBits(t, a.buffers[i].data(), j);
      const uint64_t y = ReadBits(t, b.buffers[i].data(), j);
      if (x == y) continue;
      if (IsFloat(t)) {
        const double u = DoubleFromBits(t, x), v = DoubleFromBits(t, y);
        if (u != u && v != v) continue;
      }
      return absl::StrCat("b", i, "[", j, "]: 0x", absl::Hex(x), " and 0x", absl::Hex(y));
    }
  }
  return "";
}

}  // namespace skein
