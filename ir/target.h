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
  // f32 lanes of one register.
  int lanes() const { return isa == Isa::kAvx512 ? 16 : 8; }
  int registers() const { return isa == Isa::kAvx512 ? 32 : 16; }
};

}  // namespace skein

#endif  // SKEIN_IR_TARGET_H_
