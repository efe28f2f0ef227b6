// The one place where llvm::Error becomes a Status.
#ifndef SKEIN_CODEGEN_LLVM_LLVM_STATUS_H_
#define SKEIN_CODEGEN_LLVM_LLVM_STATUS_H_

#include <string_view>
#include <utility>

#include "base/status.h"
#include "llvm/Support/Error.h"

namespace skein {

// Internal, with `doing` in front of LLVM's message; ok for success.
inline absl::Status ToStatus(llvm::Error error, std::string_view doing) {
  if (!error) return absl::OkStatus();
  return Internal("LLVM, ", std::string(doing), ": ", llvm::toString(std::move(error)));
}

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_LLVM_STATUS_H_
