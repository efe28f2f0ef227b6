#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "codegen/legalize.h"
#include "codegen/listing.h"
#include "codegen/llvm/function_emitter.h"
#include "codegen/llvm/object_file.h"
#include "codegen/llvm/target_machine.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/BasicAliasAnalysis.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Analysis/ScopedNoAliasAA.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Scalar.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"

namespace skein {

bool HaveLlvm() { return true; }

namespace {

// The compile time that a kernel may take. Estimated over it, it is compiled in a hurry.
constexpr double kBudgetMilliseconds = 10;
constexpr char kInAHurry[] = "skein-in-a-hurry";  // a function's attribute

// Within a factor of 1.6 of what 321 kernels took, of 0.9 to 24 ms (five transformers and skein-bench; Zen 5, 2026-11).
// Trees of shuffles are what LLVM thinks about longest.
double EstimatedMilliseconds(const LoopNest& legal) {
  double estimate = 1.3;
  for (int i = 0; i < legal.inst_count(); ++i) {
    const Inst& inst = legal.inst(InstId(i));
    const bool joins = inst.op == Opcode::kShuffle && inst.operands.size() == 2;
    estimate += joins ? 0.054 : 0.019;
  }
  return estimate;
}

// Cuts the blocks of functions that are in a hurry into short ones: instruction selection looks at one block at a
// time, and at some of them in more than proportion to their length. Takes 30 to 40% off; loads that would have
// become operands stay loads where they lie in another block than their use.
class CutBlocks : public llvm::FunctionPass {
 public:
  static char ID;
  CutBlocks() : FunctionPass(ID) {}

  bool runOnFunction(llvm::Function& function) override {
    if (!function.hasFnAttribute(kInAHurry)) return false;
    std::vector<llvm::BasicBlock*> blocks;
    for (llvm::BasicBlock& block : function) blocks.push_back(&block);
    for (llvm::BasicBlock* block : blocks) {
      while (block->size() > 2 * kInstructions) {
        block = block->splitBasicBlock(std::next(block->getFirstNonPHIIt(), kInstructions));
      }
    }
    return true;
  }

