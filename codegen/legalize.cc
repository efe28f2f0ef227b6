#include "codegen/legalize.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "codegen/map_leaves.h"
#include "codegen/piece_groups.h"
#include "codegen/recycled.h"
#include "codegen/strip_mine.h"
#include "ir/numeric.h"

namespace skein {
namespace {

// Cuts the values of a nest without vector loops into pieces and puts the pieces in order.
class Splitter {
 public:
  Splitter(const LoopNest& source, const Target& target)
      : source_(source), cut_(source, target), register_lanes_(target.lanes()) {
    result_.buffers = source.buffers;
    result_.argument_count = source.argument_count;
    result_.loop_count = source.loop_count;
    pieces_.resize(source.value_count());
    defined_by_.resize(source.value_count());
    for (int v = 0; v < source.value_count(); ++v) {
      names_values_ = names_values_ || source.type(ValueId(v)) == VectorType{ElementType::kI64, 1};
    }
  }

  LoopNest Run() {
    int pieces = 0;
    for (int i = 0; i < source_.inst_count(); ++i) {
      const Inst& inst = source_.inst(InstId(i));
      for (ValueId v : inst.results) defined_by_[v.index] = InstId(i);
      pieces += cut_.IsSingleNode(inst) ? 1 : cut_.PieceCount(cut_.Lanes(inst));
    }
    result_.Reserve(pieces, pieces);
    result_.root = SplitBlock(source_.root);
    return std::move(result_);
  }

 private:
  // --- pieces ---
  using Pieces = absl::InlinedVector<ValueId, 4>;

  ValueId Piece(ValueId v, int piece) const {
    const Pieces& pieces = pieces_[v.index];
    return pieces.size() == 1 ? pieces[0] : pieces[piece];
  }

  DimExpr Map(DimExpr e) {
    if (!names_values_) return e;
    return MapLeaves(e, mapped_, [&](DimExpr leaf) {
      if (leaf.kind() == DimKind::kCoord) {
        const DimExpr extent = Map(leaf.extent());
        return extent == leaf.extent() ? leaf : DimExpr::Coord(leaf.index(), extent);
      }
      if (leaf.kind() != DimKind::kValue) return leaf;
      return DimExpr::Value(Piece(ValueId(leaf.index()), 0).index);
    });
  }

  // --- emission ---
  void Append(Inst&& inst) {
    result_.block(block_).insts.push_back(result_.NewInst(std::move(inst)));
  }

  ValueId Emit(Inst&& inst, VectorType type) {
    const ValueId value = result_.NewValue(type);
    inst.type = type;
    inst.results = {value};
    Append(std::move(inst));
    return value;
  }

  BlockId SplitBlock(BlockId source) {
    const BlockId outer = block_;
    const BlockId block = block_ = result_.NewBlock();
    result_.block(block).insts.reserve(2 * source_.block(source).insts.size());
    for (ValueId argument : source_.block(source).arguments) {
      NewPieces(argument, result_.block(block).arguments);
    }
    std::vector<InstId> straight;
    straight.reserve(source_.block(source).insts.size());
    for (InstId id : source_.block(source).insts) {
      const Inst& inst = source_.inst(id);
      if (inst.op == Opcode::kLoop) {
        EmitStraight(straight);
        straight.clear();
        SplitLoop(inst);
        continue;
      }
      straight.push_back(id);
      // What follows a reduction seldom shares values with what led to it: keep it behind, so
      // that the groups of several rows do not mix.
      if (inst.op == Opcode::kReduce && cut_.PieceCount(inst.operands[0]) > cut_.group_pieces()) {
        EmitStraight(straight);
        straight.clear();
      }
    }
    EmitStraight(straight);
    for (ValueId yield : source_.block(source).yields) {
      for (int p = 0; p < cut_.PieceCount(yield); ++p) {
        result_.block(block).yields.push_back(Piece(yield, p));
      }
    }
    block_ = outer;
    return block;
  }

  template <typename Container>
  void NewPieces(ValueId source, Container& out) {
    const VectorType type = source_.type(source);
    Pieces& pieces = pieces_[source.index];
    pieces.clear();
    for (int p = 0; p < cut_.PieceCount(type.lanes); ++p) {
      pieces.push_back(result_.NewValue(cut_.PieceType(type, p)));
      out.push_back(pieces.back());
    }
  }

