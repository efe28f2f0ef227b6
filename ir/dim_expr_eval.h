// A dimension expression compiled once and evaluated many times, for the inner loops of the
// interpreters: no hashing and no allocation per evaluation.
#ifndef SKEIN_IR_DIM_EXPR_EVAL_H_
#define SKEIN_IR_DIM_EXPR_EVAL_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/dim_expr.h"

namespace skein {

class CompiledDimExpr {
 public:
  CompiledDimExpr() = default;  // the constant 0

  // Compiles `e`. symbol_slot(name) is the symbol's position in the `symbols` of Eval.
  // Errors: InvalidArgument naming a symbol whose slot is negative.
  static absl::StatusOr<CompiledDimExpr> Compile(
      DimExpr e, const std::function<int(std::string_view)>& symbol_slot);

  // The value of the expression, as Evaluate gives it.
  //   symbols: by slot.   coords: by coordinate number.   values: by value id.
  // Each span must be as long as symbol_count(), coord_count(), value_count() say.
  int64_t Eval(std::span<const int64_t> symbols, std::span<const int64_t> coords = {},
               std::span<const int64_t> values = {}) const;

  // One more than the largest slot, coordinate number and value id that Eval reads.
  int symbol_count() const { return symbol_count_; }
  int coord_count() const { return coord_count_; }
  int value_count() const { return value_count_; }

 private:
  friend class DimExprCompiler;

  enum class Op : uint8_t {
    kConst,
    kSymbol,
    kCoord,
    kValue,
    kAdd,
    kAddConst,
    kMul,
    kScale,  // kAddConst, kScale: operand a and the constant
    kFloorDiv,
    kMod,
    kMin,
    kMax,
    kLess,
    kEqual,
    kSelect,
  };
  // Step i sets register i; a, b, c are earlier registers, or a is a slot, number or id.
  struct Step {
    Op op;
    int32_t a = 0, b = 0, c = 0;
    int64_t constant = 0;
  };
  // constant + sum of coefficient * leaf: what most addresses are.
  struct LinearTerm {
    Op op;
    int32_t index;
    int64_t coefficient;
  };

  void RunSteps(std::span<const int64_t> symbols, std::span<const int64_t> coords,
                std::span<const int64_t> values, int64_t* registers) const;

  int64_t constant_ = 0;
  std::vector<LinearTerm> terms_;
  std::vector<Step> steps_;  // empty where constant_ + terms_ is all
  int symbol_count_ = 0, coord_count_ = 0, value_count_ = 0;
};

}  // namespace skein

#endif  // SKEIN_IR_DIM_EXPR_EVAL_H_
