// A legalized LoopNest -> one LLVM function.
#ifndef SKEIN_CODEGEN_LLVM_FUNCTION_EMITTER_H_
#define SKEIN_CODEGEN_LLVM_FUNCTION_EMITTER_H_

#include <string>

#include "ir/loop_nest.h"
#include "ir/target.h"
#include "codegen/llvm/locations.h"
#include "llvm/IR/Module.h"

namespace skein {

// Adds to `module` the function `name`, with the signature and the meaning of KernelFunction.
//   nest: a result of Legalize for the same target.   lines: of the nest, to be the instructions' locations, which
//   are returned too; null: without locations.
std::unique_ptr<Locations> EmitFunction(llvm::Module& module, const std::string& name, const LoopNest& nest,
                                        const Target& target, const LoopNestLines* lines = nullptr);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_FUNCTION_EMITTER_H_