  void SplitLoop(const Inst& source) {
    Inst loop = source;
    loop.operands.clear();
    loop.results.clear();
    loop.extent = Map(source.extent);
    for (ValueId init : source.operands) {
      for (int p = 0; p < cut_.PieceCount(init); ++p) loop.operands.push_back(Piece(init, p));
    }
    loop.body = SplitBlock(source.body);
    for (ValueId result : source.results) NewPieces(result, loop.results);
    Append(std::move(loop));
  }

  void EmitStraight(std::span<const InstId> insts) {
    for (const PieceGroups::Step& step : cut_.InOrder(insts)) EmitNode(source_.inst(step.inst), step.group);
  }

  // --- the pieces of one instruction ---
  void EmitNode(const Inst& inst, int group) {
    if (cut_.IsSingleNode(inst)) return EmitSingle(inst);
    const int lanes = cut_.Lanes(inst);
    const int begin = group * cut_.group_pieces();
    const int end = std::min(cut_.PieceCount(lanes), begin + cut_.group_pieces());
    if (!inst.results.empty()) pieces_[inst.results[0].index].resize(cut_.PieceCount(lanes));
    if (inst.op == Opcode::kShuffle) {
      for (int p = begin; p < end; ++p) {
        const ValueId piece = ShufflePiece(inst, p);
        pieces_[inst.results[0].index][p] = piece;
      }
      return;
    }
    if (const std::optional<Bound> bound = FindBound(inst)) return EmitBounded(inst, *bound, begin, end);
    const bool contiguous = inst.op == Opcode::kLoad || inst.op == Opcode::kStore;
    const DimExpr expr = Map(inst.expr), address = Map(inst.address), stride = Map(inst.stride);
    const bool is_broadcast = inst.op == Opcode::kLoad && inst.stride.IsConst(0) && lanes > 1;
    for (int p = begin; p < end; ++p) {
      const VectorType type{inst.type.element, cut_.PieceLanes(lanes, p)};
      const ValueId zero = is_broadcast ? Zero(type.lanes) : ValueId();
      const InstId id = result_.NewInst(inst);
      result_.block(block_).insts.push_back(id);
      Inst& piece = result_.inst(id);
      for (ValueId& operand : piece.operands) operand = Piece(operand, p);
      const int64_t lane = p * register_lanes_;
      piece.expr = inst.op == Opcode::kLaneMask && p > 0 ? expr - DimExpr(lane) : expr;
      piece.address = address;
      piece.stride = stride;
      if (contiguous && stride.IsConst()) {
        piece.offset += lane * stride.constant();
      } else if (contiguous) {
        piece.address = address + DimExpr(lane) * stride;
      }
      if (is_broadcast) MakeGather(piece, zero);
      if (inst.results.empty()) continue;
      piece.type = type;
      piece.results[0] = pieces_[inst.results[0].index][p] = result_.NewValue(type);
    }
  }

  // The constant operand of a float minimum or maximum, if one instruction (or two) will do: minps and maxps give
  // the second operand where one is NaN or both are zero, so that with x there only a zero that must not be x's
  // needs more.
  struct Bound {
    int operand;
    bool adds;  // -0 + +0 = +0
  };
  std::optional<Bound> FindBound(const Inst& inst) const {
    const bool min = inst.op == Opcode::kMin;
    const ElementType element = inst.type.element;
    if ((!min && inst.op != Opcode::kMax) || (element != ElementType::kF32 && element != ElementType::kF64)) {
      return std::nullopt;
    }
    for (int i = 0; i < 2; ++i) {
      const Inst* const constant = Constant(inst.operands[i]);
      if (constant == nullptr) continue;
      const double number = DoubleFromBits(element, constant->imm);
      const bool wins = number == 0 && std::signbit(number) == min;  // over x's zero
      if (std::isnan(number) || (wins && min)) continue;
      return Bound{i, wins && !IsNeverNegativeZero(inst.operands[1 - i])};
    }
    return std::nullopt;
  }
  // Null if `v` is none.
  const Inst* Constant(ValueId v) const {
    const InstId made = defined_by_[v.index];
    return made.valid() && source_.inst(made).op == Opcode::kConst ? &source_.inst(made) : nullptr;
  }
  // Sums are -0 only where both terms are.
  bool IsNeverNegativeZero(ValueId value) const {
    if (!defined_by_[value.index].valid()) return false;
    const Inst& inst = source_.inst(defined_by_[value.index]);
    if (inst.op == Opcode::kConvert) return !IsFloat(source_.type(inst.operands[0]).element);
    if (inst.op != Opcode::kAdd || !IsFloat(inst.type.element)) return false;
    return std::any_of(inst.operands.begin(), inst.operands.end(), [&](ValueId v) {
      const Inst* const constant = Constant(v);
      if (constant == nullptr) return false;
      const double number = DoubleFromBits(inst.type.element, constant->imm);
      return number != 0 || !std::signbit(number);
    });
  }
  void EmitBounded(const Inst& inst, const Bound& bound, int begin, int end) {
    for (int p = begin; p < end; ++p) {
      const VectorType type{inst.type.element, cut_.PieceLanes(cut_.Lanes(inst), p)};
      const ValueId number = Piece(inst.operands[bound.operand], p), x = Piece(inst.operands[1 - bound.operand], p);
      const Opcode op = inst.op == Opcode::kMin ? Opcode::kMinX86 : Opcode::kMaxX86;
      ValueId result = Emit(Inst{.op = op, .operands = {number, x}}, type);
      if (bound.adds) result = Emit(Inst{.op = Opcode::kAdd, .operands = {result, number}}, type);
      pieces_[inst.results[0].index][p] = result;
    }
  }

