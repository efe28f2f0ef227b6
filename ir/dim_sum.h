// Sums of many terms at once: nothing is made of the first few alone.
#ifndef SKEIN_IR_DIM_SUM_H_
#define SKEIN_IR_DIM_SUM_H_

#include <span>

#include "ir/dim_expr.h"

namespace skein {

// What adding them one after the other gives; 0 for none.
DimExpr Sum(std::span<const DimExpr> terms);

}  // namespace skein

#endif  // SKEIN_IR_DIM_SUM_H_
