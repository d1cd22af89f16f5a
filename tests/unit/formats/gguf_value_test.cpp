#include "qtz/formats/gguf_value.h"

#include <gtest/gtest.h>

namespace qtz {
namespace {

/// k0=0, k1=1 ...
KvList numbered(std::uint32_t count) {
  KvList list;
  for (std::uint32_t i = 0; i < count; ++i) list.set("k" + std::to_string(i), i);
  return list;
}

std::string keys_of(const KvList& list) {
  std::string out;
  for (const KvList::Entry& entry : list.entries()) out += entry.key + " ";
  return out;
}

TEST(KvList, KeepsTheOrderInWhichKeysCame) {
  KvList list = numbered(4);
  list.set("k1", "replaced");
  EXPECT_EQ(keys_of(list), "k0 k1 k2 k3 ");
  EXPECT_EQ(*list.find("k1"), GgufValue("replaced"));
  EXPECT_EQ(list.find("k4"), nullptr);
  EXPECT_EQ(list.find(""), nullptr);
}

TEST(KvList, FindsWhatFollowsAnErasedKey) {
  KvList list = numbered(4);
  list.erase("k1");
  list.erase("not there");
  EXPECT_EQ(keys_of(list), "k0 k2 k3 ");
  EXPECT_EQ(list.find("k1"), nullptr);
  EXPECT_EQ(*list.find("k3"), GgufValue(3u));
  list.set("k3", 33u);
  list.set("k1", 11u);
  EXPECT_EQ(keys_of(list), "k0 k2 k3 k1 ");
  EXPECT_EQ(*list.find("k3"), GgufValue(33u));
  EXPECT_EQ(*list.find("k1"), GgufValue(11u));
}

TEST(KvList, CopiesAndMovesAreIndependent) {
  KvList first = numbered(3);
  KvList copy = first;
  EXPECT_EQ(copy, first);
  copy.set("k1", "changed");
  copy.erase("k0");
  EXPECT_EQ(*first.find("k0"), GgufValue(0u));
  EXPECT_EQ(*first.find("k1"), GgufValue(1u));
  KvList moved = std::move(first);
  EXPECT_EQ(*moved.find("k2"), GgufValue(2u));
  first = KvList();
  EXPECT_EQ(first.find("k2"), nullptr);
  first.set("k2", "new");
  EXPECT_EQ(*first.find("k2"), GgufValue("new"));
  first = copy;
  EXPECT_EQ(keys_of(first), "k1 k2 ");
  EXPECT_EQ(*first.find("k1"), GgufValue("changed"));
}

TEST(KvList, IsEqualByContentAndNotByHistory) {
  KvList list = numbered(3);
  list.set("k3", 3u);
  list.erase("k3");
  EXPECT_EQ(list, numbered(3));
  EXPECT_EQ(KvList(numbered(3).entries()), numbered(3));
  EXPECT_NE(list, numbered(4));
}

TEST(KvList, OfGivenEntriesFindsThem) {
  KvList list(std::vector<KvList::Entry>{{"a", 1u}, {"b", 2u}});
  EXPECT_EQ(*list.find("b"), GgufValue(2u));
  list.set("a", 3u);
  EXPECT_EQ(keys_of(list), "a b ");
}

}  // namespace
}  // namespace qtz
