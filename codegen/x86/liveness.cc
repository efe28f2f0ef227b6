#include "codegen/x86/liveness.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace skein::x86 {
namespace {

// Counts by class, in 16 bits each.
using Counts = uint64_t;
Counts One(int c) { return Counts{1} << 16 * c; }

// The larger of each.
Counts Most(Counts a, Counts b) {
  constexpr Counts kHighest = 0x800080008000;
  const Counts larger = (((a | kHighest) - b) & kHighest) >> 15;  // 1 where a >= b
  const Counts mask = (larger << 16) - larger;
  return (a & mask) | (b & ~mask);
}

// Registers that an operation needs for itself, beyond operands and result: an estimate that keeps
// constants from being hoisted into registers that are about to be wanted.
Counts Temporaries(const Operation& operation, bool avx512) {
  const bool packs = !avx512 && operation.action == Action::kStore && BitWidth(operation.element) < 32;
  return (operation.facts().vectors + packs) * One(1) + operation.facts().masks * One(2);
}

class Analysis {
 public:
  explicit Analysis(const Program& program)
      : program_(program), set_words_((program.variables.size() + 63) / 64) {
    result_.loops.resize(program.loops.size());
    result_.first_use.assign(program.variables.size() + 1, 0);
    result_.last_use.assign(program.variables.size(), -1);
    reads_.reserve(4 * program.operations.size());
  }

  Liveness Run() {
    FindUses();
    SortUses();
    FindPressure();
    return std::move(result_);
  }

 private:
  void Read(Variable v, int position) {
    if (!v.valid()) return;
    reads_.push_back({v.index, position});
    ++result_.first_use[v.index + 1];
    result_.last_use[v.index] = position;
    if (program_.info(v).depth < depth_) InnermostUsed()[v.index / 64] |= uint64_t{1} << v.index % 64;
  }

  uint64_t* InnermostUsed() { return used_.data() + used_.size() - set_words_; }

  // Ends the innermost loop's set.
  void TakeUsed(std::vector<Variable>& used) {
    for (size_t word = 0; word < set_words_; ++word) {
      for (uint64_t rest = InnermostUsed()[word]; rest != 0; rest &= rest - 1) {
        used.push_back(Variable(64 * word + std::countr_zero(rest)));
      }
    }
    used_.resize(used_.size() - set_words_);
  }

  void FindUses() {
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      const Operation& operation = program_.operations[i];
      const int position = static_cast<int>(i);
      if (operation.action == Action::kLoopBegin) {
        const Loop& begun = program_.loops[operation.loop];
        for (Variable v : begun.inits) Read(v, position);
        Read(begun.limit, position);
        ++depth_;
        used_.resize(used_.size() + set_words_);
        if (!begun.at_most_once) Read(begun.limit, position);  // again at every trip
      } else if (operation.action == Action::kLoopEnd) {
        for (Variable v : program_.loops[operation.loop].yields) Read(v, position);
        --depth_;
        std::vector<Variable>& used = result_.loops[operation.loop].used;
        TakeUsed(used);
        for (Variable v : used) Read(v, position);
      } else {
        VisitReads(operation, [&](Variable v) { Read(v, position); });
      }
    }
  }

  // From counts in first_use.
  void SortUses() {
    const size_t count = program_.variables.size();
    Recycled<int32_t>& first = result_.first_use;
    for (size_t v = 0; v < count; ++v) first[v + 1] += first[v];
    Recycled<int32_t> next;
    next.assign(first.begin(), first.end() - 1);
    result_.uses.resize(reads_.size());
    for (const auto& [variable, position] : reads_) result_.uses[next[variable]++] = position;
    for (size_t v = 0; v < count; ++v) {
      if (program_.IsConstant(Variable(v))) result_.last_use[v] = Liveness::kNever;
    }
  }

  void FindPressure() {
    const auto one = [&](Variable v) { return One(ClassOf(v)); };
    Recycled<Counts> deaths;
    deaths.resize(program_.operations.size());
    for (size_t v = 0; v < program_.variables.size(); ++v) {
      const int last = result_.last_use[v];
      if (last >= 0 && last != Liveness::kNever) deaths[last] += one(Variable(v));
    }
    Counts live = 0;
    auto define = [&](Variable v) {
      if (v.valid() && result_.LastUse(v) >= 0) live += one(v);
    };
    for (Variable v : program_.parameters) define(v);
    const bool avx512 = program_.isa == Isa::kAvx512;
    std::vector<Counts> pressure = {0};  // of the loops around
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      const Operation& operation = program_.operations[i];
      if (operation.action == Action::kLoopBegin) {
        live -= deaths[i];
        // Every argument keeps a register for the whole loop, be it read or not.
        for (Variable v : program_.loops[operation.loop].arguments) define(v);
        result_.loops[operation.loop].live_at_begin = Unpack(live);
        pressure.push_back(live);
      } else if (operation.action == Action::kLoopEnd) {
        const Counts ended = pressure.back();
        result_.loops[operation.loop].pressure = Unpack(ended);
        pressure.pop_back();
        pressure.back() = Most(pressure.back(), ended);
        live -= deaths[i];
        for (Variable v : program_.loops[operation.loop].results) define(v);
      } else {
        pressure.back() = Most(pressure.back(), live + Temporaries(operation, avx512));
        live -= deaths[i];
        define(operation.result);
      }
    }
  }

  static std::array<int, kClassCount> Unpack(Counts counts) {
    return {static_cast<int>(counts & 0xffff), static_cast<int>(counts >> 16 & 0xffff),
            static_cast<int>(counts >> 32)};
  }

  int ClassOf(Variable v) const { return static_cast<int>(program_.info(v).register_class); }

  const Program& program_;
  Liveness result_;
  int depth_ = 0;  // of loops around
  // For each open loop, the innermost last, a bit for every variable: read in it, defined outside.
  Recycled<uint64_t> used_;
  const size_t set_words_;                          // of one loop
  Recycled<std::pair<int32_t, int32_t>> reads_;  // (variable, position), by position
};

}  // namespace

Liveness ComputeLiveness(const Program& program) { return Analysis(program).Run(); }

}  // namespace skein::x86
