// What the planner, the schedulers and the back ends may know of a machine. Always an argument.
// A target may change which schedule is chosen, never a bit of a result.
#ifndef SKEIN_IR_TARGET_H_
#define SKEIN_IR_TARGET_H_

#include <cstdint>

namespace skein {

enum class Isa : uint8_t { kAvx2, kAvx512 };  // AVX2 + FMA + F16C; AVX-512 F/BW/DQ/VL

struct Target {
  Isa isa = Isa::kAvx512;
  bool vnni = false;  // AVX512-VNNI: dot4 is one instruction; only with kAvx512. Part of every cache key.
  int64_t l1_bytes = 48 << 10;
  int64_t l2_bytes = 1 << 20;
  // Facts about memory beyond L2, as `skein-bench calibrate` measures them.
  // Output bytes from which stores that pass by the caches win: where nothing reads the output soon, and
  // where the next kernel does.
  int64_t stream_output_bytes = 2 << 20;
  int64_t stream_intermediate_bytes = 16 << 20;
  int64_t prefetch_bytes = 16384;  // how far ahead of loads their prefetches run, all streams together; 0: none
  int prefetch_level = 0;          // the cache they fetch into: 0 = L1, 1 = L2
  // f32 lanes of one register.
  int lanes() const { return isa == Isa::kAvx512 ? 16 : 8; }
  int registers() const { return isa == Isa::kAvx512 ? 32 : 16; }
};

}  // namespace skein

#endif  // SKEIN_IR_TARGET_H_
