#include "codegen/code_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "codegen/object_code.h"

namespace skein {
namespace {

using Pages = CodePool::Pages;

// f(args, begin, end, scratch): *(int64*)scratch = `value`, from its data; `padding` more bytes of
// code.
ObjectCode Constant(int64_t value, size_t padding = 0) {
  ObjectCode object;
  object.code = {0x48, 0x8b, 0x05, 0, 0, 0, 0,  // mov rax, [rip + data]
                 0x48, 0x89, 0x01,              // mov [rcx], rax
                 0xc3};                         // ret
  object.entries = {{"constant", 0, static_cast<uint32_t>(object.code.size())}};
  object.code.resize(object.code.size() + padding, 0xcc);
  object.data.resize(sizeof(value));
  std::memcpy(object.data.data(), &value, sizeof(value));
  object.relocations = {{3, 0, -4}};
  return object;
}

int64_t Call(const LoadedCode& code) {
  int64_t out = 0;
  code.entry(0)(nullptr, 0, 0, &out);
  return out;
}

struct Mapping {
  uintptr_t begin, end;
  std::string flags;
};
std::vector<Mapping> Mappings() {
  std::vector<Mapping> mappings;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin, end;  // NOLINT: what scanf wants
    char flags[5];
    EXPECT_EQ(std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, flags), 3) << line;
    mappings.push_back({begin, end, flags});
  }
  return mappings;
}

int WritableAndExecutable() {
  int count = 0;
  for (const Mapping& m : Mappings()) count += m.flags[1] == 'w' && m.flags[2] == 'x';
  return count;
}

std::string FlagsAt(const void* address) {
  for (const Mapping& m : Mappings()) {
    const auto at = reinterpret_cast<uintptr_t>(address);
    if (m.begin <= at && at < m.end) return m.flags;
  }
  return "unmapped";
}

TEST(FreeRanges, TakesTheSmallestThatFitsAndJoinsNeighbours) {
  FreeRanges ranges(1000);
  EXPECT_EQ(ranges.Take(1001), std::nullopt);
  EXPECT_EQ(ranges.Take(100), 0u);
  EXPECT_EQ(ranges.Take(300), 100u);
  EXPECT_EQ(ranges.Take(100), 400u);
  EXPECT_EQ(ranges.Take(50), 500u);
  EXPECT_EQ(ranges.Take(450), 550u);
  EXPECT_EQ(ranges.Take(1), std::nullopt);
  ranges.Give(100, 300);
  ranges.Give(500, 50);
  EXPECT_EQ(ranges.Take(40), 500u);  // of 50, not of 300
  ranges.Give(400, 100);             // between 100..400 and 540..550: joins the first
  EXPECT_EQ(ranges.Take(400), 100u);
  ranges.Give(100, 400);
  ranges.Give(0, 100);
  ranges.Give(550, 450);
  EXPECT_FALSE(ranges.all_free());
  ranges.Give(500, 40);  // between two that are free
  EXPECT_TRUE(ranges.all_free());
}

TEST(CodePool, SharesPagesAndKeepsConstantsNearAndNotExecutable) {
  CodePool pool;
  const auto a = pool.Reserve(100, 70, Pages::kShared);
  const auto b = pool.Reserve(100, 70, Pages::kShared);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(b->code - a->code, 128);
  EXPECT_EQ(b->data - a->data, 128);
  for (const void* at : {a->code, a->data, b->code, b->data}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % 64, 0u);
  }
  EXPECT_LT(std::abs(a->code - a->data), int64_t{1} << 30);
  EXPECT_EQ(FlagsAt(a->code), "r-xp");
  EXPECT_EQ(FlagsAt(a->data), "r--p");
  EXPECT_EQ(pool.usage().chunks, 1);
}

TEST(CodePool, PagesOfItsOwnAreWrittenThenSealed) {
  CodePool pool;
  const auto space = pool.Reserve(3, 5, Pages::kOwn);
  ASSERT_TRUE(space.ok());
  const std::vector<uint8_t> code = {1, 2, 3}, data = {4, 5, 6, 7, 8};
  ASSERT_TRUE(pool.Write(*space, code, data).ok());
  EXPECT_EQ(FlagsAt(space->code), "r-xp");
  EXPECT_EQ(FlagsAt(space->data), "r--p");
  EXPECT_EQ(std::vector<uint8_t>(space->code, space->code + 3), code);
  EXPECT_EQ(std::vector<uint8_t>(space->data, space->data + 5), data);
  // Nobody else goes there.
  EXPECT_NE(pool.Reserve(3, 0, Pages::kShared)->chunk, space->chunk);
  EXPECT_EQ(pool.usage().chunks, 2);
  pool.Free(*space);
  EXPECT_EQ(pool.usage().chunks, 1);
}