  ValueId Zero(int lanes) { return Emit(Inst{.op = Opcode::kConst}, {ElementType::kI64, lanes}); }

  // A masked load of stride 0, which may read nothing at all, as a gather of index `zero`.
  static void MakeGather(Inst& load, ValueId zero) {
    load.op = Opcode::kGather;
    load.operands.insert(load.operands.begin(), zero);
    load.stride = 1;
  }

  void EmitSingle(const Inst& source) {
    Inst inst = source;
    for (ValueId& operand : inst.operands) operand = Piece(operand, 0);
    inst.expr = Map(source.expr);
    inst.address = Map(source.address);
    if (source.results.empty()) return Append(std::move(inst));  // kPrefetch
    const VectorType type = source.type;
    Pieces pieces;
    switch (source.op) {
      case Opcode::kExtract: {
        const int p = source.lane / register_lanes_;
        inst.operands[0] = Piece(source.operands[0], p);
        inst.lane = source.lane % register_lanes_;
        pieces = {Emit(std::move(inst), type)};
        break;
      }
      case Opcode::kReduce:
        inst.operands[0] = ReducePieces(source);
        pieces = {Emit(std::move(inst), type)};
        break;
      case Opcode::kIota:
        pieces = IotaPieces(type);
        break;
      case Opcode::kLoad: {
        inst.stride = 1;
        const ValueId scalar = Emit(std::move(inst), {type.element, 1});
        pieces = SamePieces(Inst{.op = Opcode::kSplat, .operands = {scalar}}, type);
        break;
      }
      default:
        pieces = SamePieces(inst, type);
    }
    pieces_[source.results[0].index] = std::move(pieces);
  }

  // All pieces are one value, except that the last may be shorter.
  Pieces SamePieces(const Inst& inst, VectorType type) {
    Pieces pieces;
    for (int p = 0; p < cut_.PieceCount(type.lanes); ++p) {
      const VectorType piece_type = cut_.PieceType(type, p);
      const bool again = p > 0 && piece_type.lanes == register_lanes_;
      pieces.push_back(again ? pieces[0] : Emit(Inst(inst), piece_type));
    }
    return pieces;
  }

  Pieces IotaPieces(VectorType type) {
    Pieces pieces;
    for (int p = 0; p < cut_.PieceCount(type.lanes); ++p) {
      const VectorType piece_type = cut_.PieceType(type, p);
      ValueId lanes = Emit(Inst{.op = Opcode::kIota}, piece_type);
      if (p > 0) {
        const uint64_t wrap = ~uint64_t{0} >> (64 - BitWidth(type.element));
        const uint64_t first = static_cast<uint64_t>(p) * register_lanes_ & wrap;
        const ValueId start = Emit(Inst{.op = Opcode::kConst, .imm = first}, piece_type);
        lanes = Emit(Inst{.op = Opcode::kAdd, .operands = {lanes, start}}, piece_type);
      }
      pieces.push_back(lanes);
    }
    return pieces;
  }

  // Lane j with lane j + lanes/2, while these are in different pieces.
  ValueId ReducePieces(const Inst& reduce) {
    Pieces pieces = pieces_[reduce.operands[0].index];
    for (size_t half = pieces.size() / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) {
        pieces[i] = Emit(Inst{.op = reduce.reduce_op, .operands = {pieces[i], pieces[i + half]}},
                         result_.type(pieces[i]));
      }
    }
    return pieces[0];
  }

