#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "codegen/codegen.h"
#include "codegen/object_code.h"

namespace skein {
namespace {

// void f(args, begin, end, scratch): *scratch = the first 8 bytes of data + 16.
ObjectCode LoadsFromData() {
  ObjectCode object;
  object.code = {0x90,                          // nop, so that the entry is not at 0
                 0x48, 0x8b, 0x05, 0, 0, 0, 0,  // mov rax, [rip + data + 16]
                 0x48, 0x89, 0x01,              // mov [rcx], rax
                 0xc3};                         // ret
  object.data.resize(24);
  const uint64_t value = 0x1122334455667788;
  std::memcpy(object.data.data() + 16, &value, sizeof(value));
  object.relocations = {{4, 16, -4}};
  object.entries = {{"f", 1, 11}};
  return object;
}

TEST(Loader, RelocatesAndRuns) {
  // The same place, with the 4 bytes up to the end of the instruction in the offset or in the
  // addend.
  for (const ObjectCode::Relocation& relocation :
       {ObjectCode::Relocation{4, 12, 0}, ObjectCode::Relocation{4, 16, -4}}) {
    ObjectCode object = LoadsFromData();
    object.relocations = {relocation};
    const auto loaded = LoadedCode::Load(object);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    uint64_t out = 0;
    (*loaded)->entry(0)(nullptr, 0, 0, &out);
    EXPECT_EQ(out, 0x1122334455667788);
  }
}

TEST(Loader, NoPageIsWritableAndExecutable) {
  const auto loaded = LoadedCode::Load(LoadsFromData());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const uintptr_t entry = reinterpret_cast<uintptr_t>((*loaded)->entry(0));
  FILE* maps = std::fopen("/proc/self/maps", "r");
  ASSERT_NE(maps, nullptr);
  char line[512];
  bool found = false;
  while (std::fgets(line, sizeof(line), maps) != nullptr) {
    unsigned long begin, end;  // NOLINT: what scanf wants
    char flags[5];
    ASSERT_EQ(std::sscanf(line, "%lx-%lx %4s", &begin, &end, flags), 3);
    EXPECT_FALSE(flags[1] == 'w' && flags[2] == 'x') << line;
    if (begin <= entry && entry < end) {
      found = true;
      EXPECT_STREQ(flags, "r-xp");
    }
  }
  std::fclose(maps);
  EXPECT_TRUE(found);
}

TEST(Loader, RefusesWhatLiesOutside) {
  ObjectCode object = LoadsFromData();
  object.entries[0].size = 100;
  EXPECT_EQ(LoadedCode::Load(object).status().code(), absl::StatusCode::kInternal);
  object = LoadsFromData();
  object.entries[0].offset = 0xffffffff;
  EXPECT_EQ(LoadedCode::Load(object).status().code(), absl::StatusCode::kInternal);
  object = LoadsFromData();
  object.relocations[0].offset = 9;
  EXPECT_EQ(LoadedCode::Load(object).status().code(), absl::StatusCode::kInternal);
  object = LoadsFromData();
  object.relocations[0].data_offset = 25;
  EXPECT_EQ(LoadedCode::Load(object).status().code(), absl::StatusCode::kInternal);
  object.code.clear();
  object.entries.clear();
  EXPECT_EQ(LoadedCode::Load(object).status().code(), absl::StatusCode::kInternal);
}

TEST(Loader, EmptyObjectLoads) { EXPECT_TRUE(LoadedCode::Load(ObjectCode()).ok()); }

TEST(HostTarget, HasAtLeastAvx2) {
  const auto target = HostTarget();
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_GE(target->l1_bytes, 16 << 10);
  EXPECT_GE(target->l2_bytes, target->l1_bytes);
}

}  // namespace
}  // namespace skein
