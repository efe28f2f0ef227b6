#include "codegen/llvm/target_machine.h"

#include <map>
#include <mutex>
#include <optional>

#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"

namespace skein {
namespace {

const llvm::Target* FindTarget(std::string& error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86Disassembler();
  });
  return llvm::TargetRegistry::lookupTarget(kTriple, error);
}

}  // namespace

std::string Features(const Target& target) {
  // Named one by one: the cpu x86-64-v4 would also bring a preference for 256-bit vectors.
  // Without evex512 LLVM 19 would use the AVX-512 instructions on 256-bit registers only.
  if (target.isa == Isa::kAvx512) {
    const std::string features = "+avx512f,+avx512bw,+avx512dq,+avx512vl,+evex512";
    return target.vnni ? features + ",+avx512vnni" : features;
  }
  // Its gathers would be taken apart into branches otherwise.
  return "+fast-gather";
}

namespace {

// Machines that nobody uses just now, by their features: making one takes as long as a small kernel. They are never
// destroyed: compilations may end late in the process's life.
struct Pool {
  std::mutex mutex;
  std::multimap<std::string, std::unique_ptr<llvm::TargetMachine>> free;
};
Pool& MachinePool() {
  static auto* pool = new Pool;
  return *pool;
}

}  // namespace

void ReturnMachine::operator()(llvm::TargetMachine* machine) const {
  Pool& pool = MachinePool();
  std::lock_guard lock(pool.mutex);
  pool.free.emplace(machine->getTargetFeatureString().str(), machine);
}

absl::StatusOr<TargetMachineRef> TakeTargetMachine(const Target& target) {
  {
    Pool& pool = MachinePool();
    std::lock_guard lock(pool.mutex);
    if (auto found = pool.free.extract(Features(target)); !found.empty()) {
      return TargetMachineRef(found.mapped().release());
    }
  }
  std::string error;
  const llvm::Target* x86 = FindTarget(error);
  if (x86 == nullptr) return Internal("LLVM has no x86 target: ", error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  TargetMachineRef machine(
      x86->createTargetMachine(kTriple, kCpu, Features(target), options, llvm::Reloc::PIC_,
                               llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  if (machine == nullptr) return Internal("LLVM cannot create a machine for ", kTriple);
  return machine;
}

}  // namespace skein