 private:
  static constexpr int kInstructions = 32;
};

char CutBlocks::ID = 0;

// What a listing needs beside the code.
struct Traces {
  std::optional<LoopNestLines> lines;
  std::unique_ptr<Locations> locations;
};

// traces: of a single nest; null: nobody wants to know.
// Gives the attribute to kernels that are over the budget.
absl::Status EmitModule(std::span<const NamedNest> nests, const Target& target,
                        const llvm::TargetMachine& machine, llvm::Module& module, Traces* traces) {
  module.setTargetTriple(kTriple);
  module.setDataLayout(machine.createDataLayout());
  for (const NamedNest& nest : nests) {
    absl::StatusOr<LoopNest> legal = Legalize(*nest.nest, target);
    if (!legal.ok()) return Annotate(legal.status(), nest.name);
    if (traces == nullptr) {
      EmitFunction(module, nest.name, *legal, target);
    } else {
      traces->lines.emplace(*legal);
      traces->locations = EmitFunction(module, nest.name, *legal, target, &*traces->lines);
    }
    if (EstimatedMilliseconds(*legal) > kBudgetMilliseconds) {
      module.getFunction(nest.name)->addFnAttr(kInAHurry);
    }
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

// From IR to machine instructions before register allocation. Of the passes that LLVM runs here by itself, those that
// have something to do in kernels; the others took a third of the time. Loop strength reduction alone took a quarter,
// and the code is as fast without: addresses are hoisted when they are emitted.
bool AddInstructionSelection(llvm::TargetMachine& machine, llvm::TargetPassConfig& config,
                             llvm::legacy::PassManager& passes) {
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  passes.add(llvm::createScopedNoAliasAAWrapperPass());
  passes.add(llvm::createBasicAAWrapperPass());
  passes.add(llvm::createScalarizeMaskedMemIntrinLegacyPass());
  passes.add(llvm::createExpandReductionsPass());
  config.addCodeGenPrepare();
  passes.add(new CutBlocks);
  config.addISelPrepare();
  if (config.addInstSelector()) return false;
  passes.add(llvm::Pass::createPass(&llvm::FinalizeISelID));
  return true;
}

//   last: a machine pass to be run before the code is written, or null.
absl::Status WriteObjectFile(llvm::Module& module, llvm::TargetMachine& machine, llvm::FunctionPass* last,
                             llvm::raw_pwrite_stream& stream) {
  auto& generator = static_cast<llvm::LLVMTargetMachine&>(machine);
  llvm::legacy::PassManager passes;
  llvm::TargetPassConfig* config = generator.createPassConfig(passes);
  config->setDisableVerify(true);
  passes.add(config);
  auto* functions = new llvm::MachineModuleInfoWrapperPass(&generator);
  passes.add(functions);
  const bool selected = AddInstructionSelection(machine, *config, passes);
  config->addMachinePasses();
  config->setInitialized();
  if (last != nullptr) passes.add(last);
  if (!selected || generator.addAsmPrinter(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile,
                                           functions->getMMI().getContext())) {
    return Internal("LLVM cannot write object files for ", kTriple);
  }
  passes.add(llvm::createFreeMachineFunctionPass());
  passes.run(module);
  return absl::OkStatus();
}

// listing: of a single nest, gets what the code is for; null: nobody wants to know.
absl::StatusOr<ObjectCode> Generate(std::span<const NamedNest> nests, const Target& target, Listing* listing) {
  SKEIN_ASSIGN_OR_RETURN(const auto machine, TakeTargetMachine(target));
  llvm::LLVMContext context;
  llvm::Module module("kernels", context);
  Traces traces;
  SKEIN_RETURN_IF_ERROR(EmitModule(nests, target, *machine, module, listing != nullptr ? &traces : nullptr));
  if (listing != nullptr) traces.locations->Remember();
  Optimize(module, *machine);
  if (listing != nullptr) traces.locations->Restore();
  llvm::SmallVector<char, 0> elf;
  llvm::raw_svector_ostream stream(elf);
  SKEIN_RETURN_IF_ERROR(
      WriteObjectFile(module, *machine, listing != nullptr ? CreateMarkMovesPass() : nullptr, stream));
  const llvm::StringRef file(elf.data(), elf.size());
  std::vector<std::string> names;
  for (const NamedNest& nest : nests) names.push_back(nest.name);
  SKEIN_ASSIGN_OR_RETURN(ObjectCode object, ParseObjectFile(file, names));
  object.tier = "llvm";
  for (ObjectCode::Entry& entry : object.entries) {
    entry.in_a_hurry = module.getFunction(entry.name)->hasFnAttribute(kInAHurry);
  }
  if (listing != nullptr) {
    SKEIN_ASSIGN_OR_RETURN(listing->marks, ReadMarks(file, object.entries[0]));
    listing->lines = traces.lines->lines();
  }
  return object;
}

}  // namespace

absl::StatusOr<ObjectCode> GenerateLlvm(std::span<const NamedNest> nests, const Target& target) {
  return Generate(nests, target, nullptr);
}

absl::StatusOr<Listing> ListLlvm(const NamedNest& nest, const Target& target) {
  Listing listing;
  SKEIN_ASSIGN_OR_RETURN(listing.object, Generate({&nest, 1}, target, &listing));
  return listing;
}

absl::StatusOr<std::string> LlvmIrText(const NamedNest& nest, const Target& target) {
  SKEIN_ASSIGN_OR_RETURN(const auto machine, TakeTargetMachine(target));
  llvm::LLVMContext context;
  llvm::Module module("kernels", context);
  SKEIN_RETURN_IF_ERROR(EmitModule({&nest, 1}, target, *machine, module, nullptr));
  Optimize(module, *machine);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace skein
