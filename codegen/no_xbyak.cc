// The Xbyak back end's part of codegen.h in a library that is built without it.
#include "codegen/codegen.h"
#include "codegen/listing.h"

#if !SKEIN_HAVE_XBYAK

namespace skein {

bool HaveXbyak() { return false; }

absl::StatusOr<ObjectCode> GenerateXbyak(std::span<const NamedNest>, const Target&) {
  return Unimplemented("this library is built without Xbyak");
}

absl::StatusOr<Listing> ListXbyak(const NamedNest&, const Target&) {
  return Unimplemented("this library is built without Xbyak");
}

}  // namespace skein

#endif  // !SKEIN_HAVE_XBYAK
