#include "codegen/x86/liveness.h"

#include <algorithm>
#include <utility>

namespace skein::x86 {
namespace {

// Registers that an operation needs for itself, beyond operands and result: an estimate that keeps
// constants from being hoisted into registers that are about to be wanted.
int Temporaries(const Operation& operation, RegisterClass register_class) {
  switch (register_class) {
    case RegisterClass::kVector:
      switch (operation.action) {
        case Action::kDot4:
        case Action::kGather:
          return 3;
        case Action::kScatter:
        case Action::kClampVector:
          return 2;
        case Action::kLoadNibbles:
        case Action::kStoreLane:
          return 1;
        case Action::kStore:
        case Action::kLoad:
          return IsBool(operation.element) ? 1 : 0;
        default:
          return 0;
      }
    case RegisterClass::kMask:
      switch (operation.action) {
        case Action::kGather:
        case Action::kScatter:
          return 2;
        case Action::kInsertGeneral:
        case Action::kLoadLane:
        case Action::kClampVector:
        case Action::kVector:
          return 1;
        default:
          return 0;
      }
    case RegisterClass::kGeneral:
      return 0;
  }
  return 0;
}

class Analysis {
 public:
  explicit Analysis(const Program& program)
      : program_(program),
        home_(program.variables.size(), -1),
        marked_(program.variables.size(), -1) {
    result_.loops.resize(program.loops.size());
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
    if (home_[v.index] != loop) MarkUsed(v, loop);
  }

  void MarkUsed(Variable v, int loop) {
    if (marked_[v.index] == loop) return;
    marked_[v.index] = loop;
    result_.loops[loop].used.push_back(v);
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
        for (Variable v : begun.arguments) Define(v, loop);
        if (!begun.at_most_once) Read(begun.limit, position, loop);  // again at every trip
      } else if (operation.action == Action::kLoopEnd) {
        const Loop& ended = program_.loops[operation.loop];
        for (Variable v : ended.yields) Read(v, position, loop);
        loop = ended.parent;
        std::vector<Variable>& used = result_.loops[operation.loop].used;
        std::sort(used.begin(), used.end());
        used.erase(std::unique(used.begin(), used.end()), used.end());
        for (Variable v : used) Read(v, position, loop);
        for (Variable v : ended.results) Define(v, loop);
      } else {
        VisitReads(operation, [&](Variable v) { Read(v, position, loop); });
        Define(operation.result, loop);
      }
    }
  }

  void SortUses() {
    const size_t count = program_.variables.size();
    std::vector<int32_t>& first = result_.first_use;
    first.assign(count + 1, 0);
    for (const auto& [variable, position] : reads_) ++first[variable + 1];
    for (size_t v = 0; v < count; ++v) first[v + 1] += first[v];
    std::vector<int32_t> next(first.begin(), first.end() - 1);
    result_.uses.resize(reads_.size());
    for (const auto& [variable, position] : reads_) result_.uses[next[variable]++] = position;
  }

  void FindPressure() {
    std::vector<std::array<int16_t, kClassCount>> deaths(program_.operations.size());
    for (size_t v = 0; v < program_.variables.size(); ++v) {
      const int last = result_.LastUse(Variable(v));
      if (last >= 0 && !program_.IsConstant(Variable(v))) ++deaths[last][ClassOf(Variable(v))];
    }
    std::array<int, kClassCount> live{};
    auto define = [&](Variable v) {
      if (v.valid() && result_.LastUse(v) >= 0) ++live[ClassOf(v)];
    };
    for (Variable v : program_.parameters) define(v);
    int loop = -1;
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      const Operation& operation = program_.operations[i];
      if (operation.action == Action::kLoopBegin) {
        for (int c = 0; c < kClassCount; ++c) live[c] -= deaths[i][c];
        loop = operation.loop;
        // Every argument keeps a register for the whole loop, be it read or not.
        for (Variable v : program_.loops[loop].arguments) define(v);
        result_.loops[loop].live_at_begin = live;
        result_.loops[loop].pressure = live;
        continue;
      }
      if (operation.action == Action::kLoopEnd) {
        const int ended = loop;
        loop = program_.loops[ended].parent;
        for (int c = 0; c < kClassCount && loop >= 0; ++c) {
          int& most = result_.loops[loop].pressure[c];
          most = std::max(most, result_.loops[ended].pressure[c]);
        }
        for (int c = 0; c < kClassCount; ++c) live[c] -= deaths[i][c];
        for (Variable v : program_.loops[ended].results) define(v);
        continue;
      }
      if (loop >= 0) {
        for (int c = 0; c < kClassCount; ++c) {
          int& most = result_.loops[loop].pressure[c];
          most = std::max(most, live[c] + Temporaries(operation, static_cast<RegisterClass>(c)));
        }
      }
      for (int c = 0; c < kClassCount; ++c) live[c] -= deaths[i][c];
      define(operation.result);
    }
  }

  int ClassOf(Variable v) const { return static_cast<int>(program_.info(v).register_class); }

  const Program& program_;
  Liveness result_;
  std::vector<int> home_;    // loop in which a variable is defined; -1: outside all
  std::vector<int> marked_;  // loop in whose `used` it was put last
  std::vector<std::pair<int32_t, int32_t>> reads_;  // (variable, position), by position
};

}  // namespace

Liveness ComputeLiveness(const Program& program) { return Analysis(program).Run(); }

}  // namespace skein::x86
