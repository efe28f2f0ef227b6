// Where programs get machine code from: two code generators, the kernels that they have made, and the
// thread that compiles hot kernels again.
#ifndef SKEIN_RUNTIME_BACK_ENDS_H_
#define SKEIN_RUNTIME_BACK_ENDS_H_

#include <functional>
#include <memory>
#include <span>

#include "codegen/codegen.h"
#include "runtime/kernel_cache.h"
#include "runtime/tier_upgrader.h"

namespace skein {

struct BackEnds {
  using Generator = std::function<absl::StatusOr<ObjectCode>(std::span<const NamedNest>, const Target&)>;

  // Null: there is none. Called on several threads at once.
  BackEnds(Generator fast, Generator optimizing, const TierUpgrader::Rule& rule = {})
      : fast(std::move(fast)), optimizing(std::move(optimizing)), upgrader(&cache, rule) {}

  // Xbyak and LLVM, as far as they are built in: what programs use unless CompileOptions::back_ends says
  // otherwise. Its thread ends when the process exits.
  static const std::shared_ptr<BackEnds>& Process();

  const Generator fast, optimizing;
  bool packs_behind = true;  // false: no thread packs weights behind the runs, only the runs do (tests)
  KernelCache cache;
  TierUpgrader upgrader;  // last: its thread uses the others
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_BACK_ENDS_H_
