// A JSON writer: objects and arrays in the order in which they are written.
#ifndef SKEIN_CLI_JSON_H_
#define SKEIN_CLI_JSON_H_

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace skein {

class Json {
 public:
  Json& BeginObject() { return Open('{'); }
  Json& EndObject() { return Close('}'); }
  Json& BeginArray() { return Open('['); }
  Json& EndArray() { return Close(']'); }
  Json& Key(std::string_view key) {
    Separate();
    Quote(key);
    text_ += ": ";
    after_key_ = true;
    return *this;
  }
  Json& Value(std::string_view value) {
    Separate();
    Quote(value);
    return *this;
  }
  Json& Value(const char* value) { return Value(std::string_view(value)); }
  Json& Value(int64_t value) { return Raw(std::to_string(value)); }
  Json& Value(int value) { return Raw(std::to_string(value)); }
  Json& Value(bool value) { return Raw(value ? "true" : "false"); }
  Json& Value(double value) {  // JSON has no infinities
    if (!std::isfinite(value)) return Raw("null");
    char number[32];
    std::snprintf(number, sizeof(number), "%.6g", value);
    return Raw(number);
  }
  template <typename T>
  Json& Field(std::string_view key, T value) {
    Key(key);
    return Value(value);
  }
  Json& Strings(std::string_view key, const std::vector<std::string>& values) {
    Key(key).BeginArray();
    for (const std::string& v : values) Value(std::string_view(v));
    return EndArray();
  }
  const std::string& text() const { return text_; }

 private:
  Json& Raw(const std::string& value) {
    Separate();
    text_ += value;
    return *this;
  }
  Json& Open(char c) {
    Separate();
    text_ += c;
    first_ = true;
    return *this;
  }
  Json& Close(char c) {
    text_ += c;
    first_ = false;
    return *this;
  }
  void Separate() {
    if (after_key_) {
      after_key_ = false;
      return;
    }
    if (!first_ && !text_.empty()) text_ += ", ";
    first_ = false;
  }
  void Quote(std::string_view value) {
    text_ += '"';
    for (unsigned char c : value) {
      char escape[8];
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += static_cast<char>(c);
      } else if (c < 0x20) {
        std::snprintf(escape, sizeof(escape), "\\u%04x", c);
        text_ += escape;
      } else {
        text_ += static_cast<char>(c);
      }
    }
    text_ += '"';
  }
  std::string text_;
  bool first_ = true, after_key_ = false;
};

}  // namespace skein

#endif  // SKEIN_CLI_JSON_H_
