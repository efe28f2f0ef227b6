// Elementwise semantics of LoopNest opcodes on arrays of lanes: the innermost part of the
// interpreter.
//
// A lane of each element type is held in the C++ type of its size: bool as uint8_t 0 or 1, i4 and
// u4 in an int8_t or uint8_t with the value in range, f16 and bf16 as uint16_t bits.
#ifndef SKEIN_IR_LOOP_NEST_LANES_H_
#define SKEIN_IR_LOOP_NEST_LANES_H_

#include "ir/loop_nest.h"

namespace skein {

inline int LaneBytes(ElementType t) { return static_cast<int>(BytesFor(t, 1)); }

// result[i] = op(a[i], b[i], c[i]) for i < lanes; unused operands are ignored. `result` may be the
// very same array as an operand.
using LaneFunction = void (*)(void* result, const void* a, const void* b, const void* c, int lanes);

// The function of an elementwise opcode (arithmetic, bits, compares, kSelect, kDot4) whose value
// operands have type `t`, or null if the opcode is not defined on it.
LaneFunction FindLaneFunction(Opcode op, ElementType t);

// kConvert. Null if both types are the same.
LaneFunction FindConversion(ElementType from, ElementType to);

}  // namespace skein

#endif  // SKEIN_IR_LOOP_NEST_LANES_H_
