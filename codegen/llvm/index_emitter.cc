#include "codegen/llvm/index_emitter.h"

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "codegen/llvm/locations.h"
#include "llvm/IR/Intrinsics.h"

namespace skein {

using llvm::Value;

IndexEmitter::IndexEmitter(IrBuilder& b, const LoopNest& nest, std::vector<Value*> arguments)
    : b_(b),
      arguments_(std::move(arguments)),
      loops_(nest.loop_count),
      values_(nest.value_count()),
      scopes_(1) {}

void IndexEmitter::OpenScope(llvm::BasicBlock* preheader) { scopes_.push_back({preheader}); }

void IndexEmitter::CloseScope() { scopes_.pop_back(); }

void IndexEmitter::DefineLoop(int loop, Value* index, int64_t step) {
  loops_[loop] = {index, static_cast<int>(scopes_.size()) - 1, step};
}

void IndexEmitter::DefineValue(int id, Value* value) {
  values_[id] = {value, static_cast<int>(scopes_.size()) - 1};
}

int IndexEmitter::Depth(DimExpr e) {
  switch (e.kind()) {
    case DimKind::kConst:
    case DimKind::kSymbol:
      return 0;
    case DimKind::kCoord:
      return loops_[e.index()].depth;
    case DimKind::kValue:
      return values_[e.index()].depth;
    default:
      break;
  }
  const auto found = depths_.find(e);
  if (found != depths_.end()) return found->second;
  int depth = 0;
  for (DimExpr operand : e.operands()) depth = std::max(depth, Depth(operand));
  depths_[e] = depth;
  return depth;
}

template <typename EmitCode>
Value* IndexEmitter::At(int depth, EmitCode emit) {
  llvm::IRBuilderBase::InsertPointGuard guard(b_);
  if (depth + 1 < static_cast<int>(scopes_.size())) {
    const llvm::DebugLoc here = b_.getCurrentDebugLocation();
    b_.SetInsertPoint(scopes_[depth + 1].preheader->getTerminator());
    b_.SetCurrentDebugLocation(here);
  }
  SetIndexPurpose(b_);
  return emit();
}

Value* IndexEmitter::Emit(DimExpr e) {
  switch (e.kind()) {
    case DimKind::kConst:
      return b_.getInt64(static_cast<uint64_t>(e.constant()));
    case DimKind::kCoord:
      return loops_[e.index()].value;
    case DimKind::kValue:
      return values_[e.index()].value;
    case DimKind::kSymbol: {
      int number = 0;
      const std::string name(e.symbol().substr(1));  // "a<number>"
      SKEIN_CHECK(absl::SimpleAtoi(name, &number));
      return arguments_[number];
    }
    default:
      break;
  }
  const int depth = Depth(e);
  const auto found = scopes_[depth].values.find(e);
  if (found != scopes_[depth].values.end()) return found->second;
  Value* value = At(depth, [&] { return EmitNode(e); });
  scopes_[depth].values[e] = value;
  return value;
}

Value* IndexEmitter::EmitNode(DimExpr e) {
  if (e.kind() == DimKind::kAdd) return EmitSum(e);
  if (e.kind() == DimKind::kMul) return EmitProduct(e);
  if (e.kind() == DimKind::kFloorDiv || e.kind() == DimKind::kMod) return EmitDivision(e);
  const auto operands = e.operands();
  Value* x = Emit(operands[0]);
  Value* y = Emit(operands[1]);
  switch (e.kind()) {
    case DimKind::kMin:
      return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y);
    case DimKind::kMax:
      return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, y);
    case DimKind::kLess:
      return b_.CreateZExt(b_.CreateICmpSLT(x, y), b_.getInt64Ty());
    case DimKind::kEqual:
      return b_.CreateZExt(b_.CreateICmpEQ(x, y), b_.getInt64Ty());
    default:  // kSelect
      return b_.CreateSelect(b_.CreateICmpNE(x, b_.getInt64(0)), y, Emit(operands[2]));
  }
}

std::vector<std::pair<int, DimExpr>> IndexEmitter::TermsByDepth(DimExpr e, int64_t& constant) {
  std::vector<std::pair<int, DimExpr>> terms;
  auto add = [&](DimExpr term) {
    if (term.IsConst()) {
      constant += term.constant();
    } else {
      terms.push_back({Depth(term), term});
    }
  };
  if (e.kind() == DimKind::kAdd) {
    for (DimExpr term : e.operands()) add(term);
  } else {
    add(e);
  }
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  return terms;
}

// Outer terms first, so that their partial sum is loop-invariant; the constant last.
Value* IndexEmitter::EmitSum(DimExpr e) {
  int64_t constant = 0;
  const auto terms = TermsByDepth(e, constant);
  Value* sum = nullptr;
  for (const auto& [depth, term] : terms) {
    Value* value = Emit(term);
    sum = sum == nullptr ? value : At(depth, [&, v = value] { return b_.CreateAdd(sum, v); });
  }
  if (constant == 0) return sum;
  return b_.CreateAdd(sum, b_.getInt64(static_cast<uint64_t>(constant)));
}

