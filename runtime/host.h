// What a user of the runtime may ask of the machine: HostTarget().
#ifndef SKEIN_RUNTIME_HOST_H_
#define SKEIN_RUNTIME_HOST_H_

#include "codegen/codegen.h"

#endif  // SKEIN_RUNTIME_HOST_H_
