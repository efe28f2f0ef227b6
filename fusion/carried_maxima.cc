// Maxima and minima that a loop carries, as integers.
//
// A maximum that orders zeros and keeps NaN takes three operations, and each trip waits for those of the one before.
// The bits of f32 as integers have maxima and minima of one operation each. Floats of one sign are ordered by their
// bits as magnitudes are, +NaN is beyond +infinity and -NaN beyond -infinity; so the largest signed, the smallest
// unsigned and the largest unsigned of all bits say what the maximum and the minimum are:
//   - Maximum: a number without a sign, if there is one, is the largest signed; else the smallest unsigned is closest
//     to zero. That leaves -NaN, which is the largest unsigned.
//   - Minimum: the largest unsigned is furthest below zero, if anything has a sign; else the smallest unsigned is
//     closest to zero. That leaves +NaN, the largest signed.
// The same bits, but for those of a NaN among several.
#include <algorithm>

#include "fusion/schedule.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32, kSigned = ElementType::kI32, kUnsigned = ElementType::kU32;
constexpr uint64_t kNegativeInfinity = 0xff800000, kPositiveInfinity = 0x7f800000;
// In a longer body other work fills the time, and needs the registers.
constexpr int kMostSteps = 6;

class CarriedMaxima {
 public:
  CarriedMaxima(const Target& target, LoopNest* nest) : target_(target), nest_(*nest), uses_(nest->value_count(), 0) {}

  void Run() {
    Visit(nest_.root, [&](InstId id) {
      for (ValueId v : nest_.inst(id).operands) ++uses_[v.index];
      if (nest_.inst(id).op != Opcode::kLoop) return;
      for (ValueId v : nest_.block(nest_.inst(id).body).yields) ++uses_[v.index];
    });
    std::vector<std::pair<BlockId, InstId>> loops;
    FindLoops(nest_.root, &loops);
    for (const auto& [around, loop] : loops) {
      const Inst& inst = nest_.inst(loop);
      if (Steps(nest_.block(inst.body)) > kMostSteps) continue;
      std::vector<std::pair<int, InstId>> found;
      int registers = 0;
      for (size_t i = 0; i < inst.results.size(); ++i) {
        const std::optional<InstId> maximum = StepOf(nest_.block(inst.body), static_cast<int>(i));
        if (!maximum) continue;
        found.emplace_back(i, *maximum);
        registers += 3 * ((nest_.type(inst.results[i]).lanes + target_.lanes() - 1) / target_.lanes());
      }
      if (registers > target_.registers() / 2) continue;
      for (const auto& [i, maximum] : found) Rewrite(around, loop, i, maximum);
    }
  }

 private:
  void Visit(BlockId block, const std::function<void(InstId)>& visit) {
    for (InstId id : nest_.block(block).insts) {
      visit(id);
      if (nest_.inst(id).op == Opcode::kLoop) Visit(nest_.inst(id).body, visit);
    }
  }

  void FindLoops(BlockId block, std::vector<std::pair<BlockId, InstId>>* loops) {
    for (InstId id : nest_.block(block).insts) {
      if (nest_.inst(id).op != Opcode::kLoop) continue;
      loops->emplace_back(block, id);
      FindLoops(nest_.inst(id).body, loops);
    }
  }

  int Steps(const Block& body) const {
    return static_cast<int>(std::count_if(body.insts.begin(), body.insts.end(), [&](InstId id) {
      return nest_.inst(id).op != Opcode::kPrefetch;
    }));
  }

  // The maximum or minimum of carried value i and something else, if that is all that is done with it.
  std::optional<InstId> StepOf(const Block& body, int i) const {
    const ValueId before = body.arguments[i], after = body.yields[i];
    const VectorType type = nest_.type(before);
    if (type.element != kF32 || type.lanes < target_.lanes() || uses_[before.index] != 1 || uses_[after.index] != 1) {
      return std::nullopt;
    }
    for (InstId id : body.insts) {
      const Inst& inst = nest_.inst(id);
      if (inst.results.empty() || inst.results[0] != after) continue;
      const bool extremum = inst.op == Opcode::kMax || inst.op == Opcode::kMin;
      if (extremum && (inst.operands[0] == before || inst.operands[1] == before)) return id;
    }
    return std::nullopt;
  }

