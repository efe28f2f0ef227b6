#include "ir/element_type.h"

namespace skein {
namespace {

constexpr std::string_view kNames[] = {"bool", "i4",  "i8",  "i16", "i32",  "i64", "u4", "u8",
                                       "u16",  "u32", "u64", "f16", "bf16", "f32", "f64"};

}  // namespace

std::string_view Name(ElementType t) { return kNames[static_cast<int>(t)]; }

std::optional<ElementType> ParseElementType(std::string_view name) {
  for (int i = 0; i < 15; ++i) {
    if (kNames[i] == name) return static_cast<ElementType>(i);
  }
  return std::nullopt;
}

}  // namespace skein
