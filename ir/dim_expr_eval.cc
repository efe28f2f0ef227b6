#include "ir/dim_expr_eval.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "ir/dim_arithmetic.h"

namespace skein {

// Emits one step per distinct node of an expression, operands first.
class DimExprCompiler {
 public:
  using Op = CompiledDimExpr::Op;
  using Step = CompiledDimExpr::Step;

  explicit DimExprCompiler(const std::function<int(std::string_view)>& symbol_slot)
      : symbol_slot_(symbol_slot) {}

  absl::StatusOr<CompiledDimExpr> Run(DimExpr e) {
    SKEIN_ASSIGN_OR_RETURN(bool linear, AddLinear(e));
    if (linear) return std::move(program_);
    program_.constant_ = 0;
    program_.terms_.clear();
    SKEIN_RETURN_IF_ERROR(Emit(e).status());
    return std::move(program_);
  }

 private:
  static bool IsLeaf(DimExpr e) { return e.operands().empty() && !e.IsConst(); }

  // The slot, number or id of a leaf, noted in the counts.
  absl::StatusOr<std::pair<Op, int>> Locate(DimExpr leaf) {
    if (leaf.kind() == DimKind::kSymbol) {
      int slot = symbol_slot_(leaf.symbol());
      if (slot < 0) {
        return InvalidArgument("symbol '", std::string(leaf.symbol()), "' has no slot");
      }
      program_.symbol_count_ = std::max(program_.symbol_count_, slot + 1);
      return std::pair(Op::kSymbol, slot);
    }
    if (leaf.index() < 0) return InvalidArgument(leaf.ToString(), " has a negative number");
    bool coord = leaf.kind() == DimKind::kCoord;
    int& count = coord ? program_.coord_count_ : program_.value_count_;
    count = std::max(count, leaf.index() + 1);
    return std::pair(coord ? Op::kCoord : Op::kValue, leaf.index());
  }

  // Tries e as constant + sum of coefficient * leaf; false if it is not that.
  absl::StatusOr<bool> AddLinear(DimExpr e) {
    if (e.kind() == DimKind::kAdd) {
      for (DimExpr term : e.operands()) {
        SKEIN_ASSIGN_OR_RETURN(bool linear, AddLinear(term));
        if (!linear) return false;
      }
      return true;
    }
    if (e.IsConst()) {
      program_.constant_ = e.constant();
      return true;
    }
    bool scaled = e.kind() == DimKind::kMul && e.operands().size() == 2 &&
                  e.operands()[0].IsConst() && IsLeaf(e.operands()[1]);
    if (!scaled && !IsLeaf(e)) return false;
    SKEIN_ASSIGN_OR_RETURN(auto location, Locate(scaled ? e.operands()[1] : e));
    program_.terms_.push_back(
        {location.first, location.second, scaled ? e.operands()[0].constant() : int64_t{1}});
    return true;
  }

  int Push(Step step) {
    program_.steps_.push_back(step);
    return static_cast<int>(program_.steps_.size()) - 1;
  }

  absl::StatusOr<int> Emit(DimExpr e) {
    if (auto found = registers_.find(e); found != registers_.end()) return found->second;
    SKEIN_ASSIGN_OR_RETURN(int result, EmitNew(e));
    registers_.emplace(e, result);
    return result;
  }

  absl::StatusOr<int> EmitNew(DimExpr e) {
    if (e.IsConst()) return Push({.op = Op::kConst, .constant = e.constant()});
    if (IsLeaf(e)) {
      SKEIN_ASSIGN_OR_RETURN(auto location, Locate(e));
      return Push({.op = location.first, .a = location.second});
    }
    if (e.kind() == DimKind::kAdd || e.kind() == DimKind::kMul) return EmitChain(e);
    int operands[3] = {0, 0, 0};
    for (size_t i = 0; i < e.operands().size(); ++i) {
      SKEIN_ASSIGN_OR_RETURN(operands[i], Emit(e.operands()[i]));
    }
    return Push({OpOf(e.kind()), operands[0], operands[1], operands[2]});
  }

