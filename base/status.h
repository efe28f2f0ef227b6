// Status macros and the three error constructors that the rest of the tree uses.
#ifndef SKEIN_BASE_STATUS_H_
#define SKEIN_BASE_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace skein {

// Debian 12's Abseil has a string_view of its own; std's becomes that one on the way into StrCat.
template <typename T>
const T& ForStrCat(const T& value) {
  return value;
}
inline absl::string_view ForStrCat(std::string_view value) { return {value.data(), value.size()}; }

// The caller's fault; the message names the node, the op and the value at fault.
template <typename... Args>
absl::Status InvalidArgument(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(ForStrCat(args)...));
}

// Something that is valid but that Skein does not have; the message names it.
template <typename... Args>
absl::Status Unimplemented(const Args&... args) {
  return absl::UnimplementedError(absl::StrCat(ForStrCat(args)...));
}

// A broken invariant that is better reported than aborted on.
template <typename... Args>
absl::Status Internal(const Args&... args) {
  return absl::InternalError(absl::StrCat(ForStrCat(args)...));
}

// Puts `where` and ": " in front of the message and keeps the code.
inline absl::Status Annotate(const absl::Status& status, std::string_view where) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(std::string(where), ": ", std::string(status.message())));
}

}  // namespace skein

#define SKEIN_CONCAT_INNER_(a, b) a##b
#define SKEIN_CONCAT_(a, b) SKEIN_CONCAT_INNER_(a, b)

#define SKEIN_RETURN_IF_ERROR(expr)              \
  do {                                           \
    absl::Status skein_status_ = (expr);         \
    if (!skein_status_.ok()) return skein_status_; \
  } while (0)

#define SKEIN_ASSIGN_OR_RETURN(lhs, expr) \
  SKEIN_ASSIGN_OR_RETURN_IMPL_(SKEIN_CONCAT_(skein_statusor_, __LINE__), lhs, expr)
#define SKEIN_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr) \
  auto statusor = (expr);                                 \
  if (!statusor.ok()) return statusor.status();           \
  lhs = std::move(statusor).value()

// A broken invariant: aborts. Must not be reachable from a file or an API argument.
#define SKEIN_CHECK(condition) \
  ((condition) ? (void)0 : ::skein::CheckFailed(#condition, __FILE__, __LINE__, ""))
#define SKEIN_CHECK_MSG(condition, message) \
  ((condition) ? (void)0 : ::skein::CheckFailed(#condition, __FILE__, __LINE__, message))

namespace skein {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line,
                              const std::string& message);
}  // namespace skein

#endif  // SKEIN_BASE_STATUS_H_
