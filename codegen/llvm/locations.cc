#include "codegen/llvm/locations.h"

#include <algorithm>

#include "codegen/llvm/llvm_status.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/IR/DIBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ELFObjectFile.h"

namespace skein {
namespace {

llvm::DebugLoc At(llvm::DISubprogram* function, int line, Purpose purpose) {
  return llvm::DILocation::get(function->getContext(), static_cast<unsigned>(line + 1),
                               static_cast<unsigned>(purpose), function);
}

class MarkMoves : public llvm::MachineFunctionPass {
 public:
  static char ID;
  MarkMoves() : MachineFunctionPass(ID) {}

  bool runOnMachineFunction(llvm::MachineFunction& function) override {
    llvm::DISubprogram* scope = function.getFunction().getSubprogram();
    if (scope == nullptr) return false;
    for (llvm::MachineBasicBlock& block : function) {
      for (llvm::MachineInstr& instruction : block) {
        const Purpose purpose = PurposeOf(instruction);
        if (purpose != Purpose::kCompute || !instruction.getDebugLoc()) {
          instruction.setDebugLoc(At(scope, -1, purpose));
        }
      }
    }
    return true;
  }

 private:
  static Purpose PurposeOf(const llvm::MachineInstr& instruction) {
    using llvm::MachineInstr;
    if (instruction.getFlag(MachineInstr::FrameSetup) || instruction.getFlag(MachineInstr::FrameDestroy)) {
      return Purpose::kFrame;
    }
    const llvm::MachineFunction& function = *instruction.getMF();
    const llvm::MachineFrameInfo& frame = function.getFrameInfo();
    const llvm::TargetInstrInfo& target = *function.getSubtarget().getInstrInfo();
    int slot;
    if (target.isStoreToStackSlotPostFE(instruction, slot) && frame.isSpillSlotObjectIndex(slot)) return Purpose::kSpill;
    if (target.isLoadFromStackSlotPostFE(instruction, slot) && frame.isSpillSlotObjectIndex(slot)) return Purpose::kReload;
    return Purpose::kCompute;
  }
};

char MarkMoves::ID = 0;

std::string NoteOf(int line, Purpose purpose) {
  switch (purpose) {
    case Purpose::kIndex:
      return "index for";
    case Purpose::kEnterLoop:
      return "enter";
    case Purpose::kNextTrip:
      return "next";
    case Purpose::kSpill:
      return "spill";
    case Purpose::kReload:
      return "reload";
    case Purpose::kFrame:
      return "entry or exit";
    default:
      return line < 0 ? "shared or moved" : "";
  }
}

}  // namespace

Locations::Locations(llvm::Function* function, const LoopNest& nest, const LoopNestLines& lines)
    : function_(function) {
  for (int i = 0; i < nest.inst_count(); ++i) {
    line_of_inst_.push_back({&nest.inst(InstId(i)), lines.LineOf(InstId(i))});
  }
  std::sort(line_of_inst_.begin(), line_of_inst_.end());
  llvm::Module& module = *function->getParent();
  module.addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
  module.addModuleFlag(llvm::Module::Warning, "Dwarf Version", 4);
  llvm::DIBuilder builder(module);
  llvm::DIFile* file = builder.createFile("nest", "");
  builder.createCompileUnit(llvm::dwarf::DW_LANG_C, file, "skein", /*isOptimized=*/true, "", 0, "",
                            llvm::DICompileUnit::LineTablesOnly);
  llvm::DISubroutineType* type = builder.createSubroutineType(builder.getOrCreateTypeArray({}));
  function->setSubprogram(builder.createFunction(file, function->getName(), "", file, 0, type, 0,
                                                 llvm::DINode::FlagZero, llvm::DISubprogram::SPFlagDefinition));
  builder.finalize();
}

void Locations::Set(IrBuilder& b, const Inst& inst, Purpose purpose) const {
  const auto found = std::lower_bound(line_of_inst_.begin(), line_of_inst_.end(), std::pair(&inst, -1));
  b.SetCurrentDebugLocation(At(function_->getSubprogram(), found->second, purpose));
}

void Locations::SetFrame(IrBuilder& b) const {
  b.SetCurrentDebugLocation(At(function_->getSubprogram(), -1, Purpose::kFrame));
}

void Locations::Remember() {
  for (llvm::Instruction& instruction : llvm::instructions(function_)) {
    if (instruction.getDebugLoc()) remembered_.push_back({&instruction, instruction.getDebugLoc()});
  }
}

void Locations::Restore() {
  for (const auto& [value, location] : remembered_) {
    auto* instruction = llvm::dyn_cast_or_null<llvm::Instruction>(static_cast<llvm::Value*>(value));
    if (instruction != nullptr) instruction->setDebugLoc(location);
  }
}

void SetIndexPurpose(IrBuilder& b) {
  const llvm::DebugLoc here = b.getCurrentDebugLocation();
  if (!here) return;
  auto* scope = llvm::cast<llvm::DISubprogram>(here.getScope());
  b.SetCurrentDebugLocation(At(scope, static_cast<int>(here.getLine()) - 1, Purpose::kIndex));
}

llvm::FunctionPass* CreateMarkMovesPass() { return new MarkMoves; }

absl::StatusOr<std::vector<CodeMark>> ReadMarks(llvm::StringRef elf, const ObjectCode::Entry& entry) {
  auto file = llvm::object::ELF64LEObjectFile::create(llvm::MemoryBufferRef(elf, "kernels"));
  if (!file) return ToStatus(file.takeError(), "reading its object file");
  const auto context = llvm::DWARFContext::create(*file);
  std::vector<CodeMark> marks;
  for (const auto& unit : context->compile_units()) {
    const llvm::DWARFDebugLine::LineTable* table = context->getLineTableForUnit(unit.get());
    if (table == nullptr) return Internal("LLVM: no line table");
    for (const llvm::DWARFDebugLine::Row& row : table->Rows) {
      if (row.EndSequence) continue;
      const int line = static_cast<int>(row.Line) - 1;
      marks.push_back({.offset = static_cast<uint32_t>(row.Address.Address) - entry.offset,
                       .line = line,
                       .note = NoteOf(line, static_cast<Purpose>(row.Column))});
    }
  }
  // The prologue has no row of its own.
  if (!marks.empty() && marks[0].line < 0) marks[0].note = NoteOf(-1, Purpose::kFrame);
  return marks;
}

}  // namespace skein
