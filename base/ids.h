// Typed indices into value stores: a NodeId cannot be passed where a BufferId is expected.
#ifndef SKEIN_BASE_IDS_H_
#define SKEIN_BASE_IDS_H_

#include <compare>
#include <cstdint>
#include <functional>

namespace skein {

template <typename Tag>
struct Id {
  int32_t index = -1;

  constexpr Id() = default;
  constexpr explicit Id(int64_t i) : index(static_cast<int32_t>(i)) {}
  constexpr bool valid() const { return index >= 0; }
  constexpr auto operator<=>(const Id&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, Id id) {
    return H::combine(std::move(h), id.index);
  }
};

}  // namespace skein

template <typename Tag>
struct std::hash<skein::Id<Tag>> {
  size_t operator()(skein::Id<Tag> id) const { return std::hash<int32_t>()(id.index); }
};

#endif  // SKEIN_BASE_IDS_H_