Value* IndexEmitter::EmitProduct(DimExpr e) {
  const auto operands = e.operands();
  std::vector<DimExpr> factors(operands.begin(), operands.end());
  std::stable_sort(factors.begin(), factors.end(),
                   [&](DimExpr x, DimExpr y) { return Depth(x) < Depth(y); });
  Value* product = nullptr;
  for (DimExpr factor : factors) {
    Value* value = Emit(factor);
    product = product == nullptr ? value
                                 : At(Depth(factor), [&] { return b_.CreateMul(product, value); });
  }
  return product;
}

// Rounds towards -inf; 0 for a divisor of 0.
Value* IndexEmitter::EmitDivision(DimExpr e) {
  const DimExpr dividend = e.operands()[0], divisor = e.operands()[1];
  const bool wants_quotient = e.kind() == DimKind::kFloorDiv;
  Value* x = Emit(dividend);
  Value* y = Emit(divisor);
  Value* zero = b_.getInt64(0);
  Value* is_zero = nullptr;
  if (divisor.range().lo <= 0 && divisor.range().hi >= 0) {
    is_zero = b_.CreateICmpEQ(y, zero);
    y = b_.CreateSelect(is_zero, b_.getInt64(1), y);
  }
  Value* result;
  if (dividend.range().lo >= 0 && divisor.range().lo >= 0) {
    result = wants_quotient ? b_.CreateUDiv(x, y) : b_.CreateURem(x, y);
  } else {
    // Truncating division, then one step down where the signs differ and it was not exact.
    Value* rest = b_.CreateSRem(x, y);
    Value* differ = b_.CreateICmpSLT(b_.CreateXor(rest, y), zero);
    Value* correct = b_.CreateAnd(b_.CreateICmpNE(rest, zero), differ);
    result = wants_quotient
                 ? b_.CreateSub(b_.CreateSDiv(x, y), b_.CreateZExt(correct, b_.getInt64Ty()))
                 : b_.CreateAdd(rest, b_.CreateSelect(correct, y, zero));
  }
  return is_zero == nullptr ? result : b_.CreateSelect(is_zero, zero, result);
}

// In 32 bits, so that one register holds the lane numbers.
Value* IndexEmitter::LaneMask(DimExpr active, int lanes) {
  if (active.IsConst()) {
    std::vector<llvm::Constant*> bits;
    for (int i = 0; i < lanes; ++i) bits.push_back(b_.getInt1(i < active.constant()));
    return llvm::ConstantVector::get(bits);
  }
  const int depth = Depth(active);
  Value*& known = scopes_[depth].masks[{active, lanes}];
  if (known != nullptr) return known;
  Value* count = Emit(active);
  known = At(depth, [&] {
    const uint64_t most = static_cast<uint64_t>(lanes);
    Value* clamped = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, count, b_.getInt64(most));
    clamped = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, clamped, b_.getInt64(0));
    Value* counts = b_.CreateVectorSplat(static_cast<unsigned>(lanes),
                                         b_.CreateTrunc(clamped, b_.getInt32Ty()));
    return b_.CreateICmpULT(b_.CreateStepVector(counts->getType()), counts);
  });
  return known;
}

Value* IndexEmitter::Pointer(Value* base, llvm::Type* element, DimExpr e) {
  int64_t constant = 0;
  const auto terms = TermsByDepth(e, constant);
  Value* pointer = base;
  for (size_t i = 0; i < terms.size();) {
    const int depth = terms[i].first;
    DimExpr sum = 0;
    for (; i < terms.size() && terms[i].first == depth; ++i) sum = sum + terms[i].second;
    Value*& known = scopes_[depth].pointers[{pointer, sum}];
    if (known == nullptr) {
      Value* offset = Emit(sum);
      known = At(depth, [&] { return b_.CreateGEP(element, pointer, offset); });
    }
    pointer = known;
  }
  if (constant == 0) return pointer;
  return b_.CreateGEP(element, pointer, b_.getInt64(static_cast<uint64_t>(constant)));
}

bool IndexEmitter::IsMultiple(DimExpr e, int64_t unit) const {
  switch (e.kind()) {
    case DimKind::kConst:
      return e.constant() % unit == 0;
    case DimKind::kCoord:
      return loops_[e.index()].step % unit == 0;
    case DimKind::kAdd:
      return std::all_of(e.operands().begin(), e.operands().end(),
                         [&](DimExpr term) { return IsMultiple(term, unit); });
    case DimKind::kMul: {
      // Constants of powers of two combine with what a loop's step gives: 4 * (step 16) and 64.
      int64_t left = unit;
      for (DimExpr factor : e.operands()) {
        for (int64_t part = left; part > 1; part /= 2) {
          if (left % part == 0 && IsMultiple(factor, part)) {
            left /= part;
            break;
          }
        }
      }
      return left == 1;
    }
    default:
      return unit == 1;
  }
}

DimExpr IndexEmitter::NotMultipleOf(DimExpr e, int64_t unit) const {
  if (e.kind() != DimKind::kAdd) return IsMultiple(e, unit) ? DimExpr(0) : e;
  DimExpr rest = 0;
  for (DimExpr term : e.operands()) {
    if (!IsMultiple(term, unit)) rest = rest + term;
  }
  return rest;
}

}  // namespace skein
