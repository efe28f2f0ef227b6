// How values of a LoopNest are held in LLVM.
#ifndef SKEIN_CODEGEN_LLVM_TYPES_H_
#define SKEIN_CODEGEN_LLVM_TYPES_H_

#include "ir/loop_nest.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Type.h"

namespace skein {

using IrBuilder = llvm::IRBuilder<>;

// One lane in a register: bool is i1, f16 and bf16 are their bits in an i16 (they are storage
// types, and `half` in registers would bring calls into a support library).
inline llvm::Type* LaneType(llvm::LLVMContext& context, ElementType element) {
  switch (element) {
    case ElementType::kF32:
      return llvm::Type::getFloatTy(context);
    case ElementType::kF64:
      return llvm::Type::getDoubleTy(context);
    case ElementType::kBool:
      return llvm::Type::getInt1Ty(context);
    default:
      return llvm::Type::getIntNTy(context, static_cast<unsigned>(BitWidth(element)));
  }
}

// One element in memory: as in a register, but bool is a byte. i4 and u4 are addressed by bytes.
inline llvm::Type* StoredType(llvm::LLVMContext& context, ElementType element) {
  if (BitWidth(element) < 8 || IsBool(element)) return llvm::Type::getInt8Ty(context);
  return LaneType(context, element);
}

// `lane` itself for one lane, else a vector of it.
inline llvm::Type* WithLanes(llvm::Type* lane, int lanes) {
  if (lanes == 1) return lane;
  return llvm::FixedVectorType::get(lane, static_cast<unsigned>(lanes));
}

inline llvm::Type* RegisterType(llvm::LLVMContext& context, VectorType type) {
  return WithLanes(LaneType(context, type.element), type.lanes);
}

inline int LanesOf(const llvm::Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
}

inline bool IsFourBit(ElementType element) { return BitWidth(element) == 4; }

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_TYPES_H_
