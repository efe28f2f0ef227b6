#include "runtime/machine_facts.h"

#include <charconv>
#include <string>

namespace skein {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 40;

struct Field {
  std::string_view key;
  int64_t least, most;
  void (*set)(Target* target, int64_t value);
};
constexpr Field kFields[] = {
    {"l1_bytes", 1 << 10, kMostBytes, [](Target* t, int64_t v) { t->l1_bytes = v; }},
    {"l2_bytes", 1 << 10, kMostBytes, [](Target* t, int64_t v) { t->l2_bytes = v; }},
    {"stream_output_bytes", 1, kMostBytes, [](Target* t, int64_t v) { t->stream_output_bytes = v; }},
    {"stream_intermediate_bytes", 1, kMostBytes, [](Target* t, int64_t v) { t->stream_intermediate_bytes = v; }},
    {"prefetch_bytes", 0, 1 << 20, [](Target* t, int64_t v) { t->prefetch_bytes = v; }},
    {"prefetch_level", 0, 1, [](Target* t, int64_t v) { t->prefetch_level = static_cast<int>(v); }},
};

std::string_view Trimmed(std::string_view s) {
  const size_t first = s.find_first_not_of(" \t\r"), last = s.find_last_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view() : s.substr(first, last - first + 1);
}

}  // namespace

absl::Status ReadMachineFacts(std::string_view text, Target* target) {
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view whole = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const std::string_view line = Trimmed(whole.substr(0, whole.find('#')));
    if (line.empty()) continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return InvalidArgument("line ", number, " is no 'key = value': '", std::string(line), "'");
    }
    const std::string_view key = Trimmed(line.substr(0, equals)), value = Trimmed(line.substr(equals + 1));
    for (const Field& field : kFields) {
      if (field.key != key) continue;
      int64_t bytes = 0;
      const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
      if (error != std::errc() || rest != value.data() + value.size() || bytes < field.least || bytes > field.most) {
        return InvalidArgument("line ", number, ": ", std::string(key), " is a whole number from ", field.least, " to ",
                               field.most, ", not '", std::string(value), "'");
      }
      field.set(target, bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace skein
