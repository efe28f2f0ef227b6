#include "ir/node_key.h"

#include "absl/strings/str_cat.h"

namespace skein {
namespace {

struct AppendKey {
  std::string* key;
  template <typename T>
  void Number(T v) {
    AppendNumber(v, key);
  }
  void Raw(const void* data, size_t size) { key->append(static_cast<const char*>(data), size); }
  void operator()(int64_t v) { Number(v); }
  void operator()(double v) { Number(v); }
  void operator()(const std::string& v) {
    Number(v.size());
    key->append(v);
  }
  void operator()(ElementType v) { Number(v); }
  void operator()(const std::vector<int64_t>& v) {
    Number(v.size());
    Raw(v.data(), v.size() * sizeof(int64_t));
  }
  void operator()(const Dims& v) {
    Number(v.size());
    for (DimExpr e : v) Number(e.node());
  }
  void operator()(const LiteralRef& v) {
    if (v == nullptr) return;
    (*this)(v->element);
    (*this)(v->dims);
    if (v->bytes() <= kMostKeyedBytes) {
      Raw(v->data, static_cast<size_t>(v->bytes()));
    } else {
      Number(v->data);
    }
  }
  void operator()(const ReducerRef& v) {
    if (v == nullptr) return;
    (*this)(v->name);
    for (ElementType t : v->state) Number(t);
    for (double initial : v->initial) Number(initial);
    // One operation says all of a simple reducer; its graphs would be printed for each comparison.
    const std::optional<Op> simple = SimpleCombine(*v);
    Number(simple.has_value());
    if (simple) return Number(*simple);
    for (const Graph* g : {&v->map, &v->combine, &v->finish}) (*this)(g->ToString());
  }
};

}  // namespace

void AppendAttributesKey(const Attributes& attributes, std::string* key) {
  AppendKey append{key};
  for (const auto& [name, value] : attributes.entries()) {
    append(name);
    append.Number(value.index());
    std::visit(append, value);
  }
}

}  // namespace skein
