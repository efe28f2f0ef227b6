// What threads of the library do that nobody waits for.
#ifndef SKEIN_RUNTIME_BACKGROUND_THREAD_H_
#define SKEIN_RUNTIME_BACKGROUND_THREAD_H_

namespace skein {

// Nice 19 and SCHED_BATCH, whatever the thread has inherited. Not SCHED_IDLE: such a thread takes locks that runs and
// compilations take too (memory, the kernel cache), and on a busy machine an idle one may sleep in one for as long as the
// machine is busy.
void LowerPriorityOfThisThread();

}  // namespace skein

#endif  // SKEIN_RUNTIME_BACKGROUND_THREAD_H_