  // `value` with repetitions of lane 0 behind it.
  ValueId Pad(ValueId value, int lanes) {
    const VectorType type = result_.type(value);
    if (type.lanes == lanes) return value;
    Inst inst{.op = Opcode::kShuffle, .operands = {value}};
    inst.shuffle.reserve(lanes);
    for (int i = 0; i < lanes; ++i) inst.shuffle.push_back(i < type.lanes ? i : 0);
    return Emit(std::move(inst), {type.element, lanes});
  }

  // Whether a shuffle is of whole registers, both of which it uses, the first one first: then it stays as it is.
  bool IsShuffleOfRegisters(const Inst& inst) const {
    const int lanes = source_.type(inst.operands[0]).lanes;
    if (inst.type.lanes > register_lanes_ || lanes > register_lanes_ || inst.shuffle[0] >= lanes) return false;
    const bool uses_second = std::any_of(inst.shuffle.begin(), inst.shuffle.end(), [&](int at) { return at >= lanes; });
    if (uses_second) return Piece(inst.operands[0], 0) != Piece(inst.operands[1], 0);
    if (inst.operands.size() == 2) return false;
    for (int i = 0; i < inst.type.lanes; ++i) {
      if (inst.shuffle[i] != i) return true;
    }
    return inst.type.lanes != lanes;
  }

  // Result lanes of piece `p`, from two source pieces at a time.
  ValueId ShufflePiece(const Inst& inst, int p) {
    const VectorType type = cut_.PieceType(inst.type, p);
    if (IsShuffleOfRegisters(inst)) {
      Inst shuffle = inst;
      for (ValueId& operand : shuffle.operands) operand = Piece(operand, 0);
      return Emit(std::move(shuffle), type);
    }
    absl::InlinedVector<ValueId, 8> from;            // distinct source pieces, in order of first use
    absl::InlinedVector<int, 16> which, position;  // for every lane: index into `from`, lane in it
    for (int i = 0; i < type.lanes; ++i) {
      const auto [operand, lane] = cut_.ShuffleSource(inst, inst.shuffle[p * register_lanes_ + i]);
      const ValueId piece = Piece(operand, lane / register_lanes_);
      const auto found = std::find(from.begin(), from.end(), piece);
      which.push_back(static_cast<int>(found - from.begin()));
      position.push_back(lane % register_lanes_);
      if (found == from.end()) from.push_back(piece);
    }
    bool identity = from.size() == 1 && result_.type(from[0]) == type;
    for (int i = 0; i < type.lanes; ++i) identity = identity && position[i] == i;
    if (identity) return from[0];
    // Lanes whose piece has not been reached yet repeat some lane that exists.
    ValueId value = from[0];
    for (size_t next = 1; next == 1 || next < from.size(); ++next) {
      Inst shuffle{.op = Opcode::kShuffle, .operands = {value}};
      if (next < from.size()) {
        const int common = std::max(result_.type(value).lanes, result_.type(from[next]).lanes);
        shuffle.operands = {Pad(value, common), Pad(from[next], common)};
      }
      const int value_lanes = result_.type(shuffle.operands[0]).lanes;
      shuffle.shuffle.reserve(type.lanes);
      for (int i = 0; i < type.lanes; ++i) {
        const bool second = which[i] == static_cast<int>(next);
        const bool first = which[i] < static_cast<int>(next);
        shuffle.shuffle.push_back(second      ? value_lanes + position[i]
                                  : !first    ? 0
                                  : next == 1 ? position[i]
                                              : i);
      }
      value = Emit(std::move(shuffle), type);
    }
    return value;
  }

  const LoopNest& source_;
  PieceGroups cut_;
  const int register_lanes_;
  LoopNest result_;
  BlockId block_;
  Recycled<Pieces> pieces_;  // of each value of source_
  MappedExprs mapped_;
  Recycled<InstId> defined_by_;  // values of source_; invalid: arguments of a block
  bool names_values_ = false;       // expressions may mention values, which get other names
};

}  // namespace

absl::StatusOr<LoopNest> Legalize(const LoopNest& nest, const Target& target) {
  LoopNest result = Splitter(StripMine(nest, target.lanes()), target).Run();
#ifndef NDEBUG  // a tenth of the time of compiling; tests check every nest that they compile
  SKEIN_RETURN_IF_ERROR(Annotate(Verify(result), "legalized nest"));
#endif
  return result;
}

}  // namespace skein