  // n-ary sums and products, with the constant folded into a step.
  absl::StatusOr<int> EmitChain(DimExpr e) {
    bool sum = e.kind() == DimKind::kAdd;
    std::optional<int64_t> constant;
    int result = -1;
    for (DimExpr operand : e.operands()) {
      if (operand.IsConst()) {
        constant = operand.constant();
        continue;
      }
      SKEIN_ASSIGN_OR_RETURN(int next, Emit(operand));
      result = result < 0 ? next : Push({.op = sum ? Op::kAdd : Op::kMul, .a = result, .b = next});
    }
    if (!constant) return result;
    return Push({.op = sum ? Op::kAddConst : Op::kScale, .a = result, .constant = *constant});
  }

  static Op OpOf(DimKind kind) {
    switch (kind) {
      case DimKind::kFloorDiv:
        return Op::kFloorDiv;
      case DimKind::kMod:
        return Op::kMod;
      case DimKind::kMin:
        return Op::kMin;
      case DimKind::kMax:
        return Op::kMax;
      case DimKind::kLess:
        return Op::kLess;
      case DimKind::kEqual:
        return Op::kEqual;
      default:
        return Op::kSelect;
    }
  }

  const std::function<int(std::string_view)>& symbol_slot_;
  CompiledDimExpr program_;
  absl::flat_hash_map<DimExpr, int> registers_;
};

absl::StatusOr<CompiledDimExpr> CompiledDimExpr::Compile(
    DimExpr e, const std::function<int(std::string_view)>& symbol_slot) {
  return DimExprCompiler(symbol_slot).Run(e);
}

int64_t CompiledDimExpr::Eval(std::span<const int64_t> symbols, std::span<const int64_t> coords,
                              std::span<const int64_t> values) const {
  SKEIN_CHECK(static_cast<int>(symbols.size()) >= symbol_count_ &&
              static_cast<int>(coords.size()) >= coord_count_ &&
              static_cast<int>(values.size()) >= value_count_);
  if (steps_.empty()) {
    int64_t sum = constant_;
    for (const LinearTerm& term : terms_) {
      const auto& from = term.op == Op::kSymbol ? symbols : term.op == Op::kCoord ? coords : values;
      sum = DimAdd(sum, DimMul(term.coefficient, from[term.index]));
    }
    return sum;
  }
  constexpr size_t kRegistersOnStack = 64;  // more than any address of the models needs
  if (steps_.size() <= kRegistersOnStack) {
    int64_t registers[kRegistersOnStack];
    RunSteps(symbols, coords, values, registers);
    return registers[steps_.size() - 1];
  }
  thread_local std::vector<int64_t> registers;
  if (registers.size() < steps_.size()) registers.resize(steps_.size());
  RunSteps(symbols, coords, values, registers.data());
  return registers[steps_.size() - 1];
}

void CompiledDimExpr::RunSteps(std::span<const int64_t> symbols, std::span<const int64_t> coords,
                               std::span<const int64_t> values, int64_t* r) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    switch (step.op) {
      case Op::kConst:
        r[i] = step.constant;
        break;
      case Op::kSymbol:
        r[i] = DimClamp(symbols[step.a]);
        break;
      case Op::kCoord:
        r[i] = DimClamp(coords[step.a]);
        break;
      case Op::kValue:
        r[i] = DimClamp(values[step.a]);
        break;
      case Op::kAdd:
        r[i] = DimAdd(r[step.a], r[step.b]);
        break;
      case Op::kAddConst:
        r[i] = DimAdd(r[step.a], step.constant);
        break;
      case Op::kMul:
        r[i] = DimMul(r[step.a], r[step.b]);
        break;
      case Op::kScale:
        r[i] = DimMul(r[step.a], step.constant);
        break;
      case Op::kFloorDiv:
        r[i] = DimFloorDiv(r[step.a], r[step.b]);
        break;
      case Op::kMod:
        r[i] = DimMod(r[step.a], r[step.b]);
        break;
      case Op::kMin:
        r[i] = std::min(r[step.a], r[step.b]);
        break;
      case Op::kMax:
        r[i] = std::max(r[step.a], r[step.b]);
        break;
      case Op::kLess:
        r[i] = r[step.a] < r[step.b];
        break;
      case Op::kEqual:
        r[i] = r[step.a] == r[step.b];
        break;
      case Op::kSelect:
        r[i] = r[step.a] != 0 ? r[step.b] : r[step.c];
        break;
    }
  }
}

}  // namespace skein
