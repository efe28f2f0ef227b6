#include "codegen/recycled.h"

#include <gtest/gtest.h>

namespace skein {
namespace {

struct Element {  // a type of its own has room of its own
  int value = 7;
};

TEST(Recycled, NextOneHasTheRoomButNotTheElements) {
  const Element* place = nullptr;
  {
    Recycled<Element> first;
    first.resize(1000, {1});
    place = first.data();
  }
  Recycled<Element> second;
  EXPECT_TRUE(second.empty());
  EXPECT_GE(second.capacity(), 1000u);
  second.resize(1000);
  EXPECT_EQ(second.data(), place);
  EXPECT_EQ(second[999].value, 7);
}

TEST(Recycled, ThoseAliveAtOnceShareNothing) {
  { Recycled<Element> room; room.resize(10); }
  Recycled<Element> a, b;
  a.resize(10, {1});
  b.resize(10, {2});
  EXPECT_NE(a.data(), b.data());
  EXPECT_EQ(a[9].value, 1);
}

TEST(Recycled, MovesTakeTheElementsAlong) {
  Recycled<Element> from;
  from.resize(10, {3});
  const Element* const place = from.data();
  Recycled<Element> to = std::move(from);
  EXPECT_EQ(to.data(), place);
  Recycled<Element> assigned;
  assigned.resize(2, {4});
  assigned = std::move(to);
  EXPECT_EQ(assigned.data(), place);
  EXPECT_EQ(assigned.size(), 10u);
}

}  // namespace
}  // namespace skein
