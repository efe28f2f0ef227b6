// Where the variables of a Program are used, and how many live at once in each loop.
#ifndef SKEIN_CODEGEN_X86_LIVENESS_H_
#define SKEIN_CODEGEN_X86_LIVENESS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "codegen/x86/program.h"

namespace skein::x86 {

struct Liveness {
  // Positions at which variable v is read: uses[first_use[v] .. first_use[v + 1]), ascending. What is defined outside a
  // loop and read inside counts as read at the loop's end too, for the next trip.
  Recycled<int32_t> first_use;
  Recycled<int32_t> uses;
  // The last of them; -1 for what nobody reads, kNever for constants, which are made again.
  static constexpr int32_t kNever = INT32_MAX;
  Recycled<int32_t> last_use;

  struct LoopFacts {
    std::vector<Variable> used;  // inside, defined outside (constants too); each once
    std::array<int, kClassCount> pressure{};  // most registers wanted at once, constants not counted
    std::array<int, kClassCount> live_at_begin{};  // the loop's arguments included
  };
  std::vector<LoopFacts> loops;

  int LastUse(Variable v) const { return last_use[v.index]; }
};

Liveness ComputeLiveness(const Program& program);

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_LIVENESS_H_
