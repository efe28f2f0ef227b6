// Makes a LoopNest that shows a fault smaller.
#ifndef SKEIN_TESTS_CODEGEN_SHRINK_NEST_H_
#define SKEIN_TESTS_CODEGEN_SHRINK_NEST_H_

#include <functional>

#include "ir/loop_nest.h"

namespace skein {

struct ShrinkLimits {
  int attempts = 4000;  // nests tried
  double seconds = 20;
};

// A nest for which `fails` is true, with as few and as short lines as one change after another brings: instructions
// deleted or replaced by a constant or an operand, loops deleted or replaced by one trip, extents, lanes and buffers
// made fewer, addresses made simple. Every nest that `fails` sees verifies, is what its text parses to, and keeps
// what random nests promise (random_loop_nest.h): it depends on the bits of no NaN, and its indices stay where
// expressions do not overflow. It may be out of bounds, and read what nothing wrote.
//   nest: one for which `fails` is true.
LoopNest ShrinkNest(const LoopNest& nest, const std::function<bool(const LoopNest&)>& fails,
                    const ShrinkLimits& limits = {});

// Lines of the text: what counts as size.
int CountLines(const LoopNest& nest);

}  // namespace skein

#endif  // SKEIN_TESTS_CODEGEN_SHRINK_NEST_H_