TEST(CodePool, ObjectsLargerThanAChunkGetOneAndLeaveNothing) {
  CodePool pool;
  for (const auto& [code, data] : {std::pair<size_t, size_t>{1 << 20, 0}, {10, 1 << 20}}) {
    const auto space = pool.Reserve(code, data, Pages::kShared);
    ASSERT_TRUE(space.ok());
    const std::vector<uint8_t> code_bytes(code, 0xcc), data_bytes(data, 7);
    ASSERT_TRUE(pool.Write(*space, code_bytes, data_bytes).ok());
    EXPECT_EQ(space->code[code - 1], 0xcc);
    EXPECT_TRUE(data == 0 || space->data[data - 1] == 7);
    pool.Free(*space);
    EXPECT_EQ(pool.usage().chunks, 0);
  }
  EXPECT_FALSE(pool.Reserve(size_t{1} << 60, 0, Pages::kShared).ok());
}

TEST(CodePool, MappingsStayBoundedOverThousandsOfLoadsAndUnloads) {
  std::mt19937 random(1);
  std::vector<std::unique_ptr<LoadedCode>> held(100);
  std::vector<int64_t> values(held.size());
  std::set<const void*> places;
  const int chunks_before = CodePool::Process().usage().chunks;
  size_t most_mappings = 0;
  for (int i = 0; i < 5000; ++i) {
    const size_t k = random() % held.size();
    ASSERT_TRUE(held[k] == nullptr || Call(*held[k]) == values[k]) << i;
    held[k].reset();
    auto loaded = LoadedCode::Load(Constant(i, random() % 6000));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    held[k] = *std::move(loaded);
    values[k] = i;
    places.insert(reinterpret_cast<const void*>(held[k]->entry(0)));
    ASSERT_EQ(Call(*held[k]), i);
    if (i % 500 == 0) most_mappings = std::max(most_mappings, Mappings().size());
  }
  // At most 100 of 6 KB: two chunks of 192 KiB, three with holes.
  EXPECT_LE(CodePool::Process().usage().chunks, chunks_before + 4);
  EXPECT_LE(Mappings().size(), most_mappings + 2);
  EXPECT_LT(places.size(), 4900u);  // bytes are used again
  held.clear();
  EXPECT_LE(CodePool::Process().usage().chunks, chunks_before + 1);
}

TEST(CodePool, WithoutProcEachObjectHasPagesOfItsOwn) {
  rlimit usual;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  const rlimit none = {0, usual.rlim_max};  // nothing can be opened
  const int chunks = CodePool::Process().usage().chunks;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto a = LoadedCode::Load(Constant(1)), b = LoadedCode::Load(Constant(2));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  EXPECT_EQ(Call(**a), 1);
  EXPECT_EQ(Call(**b), 2);
  EXPECT_GE(CodePool::Process().usage().chunks, chunks + 2);
  EXPECT_EQ(WritableAndExecutable(), 0);
  a->reset();
  b->reset();
  EXPECT_LE(CodePool::Process().usage().chunks, chunks + 1);
}

TEST(CodePool, KernelsRunWhileOthersAreLoadedIntoTheirPages) {
  const auto steady = LoadedCode::Load(Constant(-1));
  ASSERT_TRUE(steady.ok()) << steady.status();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread runner([&] {
    while (!done) wrong += Call(**steady) != -1;
  });
  std::thread loader([&] {
    std::vector<std::unique_ptr<LoadedCode>> held(20);
    for (int i = 0; i < 2000; ++i) {
      auto loaded = LoadedCode::Load(Constant(i));
      if (!loaded.ok() || Call(**loaded) != i) ++wrong;
      held[i % held.size()] = *std::move(loaded);
    }
    done = true;
  });
  int looks = 0, both = 0;
  do {
    both += WritableAndExecutable();
    ++looks;
  } while (!done);
  loader.join();
  runner.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(both, 0) << "in " << looks << " looks";
}

// After fork() parent and child load into the same places without meeting.
TEST(CodePool, AForkedChildKeepsItsKernels) {
  auto before = LoadedCode::Load(Constant(1));
  auto freed = LoadedCode::Load(Constant(2));
  ASSERT_TRUE(before.ok() && freed.ok());
  int to_child[2], to_parent[2];
  ASSERT_EQ(pipe(to_child), 0);
  ASSERT_EQ(pipe(to_parent), 0);
  char byte = 0;
  const pid_t child = fork();
  if (child == 0) {
    const auto mine = LoadedCode::Load(Constant(3));
    bool good = mine.ok() && write(to_parent[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1;
    good = good && Call(**before) == 1 && Call(**freed) == 2 && Call(**mine) == 3;
    _exit(good ? 0 : 1);
  }
  ASSERT_EQ(read(to_parent[0], &byte, 1), 1);
  freed->reset();
  const auto in_its_place = LoadedCode::Load(Constant(4)), next = LoadedCode::Load(Constant(5));
  ASSERT_TRUE(in_its_place.ok() && next.ok());
  ASSERT_EQ(write(to_child[1], &byte, 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Call(**before), 1);
  EXPECT_EQ(Call(**in_its_place), 4);
  EXPECT_EQ(Call(**next), 5);
  for (int end : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) close(end);
}

}  // namespace
}  // namespace skein
