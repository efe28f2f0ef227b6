// The text form of graphs: printing. ir/graph_parse.cc reads it back.
#include "ir/graph_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "ir/graph.h"
#include "ir/op_helpers.h"

namespace skein {

std::string TensorType::ToString() const {
  return absl::StrCat(std::string(Name(element)), skein::ToString(dims));
}

std::string DoubleText(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), v).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string QuotedText(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

bool HasImpliedDims(Op op) {
  return op == Op::input || op == Op::index || op == Op::reshape || op == Op::broadcast ||
         op == Op::slice || op == Op::gather;
}

const char* ImpliedElement(Op op) {
  if (op == Op::input || op == Op::index) return "element";
  return op == Op::cast ? "to" : nullptr;
}

namespace {

constexpr int64_t kMaxInline = 64;

std::string ElementText(const Literal& literal, int64_t i) {
  if (IsFloat(literal.element)) return DoubleText(literal.AsDouble(i));
  if (literal.element == ElementType::kU64) return absl::StrCat(AsUnsigned(literal.AsInt64(i)));
  return absl::StrCat(literal.AsInt64(i));
}

// f32[2] {1.0, 2.0}; f32[768] splat 1.0; or the head of a hash of the first bytes, which tells
// weights apart.
std::string LiteralText(const Literal& literal) {
  Dims dims(literal.dims.begin(), literal.dims.end());
  std::string text = TensorType{literal.element, std::move(dims)}.ToString();
  int64_t count = literal.count();
  if (count > 1 && literal.IsSplat()) return absl::StrCat(text, " splat ", ElementText(literal, 0));
  if (count > kMaxInline) {
    constexpr int64_t kHashed = 4096;
    std::string_view head(static_cast<const char*>(literal.data),
                          std::min(literal.bytes(), kHashed));
    return absl::StrCat(text, " @", StableHash(head).Hex().substr(0, 8));
  }
  absl::StrAppend(&text, " {");
  for (int64_t i = 0; i < count; ++i)
    absl::StrAppend(&text, i ? ", " : "", ElementText(literal, i));
  return text + "}";
}

std::string ReducerText(const Reducer& reducer) {
  std::string parts;
  for (size_t i = 0; i < reducer.state.size(); ++i) {
    absl::StrAppend(&parts, i ? ", " : "", std::string(Name(reducer.state[i])), " = ",
                    DoubleText(reducer.initial[i]));
  }
  if (auto simple = SimpleCombine(reducer)) {
    auto standard = StandardReducer(reducer.name, reducer.state[0]);
    if (standard && SimpleCombine(*standard) == simple && standard->initial == reducer.initial) {
      return absl::StrCat(reducer.name, "<", std::string(Name(reducer.state[0])), ">");
    }
  }
  return absl::StrCat("reducer ", QuotedText(reducer.name), " (", parts, ") map {\n",
                      reducer.map.ToString(), "} combine {\n", reducer.combine.ToString(),
                      "} finish {\n", reducer.finish.ToString(), "}");
}

struct AttributeText {
  std::string operator()(int64_t v) const { return absl::StrCat(v); }
  std::string operator()(double v) const { return DoubleText(v); }
  std::string operator()(const std::string& v) const { return QuotedText(v); }
  std::string operator()(ElementType v) const { return std::string(Name(v)); }
  std::string operator()(const std::vector<int64_t>& v) const {
    std::string text = "(";
    for (size_t i = 0; i < v.size(); ++i) absl::StrAppend(&text, i ? ", " : "", v[i]);
    return text + ")";
  }
  std::string operator()(const Dims& v) const { return ToString(v); }
  std::string operator()(const LiteralRef& v) const { return v ? LiteralText(*v) : "null"; }
  std::string operator()(const ReducerRef& v) const { return v ? ReducerText(*v) : "null"; }
};

std::string ValueText(Value v) {
  std::string text = absl::StrCat("%", v.node.index);
  if (v.result != 0) absl::StrAppend(&text, ".", v.result);
  return text;
}

}  // namespace

ReducerRef StandardReducer(std::string_view name, ElementType t) {
  if (IsBool(t)) return nullptr;
  if (name == "sum") return SumReducer(t);
  if (name == "product") return ProductReducer(t);
  if (name == "max") return MaxReducer(t);
  if (name == "min") return MinReducer(t);
  return nullptr;
}

std::string Attributes::ToString() const {
  std::string text = "{";
  for (size_t i = 0; i < entries().size(); ++i) {
    absl::StrAppend(&text, i ? ", " : "", entries()[i].first, " = ",
                    std::visit(AttributeText(), entries()[i].second));
  }
  return text + "}";
}

std::string Graph::ToString() const {
  std::string text;
  for (const Guard& guard : guards_) {
    absl::StrAppend(&text, "guard ", guard.condition.ToString(), " ", QuotedText(guard.reason),
                    "\n");
  }
  for (int i = 0; i < size(); ++i) {
    const Node& node = nodes_[i];
    absl::StrAppend(&text, "%", i, " = ", std::string(Name(node.op)), "(");
    for (size_t k = 0; k < node.operands.size(); ++k) {
      absl::StrAppend(&text, k ? ", " : "", ValueText(node.operands[k]));
    }
    absl::StrAppend(&text, ")");
    // What the type says already is not repeated.
    Attributes shown;
    const char* element = ImpliedElement(node.op);
    for (const auto& [name, value] : node.attributes.entries()) {
      const Dims* dims = std::get_if<Dims>(&value);
      if (name == "dims" && HasImpliedDims(node.op) && dims && *dims == node.results[0].dims)
        continue;
      if (element != nullptr && name == element) continue;
      shown.Set(name, value);
    }
    if (!shown.entries().empty()) absl::StrAppend(&text, " ", shown.ToString());
    for (size_t k = 0; k < node.results.size(); ++k) {
      absl::StrAppend(&text, k ? ", " : " : ", node.results[k].ToString());
    }
    for (size_t k = 0; k < origins_[i].size(); ++k) {
      absl::StrAppend(&text, k ? ", " : "  # origins: ", source_names[origins_[i][k]]);
    }
    absl::StrAppend(&text, "\n");
  }
  for (const Named& output : outputs_) {
    absl::StrAppend(&text, "output ", QuotedText(output.name), " = ", ValueText(output.value),
                    "\n");
  }
  return text;
}

}  // namespace skein
