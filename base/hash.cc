#include "base/hash.h"

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
  for (unsigned char c : bytes) {
    a = (a ^ c) * 0x100000001b3u;
    b = (b + c) * 0x9e3779b97f4a7c15u;
    b ^= b >> 29;
  }
  return {Mix(a ^ bytes.size()), Mix(b + bytes.size())};
}

}  // namespace skein
