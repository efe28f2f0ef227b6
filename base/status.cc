#include "base/status.h"

#include <cstdio>
#include <cstdlib>

namespace skein {

void CheckFailed(const char* condition, const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n%s\n", file, line, condition,
               message.c_str());
  std::abort();
}

}  // namespace skein
