// Memory of Skein's programs: objects of all sizes do not overlap, and what one thread leaves another one finds.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace skein {
namespace {

void RunInThread(const std::function<void()>& body) { std::thread(body).join(); }

TEST(OperatorNew, ObjectsOfAllSizesAreAlignedAndTheirOwn) {
  struct Object {
    unsigned char* memory;
    size_t size;
    unsigned char fill;
  };
  std::vector<Object> objects;
  std::mt19937 random(1);
  const auto drop = [&](size_t i) {
    const Object object = objects[i];
    for (size_t at = 0; at < object.size; ++at) ASSERT_EQ(object.memory[at], object.fill) << object.size;
    ::operator delete(object.memory);
    objects[i] = objects.back();
    objects.pop_back();
  };
  for (int round = 0; round < 3; ++round) {
    for (size_t size = 0; size < 1200; ++size) {
      Object object{static_cast<unsigned char*>(::operator new(size)), size, static_cast<unsigned char>(random())};
      ASSERT_EQ(reinterpret_cast<uintptr_t>(object.memory) % 16, 0) << size;
      std::memset(object.memory, object.fill, size);
      objects.push_back(object);
      if (random() % 2 == 0) drop(random() % objects.size());
    }
  }
  while (!objects.empty()) drop(objects.size() - 1);
}

TEST(OperatorNew, OtherFormsAreMadeOfIt) {
  struct alignas(128) Wide {
    char bytes[128];
  };
  delete[] new int[5];
  ::operator delete(::operator new(40, std::nothrow), std::nothrow);
  const auto wide = std::make_unique<Wide>();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(wide.get()) % 128, 0);
  ::operator delete(nullptr);
}

TEST(OperatorNew, WhatNobodyHasIsRefused) {
  for (size_t missing : {0, 8, 16, 24, 1000}) {
    EXPECT_THROW(::operator delete(::operator new(SIZE_MAX - missing)), std::bad_alloc);
  }
}

// What is made by one thread and deleted by another does not grow.
TEST(OperatorNew, ObjectsComeBackFromOtherThreads) {
  constexpr int kRounds = 10;
  constexpr size_t kCount = 4000, kSize = 1000;  // more than a thread keeps
  std::set<void*> places;
  std::vector<void*> objects(kCount);
  for (int round = 0; round < kRounds; ++round) {
    for (void*& object : objects) object = ::operator new(kSize);
    places.insert(objects.begin(), objects.end());
    RunInThread([&] {
      for (void* object : objects) ::operator delete(object);
    });
  }
  EXPECT_LT(places.size(), 2 * kCount);
}

}  // namespace
}  // namespace skein
