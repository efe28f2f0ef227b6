#include "bench/timing.h"

#include <time.h>

#include "bench/team.h"

namespace skein {

double Now() {
  timespec now;
  clock_gettime(Team::OfThisRun().size() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace skein
