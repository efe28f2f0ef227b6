#include <cpuid.h>
#include <unistd.h>

#include <cstdint>

#include "codegen/codegen.h"

namespace skein {
namespace {

struct CpuidLeaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidLeaf Cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  CpuidLeaf r;
  if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
  return r;
}

bool Has(uint32_t word, int bit) { return (word >> bit & 1) != 0; }

// Which register states the operating system saves: bit 1 xmm, 2 ymm, 5-7 AVX-512.
uint64_t EnabledStates() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

int64_t CacheBytes(int name, int64_t otherwise) {
  const long bytes = sysconf(name);  // NOLINT: the type that POSIX gives it
  return bytes > 0 ? bytes : otherwise;
}

}  // namespace

absl::StatusOr<Target> HostTarget() {
  const CpuidLeaf leaf1 = Cpuid(1);
  const CpuidLeaf leaf7 = Cpuid(7);
  const CpuidLeaf extended = Cpuid(0x80000001);
  const bool os_saves_states = Has(leaf1.ecx, 27);  // OSXSAVE: else xgetbv is not to be executed
  const uint64_t states = os_saves_states ? EnabledStates() : 0;
  const bool fma = Has(leaf1.ecx, 12), avx = Has(leaf1.ecx, 28), f16c = Has(leaf1.ecx, 29);
  const bool movbe = Has(leaf1.ecx, 22), popcnt = Has(leaf1.ecx, 23);
  const bool bmi1 = Has(leaf7.ebx, 3), avx2 = Has(leaf7.ebx, 5), bmi2 = Has(leaf7.ebx, 8);
  const bool lzcnt = Has(extended.ecx, 5);
  // What x86-64-v3 names, so that LLVM may use all of it.
  if ((states & 0x6) != 0x6 ||
      !(fma && avx && f16c && movbe && popcnt && bmi1 && avx2 && bmi2 && lzcnt)) {
    return Unimplemented("this processor has no AVX2 with FMA and F16C (x86-64-v3)");
  }
  const bool f = Has(leaf7.ebx, 16), dq = Has(leaf7.ebx, 17), bw = Has(leaf7.ebx, 30),
             vl = Has(leaf7.ebx, 31);
  Target target;
  target.isa = (states & 0xe6) == 0xe6 && f && dq && bw && vl ? Isa::kAvx512 : Isa::kAvx2;
  target.vnni = target.isa == Isa::kAvx512 && Has(leaf7.ecx, 11);
  target.l1_bytes = CacheBytes(_SC_LEVEL1_DCACHE_SIZE, target.l1_bytes);
  target.l2_bytes = CacheBytes(_SC_LEVEL2_CACHE_SIZE, target.l2_bytes);
  return target;
}

}  // namespace skein
