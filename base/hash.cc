#include "base/hash.h"

#include <cstring>

namespace skein {
namespace {

uint64_t Mix(uint64_t x) {  // the finalizer of splitmix64
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

std::string Hash128::Hex() const {
  std::string text(32, '0');
  for (int i = 0; i < 16; ++i) {
    text[15 - i] = "0123456789abcdef"[hi >> (4 * i) & 15];
    text[31 - i] = "0123456789abcdef"[lo >> (4 * i) & 15];
  }
  return text;
}

Hash128 StableHash(std::string_view bytes) {
  uint64_t a = 0xcbf29ce484222325u, b = 0x9ae16a3b2f90404fu;
  auto add = [&](const char* from, size_t count) {  // up to eight bytes, the first the lowest, as on every x86
    uint64_t word = 0;
    std::memcpy(&word, from, count);
    a = (a ^ word) * 0xd6e8feb86659fd93u;
    a ^= a >> 32;
    b = (b + word) * 0x9e3779b97f4a7c15u;
    b ^= b >> 29;
  };
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) add(bytes.data() + at, 8);
  if (at < bytes.size()) add(bytes.data() + at, bytes.size() - at);
  return {Mix(a ^ bytes.size()), Mix(b + bytes.size())};
}

}  // namespace skein
