// LLVM IR for the operations that only compute: arithmetic, bits, comparison, conversion,
// reduction.
#ifndef SKEIN_CODEGEN_LLVM_VECTOR_OPS_H_
#define SKEIN_CODEGEN_LLVM_VECTOR_OPS_H_

#include <span>

#include "codegen/llvm/types.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

// The result of `inst` (kConst, kIota, kSplat ... kDot4, but no index, memory or loop operation) on
// `operands`, whose first has the type `operand`.
llvm::Value* EmitOperation(IrBuilder& b, const Inst& inst, VectorType operand,
                           std::span<llvm::Value* const> operands, const Target& target);

// kConvert. Numerics: one rounding, also where LLVM would take two (f64 to f16, i64 to bf16).
llvm::Value* EmitConvert(IrBuilder& b, llvm::Value* x, ElementType from, ElementType to);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_VECTOR_OPS_H_