  void Rewrite(BlockId around, InstId loop, int i, InstId step) {
    const ValueId init = nest_.inst(loop).operands[i], result = nest_.inst(loop).results[i];
    const int lanes = nest_.type(result).lanes;
    const bool maximum = nest_.inst(step).op == Opcode::kMax;
    const VectorType of_signed{kSigned, lanes}, of_unsigned{kUnsigned, lanes};

    into_.clear();  // before the loop
    const ValueId init_signed = Bitcast(init, kSigned), init_unsigned = Bitcast(init, kUnsigned);
    Insert(around, loop, false);
    const BlockId body = nest_.inst(loop).body;
    const ValueId before = nest_.block(body).arguments[i];
    const Inst old = nest_.inst(step);
    const ValueId x = old.operands[old.operands[0] == before ? 1 : 0];

    into_.clear();  // in it
    const ValueId x_signed = Bitcast(x, kSigned), x_unsigned = Bitcast(x, kUnsigned);
    ValueId carried[] = {nest_.NewValue(of_signed), nest_.NewValue(of_unsigned), nest_.NewValue(of_unsigned)};
    const ValueId next[] = {Emit(Opcode::kMax, {carried[0], x_signed}, of_signed),
                            Emit(Opcode::kMin, {carried[1], x_unsigned}, of_unsigned),
                            Emit(Opcode::kMax, {carried[2], x_unsigned}, of_unsigned)};
    Insert(body, step, true);
    const ValueId inits[] = {init_signed, init_unsigned, init_unsigned};
    ValueId results[3];
    for (int k = 0; k < 3; ++k) {
      results[k] = nest_.NewValue(k == 0 ? of_signed : of_unsigned);
      Inst& inst = nest_.inst(loop);
      Block& block = nest_.block(body);
      if (k == 0) {
        inst.operands[i] = inits[k];
        inst.results[i] = results[k];
        block.arguments[i] = carried[k];
        block.yields[i] = next[k];
      } else {
        inst.operands.push_back(inits[k]);
        inst.results.push_back(results[k]);
        block.arguments.push_back(carried[k]);
        block.yields.push_back(next[k]);
      }
    }

    into_.clear();  // behind it
    const auto [largest_signed, smallest, largest] = results;
    const ValueId same = Bitcast(largest_signed, kUnsigned), zero = Constant(kSigned, 0, lanes);
    ValueId number, nan, behind;
    if (maximum) {
      number = Emit(Opcode::kSelect, {Less(largest_signed, zero), smallest, same}, of_unsigned);
      nan = Less(Constant(kUnsigned, kNegativeInfinity, lanes), largest);
      behind = largest;
    } else {
      number = Emit(Opcode::kSelect, {Less(Bitcast(largest, kSigned), zero), largest, smallest}, of_unsigned);
      nan = Less(Constant(kSigned, kPositiveInfinity, lanes), largest_signed);
      behind = same;
    }
    const ValueId bits = Emit(Opcode::kSelect, {nan, behind, number}, of_unsigned);
    into_.push_back(nest_.NewInst(
        {.op = Opcode::kBitcast, .type = {kF32, lanes}, .operands = {bits}, .results = {result}}));
    Insert(around, loop, true);
    Remove(body, step);
  }

  ValueId Emit(Opcode op, absl::InlinedVector<ValueId, 4> operands, VectorType type, uint64_t imm = 0) {
    const ValueId v = nest_.NewValue(type);
    into_.push_back(nest_.NewInst({.op = op, .type = type, .operands = std::move(operands), .results = {v}, .imm = imm}));
    return v;
  }
  ValueId Bitcast(ValueId v, ElementType t) { return Emit(Opcode::kBitcast, {v}, {t, nest_.type(v).lanes}); }
  ValueId Less(ValueId a, ValueId b) { return Emit(Opcode::kLess, {a, b}, {ElementType::kBool, nest_.type(a).lanes}); }
  ValueId Constant(ElementType t, uint64_t bits, int lanes) { return Emit(Opcode::kConst, {}, {t, lanes}, bits); }

  // Puts what was emitted before or behind an instruction.
  void Insert(BlockId block, InstId at, bool behind) {
    std::vector<InstId>& insts = nest_.block(block).insts;
    const auto place = std::find(insts.begin(), insts.end(), at);
    insts.insert(place + (behind ? 1 : 0), into_.begin(), into_.end());
  }
  void Remove(BlockId block, InstId inst) {
    std::vector<InstId>& insts = nest_.block(block).insts;
    insts.erase(std::find(insts.begin(), insts.end(), inst));
  }

  const Target& target_;
  LoopNest& nest_;
  std::vector<int> uses_;
  std::vector<InstId> into_;
};

}  // namespace

void SplitCarriedMaxima(const Target& target, LoopNest* nest) { CarriedMaxima(target, nest).Run(); }

}  // namespace skein
