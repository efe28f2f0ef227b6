// What printing and parsing of graphs share.
#ifndef SKEIN_IR_GRAPH_TEXT_H_
#define SKEIN_IR_GRAPH_TEXT_H_

#include <string>
#include <string_view>

#include "ir/graph.h"

namespace skein {

// The shortest text that reads back as v, always with a point, an exponent or a letter.
std::string DoubleText(double v);
std::string QuotedText(std::string_view text);

// Ops whose attribute `dims` is the result's dims, and the attribute that is its element type: the
// type that every line ends with says them.
bool HasImpliedDims(Op op);
const char* ImpliedElement(Op op);

// sum, product, max and min by name; null for another name or for bools.
ReducerRef StandardReducer(std::string_view name, ElementType t);

}  // namespace skein

#endif  // SKEIN_IR_GRAPH_TEXT_H_
