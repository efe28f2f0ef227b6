#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "codegen/legalize.h"
#include "codegen/llvm/function_emitter.h"
#include "codegen/llvm/object_file.h"
#include "codegen/llvm/target_machine.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"

namespace skein {

bool HaveLlvm() { return true; }

namespace {

absl::Status EmitModule(std::span<const NamedNest> nests, const Target& target,
                        const llvm::TargetMachine& machine, llvm::Module& module) {
  module.setTargetTriple(kTriple);
  module.setDataLayout(machine.createDataLayout());
  for (const NamedNest& nest : nests) {
    absl::StatusOr<LoopNest> legal = Legalize(*nest.nest, target);
    if (!legal.ok()) return Annotate(legal.status(), nest.name);
    EmitFunction(module, nest.name, *legal, target);
  }
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(module, &stream)) return Internal("LLVM IR is not valid: ", message);
  return absl::OkStatus();
}

// Expressions are emitted hoisted and once; what is left is to merge repeated constants' users and
// to move invariant vector operations out of loops. Nothing here may form calls (loop idioms do).
void Optimize(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager calls;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(calls);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, calls, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()),
                                                       /*UseMemorySSA=*/true));
  for (llvm::Function& function : module) {
    if (!function.isDeclaration()) passes.run(function, functions);
  }
}

}  // namespace

absl::StatusOr<ObjectCode> GenerateLlvm(std::span<const NamedNest> nests, const Target& target) {
  SKEIN_ASSIGN_OR_RETURN(const auto machine, CreateTargetMachine(target));
  llvm::LLVMContext context;
  llvm::Module module("kernels", context);
  SKEIN_RETURN_IF_ERROR(EmitModule(nests, target, *machine, module));
  Optimize(module, *machine);
  llvm::SmallVector<char, 0> elf;
  llvm::raw_svector_ostream stream(elf);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile,
                                   /*DisableVerify=*/true)) {
    return Internal("LLVM cannot write object files for ", kTriple);
  }
  passes.run(module);
  std::vector<std::string> names;
  for (const NamedNest& nest : nests) names.push_back(nest.name);
  SKEIN_ASSIGN_OR_RETURN(ObjectCode object,
                         ParseObjectFile(llvm::StringRef(elf.data(), elf.size()), names));
  object.tier = "llvm";
  return object;
}

absl::StatusOr<std::string> LlvmIrText(const NamedNest& nest, const Target& target) {
  SKEIN_ASSIGN_OR_RETURN(const auto machine, CreateTargetMachine(target));
  llvm::LLVMContext context;
  llvm::Module module("kernels", context);
  SKEIN_RETURN_IF_ERROR(EmitModule({&nest, 1}, target, *machine, module));
  Optimize(module, *machine);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace skein
