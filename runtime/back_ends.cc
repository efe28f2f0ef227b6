#include "runtime/back_ends.h"

#include <atomic>
#include <cstdlib>

namespace skein {
namespace {

// The process's, once it is there. Never destroyed: programs may end late in the process's life. But its
// thread must have ended when LLVM's statics are destroyed, which it uses. What is registered last is run first,
// so they must be there before StopProcessThread is registered.
std::atomic<BackEnds*> process{nullptr};

void StopProcessThread() {
  if (BackEnds* back_ends = process.load(std::memory_order_acquire)) back_ends->upgrader.Stop();
}

// exit() runs the destructors of its caller's thread_locals before any handler. The thread that initializes this
// library is the one that ends main() too, where the library is linked or is loaded by that thread.
struct StopWithMainThread {
  bool armed = false;
  ~StopWithMainThread() { StopProcessThread(); }
};
thread_local StopWithMainThread stop_with_main_thread;
[[maybe_unused]] const bool main_thread_is_armed = stop_with_main_thread.armed = true;

// One static is left that only a real module makes: a table of instructions, of which LLVM reads a little late in each.
absl::StatusOr<ObjectCode> GenerateLlvmUntilExit(std::span<const NamedNest> nests, const Target& target) {
  absl::StatusOr<ObjectCode> object = GenerateLlvm(nests, target);
  [[maybe_unused]] static const int registered = std::atexit(StopProcessThread);
  return object;
}

}  // namespace

const std::shared_ptr<BackEnds>& BackEnds::Process() {
  static const auto* made = [] {
    auto* back_ends = new std::shared_ptr<BackEnds>(
        std::make_shared<BackEnds>(HaveXbyak() ? Generator(GenerateXbyak) : nullptr,
                                   HaveLlvm() ? Generator(GenerateLlvmUntilExit) : nullptr));
    process.store(back_ends->get(), std::memory_order_release);
    MakeLlvmStatics();
    std::atexit(StopProcessThread);
    return back_ends;
  }();
  return *made;
}

}  // namespace skein
