// Where the variables of a Program are used, and how many live at once in each loop.
#ifndef SKEIN_CODEGEN_X86_LIVENESS_H_
#define SKEIN_CODEGEN_X86_LIVENESS_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "codegen/x86/program.h"

namespace skein::x86 {

struct Liveness {
  // Positions at which variable v is read: uses[first_use[v] .. first_use[v + 1]), ascending. What
  // is defined outside a loop and read inside counts as read at the loop's end too, for the next
  // trip.
  std::vector<int32_t> first_use;
  std::vector<int32_t> uses;

  struct LoopFacts {
    std::vector<Variable> used;  // inside, defined outside (constants too); each once
    std::array<int, kClassCount>
        pressure{};  // most registers wanted at once, constants not counted
    std::array<int, kClassCount> live_at_begin{};  // the loop's arguments included
  };
  std::vector<LoopFacts> loops;

  std::span<const int32_t> UsesOf(Variable v) const {
    return std::span(uses).subspan(first_use[v.index], first_use[v.index + 1] - first_use[v.index]);
  }
  int LastUse(Variable v) const {
    const auto all = UsesOf(v);
    return all.empty() ? -1 : all.back();
  }
};

Liveness ComputeLiveness(const Program& program);

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_LIVENESS_H_
