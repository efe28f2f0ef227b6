// Literals and attributes.
#include <algorithm>
#include <cstring>

#include "ir/graph.h"
#include "ir/numeric.h"

namespace skein {

// --- Literals -----------------------------------------------------------------------------------

int64_t Literal::count() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

double Literal::AsDouble(int64_t i) const { return ReadAsDouble(element, data, i); }
int64_t Literal::AsInt64(int64_t i) const { return ReadAsInt64(element, data, i); }

bool Literal::IsSplat() const {
  int64_t n = count();
  if (n == 0) return false;
  if (BitWidth(element) < 8) {
    for (int64_t i = 1; i < n; ++i) {
      if (AsInt64(i) != AsInt64(0)) return false;
    }
    return true;
  }
  // Equal to itself moved by one element: every element equals its neighbour.
  const char* p = static_cast<const char*>(data);
  int64_t size = BytesFor(element, 1);
  return std::memcmp(p, p + size, static_cast<size_t>((n - 1) * size)) == 0;
}

LiteralRef MakeLiteral(ElementType t, std::vector<int64_t> dims, std::vector<uint8_t> bytes) {
  auto owner = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
  owner->reserve(1);  // an empty literal still has an address
  const void* data = owner->data();
  return std::make_shared<Literal>(Literal{t, std::move(dims), data, std::move(owner)});
}

LiteralRef ScalarLiteral(ElementType t, double value) {
  std::vector<uint8_t> bytes(BytesFor(t, 1));
  WriteFromDouble(t, bytes.data(), 0, value);
  return MakeLiteral(t, {}, std::move(bytes));
}

LiteralRef IntsLiteral(ElementType t, std::span<const int64_t> values) {
  int64_t n = static_cast<int64_t>(values.size());
  std::vector<uint8_t> bytes(BytesFor(t, n));
  for (int64_t i = 0; i < n; ++i) WriteFromInt64(t, bytes.data(), i, values[i]);
  return MakeLiteral(t, {n}, std::move(bytes));
}

// --- Attributes ---------------------------------------------------------------------------------

Attributes::Attributes(std::initializer_list<std::pair<std::string, Attribute>> list) {
  if (list.size() == 0) return;
  entries_ = std::make_shared<Entries>();
  entries_->reserve(list.size());
  for (const auto& [name, value] : list) Set(name, value);
}

const Attributes::Entries& Attributes::entries() const {
  static const auto* empty = new Entries();
  return entries_ == nullptr ? *empty : *entries_;
}

void Attributes::Set(std::string name, Attribute value) {
  if (entries_ == nullptr) {
    entries_ = std::make_shared<Entries>();
  } else if (entries_.use_count() > 1) {
    entries_ = std::make_shared<Entries>(*entries_);
  }
  auto at =
      std::lower_bound(entries_->begin(), entries_->end(), name,
                       [](const auto& entry, const std::string& n) { return entry.first < n; });
  if (at != entries_->end() && at->first == name) {
    at->second = std::move(value);
  } else {
    entries_->insert(at, {std::move(name), std::move(value)});
  }
}

const Attribute* Attributes::Find(std::string_view name) const {
  if (entries_ == nullptr) return nullptr;
  for (const auto& [key, value] : *entries_) {
    if (key == name) return &value;
  }
  return nullptr;
}

int64_t Attributes::Int(std::string_view name, int64_t otherwise) const {
  const int64_t* v = Get<int64_t>(name);
  return v ? *v : otherwise;
}

const std::vector<int64_t>& Attributes::Ints(std::string_view name) const {
  static const auto* empty = new std::vector<int64_t>();
  const auto* v = Get<std::vector<int64_t>>(name);
  return v ? *v : *empty;
}

const Dims& Attributes::DimList(std::string_view name) const {
  static const auto* empty = new Dims();
  const auto* v = Get<Dims>(name);
  return v ? *v : *empty;
}

}  // namespace skein
