#include "runtime/background_thread.h"

#include <sched.h>
#include <sys/resource.h>

namespace skein {

void LowerPriorityOfThisThread() {
  // The policy is set as well, since a thread inherits the real-time one of the thread that starts it.
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
  setpriority(PRIO_PROCESS, 0, 19);
}

}  // namespace skein
