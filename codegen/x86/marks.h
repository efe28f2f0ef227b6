// What the code of a Program is for, in the words of its nest.
#ifndef SKEIN_CODEGEN_X86_MARKS_H_
#define SKEIN_CODEGEN_X86_MARKS_H_

#include <vector>

#include "codegen/listing.h"
#include "codegen/x86/emitter.h"
#include "codegen/x86/program.h"
#include "ir/loop_nest_lines.h"

namespace skein::x86 {

// notes: of the Selector.   points: of the Emitter, for an object of this kernel alone.
std::vector<CodeMark> MarksOf(const Program& program, const std::vector<VariableNote>& notes,
                              const std::vector<CodePoint>& points, const LoopNestLines& lines);

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_MARKS_H_
