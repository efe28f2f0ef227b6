#include "codegen/x86/liveness.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace skein::x86 {
namespace {

using Counts = std::array<int, kClassCount>;  // general, vector, mask

// Registers that an operation needs for itself, beyond operands and result: an estimate that keeps
// constants from being hoisted into registers that are about to be wanted.
Counts Temporaries(const Operation& operation, bool avx512) {
  const bool packs = !avx512 && operation.action == Action::kStore && BitWidth(operation.element) < 32;
  return {0, operation.facts().vectors + packs, operation.facts().masks};
}

class Analysis {
 public:
  explicit Analysis(const Program& program)
      : program_(program),
        set_words_((program.variables.size() + 63) / 64) {
    home_.resize(program.variables.size(), -1);
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
  void Read(Variable v, int position, int loop) {
    if (!v.valid()) return;
    reads_.push_back({v.index, position});
    ++result_.first_use[v.index + 1];
    result_.last_use[v.index] = position;
    if (home_[v.index] != loop) InnermostUsed()[v.index / 64] |= uint64_t{1} << v.index % 64;
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

  void Define(Variable v, int loop) {
    if (v.valid()) home_[v.index] = loop;
  }

  void FindUses() {
    int loop = -1;
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      const Operation& operation = program_.operations[i];
      const int position = static_cast<int>(i);
      if (operation.action == Action::kLoopBegin) {
        const Loop& begun = program_.loops[operation.loop];
        for (Variable v : begun.inits) Read(v, position, loop);
        Read(begun.limit, position, loop);
        loop = operation.loop;
        used_.resize(used_.size() + set_words_);
        for (Variable v : begun.arguments) Define(v, loop);
        if (!begun.at_most_once) Read(begun.limit, position, loop);  // again at every trip
      } else if (operation.action == Action::kLoopEnd) {
        const Loop& ended = program_.loops[operation.loop];
        for (Variable v : ended.yields) Read(v, position, loop);
        loop = ended.parent;
        std::vector<Variable>& used = result_.loops[operation.loop].used;
        TakeUsed(used);
        for (Variable v : used) Read(v, position, loop);
        for (Variable v : ended.results) Define(v, loop);
      } else {
        VisitReads(operation, [&](Variable v) { Read(v, position, loop); });
        Define(operation.result, loop);
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
    // Counts by class, in 16 bits each.
    const auto one = [&](Variable v) { return uint64_t{1} << 16 * ClassOf(v); };
    Recycled<uint64_t> deaths;
    deaths.resize(program_.operations.size());
    for (size_t v = 0; v < program_.variables.size(); ++v) {
      const int last = result_.last_use[v];
      if (last >= 0 && last != Liveness::kNever) deaths[last] += one(Variable(v));
    }
    uint64_t live = 0;
    auto define = [&](Variable v) {
      if (v.valid() && result_.LastUse(v) >= 0) live += one(v);
    };
    auto raise = [](Counts& most, const Counts& wanted) {
      for (int c = 0; c < kClassCount; ++c) most[c] = std::max(most[c], wanted[c]);
    };
    for (Variable v : program_.parameters) define(v);
    int loop = -1;
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      const Operation& operation = program_.operations[i];
      if (operation.action == Action::kLoopBegin) {
        live -= deaths[i];
        loop = operation.loop;
        // Every argument keeps a register for the whole loop, be it read or not.
        for (Variable v : program_.loops[loop].arguments) define(v);
        result_.loops[loop].live_at_begin = result_.loops[loop].pressure = Unpack(live);
        continue;
      }
      if (operation.action == Action::kLoopEnd) {
        const int ended = loop;
        loop = program_.loops[ended].parent;
        if (loop >= 0) raise(result_.loops[loop].pressure, result_.loops[ended].pressure);
        live -= deaths[i];
        for (Variable v : program_.loops[ended].results) define(v);
        continue;
      }
      if (loop >= 0) {
        Counts wanted = Unpack(live);
        const Counts temporaries = Temporaries(operation, program_.isa == Isa::kAvx512);
        for (int c = 0; c < kClassCount; ++c) wanted[c] += temporaries[c];
        raise(result_.loops[loop].pressure, wanted);
      }
      live -= deaths[i];
      define(operation.result);
    }
  }

  static Counts Unpack(uint64_t counts) {
    return {static_cast<int>(counts & 0xffff), static_cast<int>(counts >> 16 & 0xffff),
            static_cast<int>(counts >> 32)};
  }

  int ClassOf(Variable v) const { return static_cast<int>(program_.info(v).register_class); }

  const Program& program_;
  Liveness result_;
  Recycled<int32_t> home_;  // loop in which a variable is defined; -1: outside all
  // For each open loop, the innermost last, a bit for every variable: read in it, defined outside.
  Recycled<uint64_t> used_;
  const size_t set_words_;                          // of one loop
  Recycled<std::pair<int32_t, int32_t>> reads_;  // (variable, position), by position
};

}  // namespace

Liveness ComputeLiveness(const Program& program) { return Analysis(program).Run(); }

}  // namespace skein::x86
