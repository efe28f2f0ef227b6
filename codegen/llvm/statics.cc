// What LLVM makes with its first module and destroys with the process.
#include "codegen/codegen.h"
#include "llvm/CodeGen/SelectionDAGNodes.h"
#include "llvm/IR/PrintPasses.h"

namespace skein {
namespace {

struct ValueTypes : llvm::SDNode {  // the function that holds them is protected
  static void Make() { getSDVTList(llvm::MVT::Other); }
};

}  // namespace

void MakeLlvmStatics() {
  ValueTypes::Make();
  llvm::isPassInPrintList("");
  llvm::isFunctionInPrintList("");
}

}  // namespace skein
