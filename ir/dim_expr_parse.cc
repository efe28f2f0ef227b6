// The text form of DimExpr: printing and parsing.
#include <cctype>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ir/dim_expr.h"
#include "ir/dim_node.h"

namespace skein {
namespace {

// Deeper texts are refused: the parser and everything after it recurse.
constexpr int kMaxParseDepth = 100;
constexpr int64_t kMaxPower = 8;

bool StartsName(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool ContinuesName(char c) { return StartsName(c) || (c >= '0' && c <= '9') || c == '.'; }

bool IsPlainName(std::string_view name) {
  if (name.empty() || !StartsName(name[0])) return false;
  for (char c : name) {
    if (!ContinuesName(c)) return false;
  }
  return true;
}

void PrintSymbol(std::string_view name, std::string& out) {
  if (IsPlainName(name)) {
    out += name;
    return;
  }
  out += '"';
  for (char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

const char* FunctionName(DimKind kind) {
  switch (kind) {
    case DimKind::kFloorDiv:
      return "floordiv";
    case DimKind::kMod:
      return "mod";
    case DimKind::kMin:
      return "min";
    case DimKind::kMax:
      return "max";
    case DimKind::kLess:
      return "less";
    case DimKind::kEqual:
      return "equal";
    default:
      return "select";
  }
}

void Print(DimExpr e, std::string& out);

void PrintProduct(DimExpr e, std::string& out) {
  bool first = true;
  for (DimExpr factor : e.operands()) {
    if (first && factor.IsConst(-1)) {
      out += '-';
      continue;
    }
    if (!first) out += '*';
    first = false;
    if (factor.kind() == DimKind::kAdd) out += '(';
    Print(factor, out);
    if (factor.kind() == DimKind::kAdd) out += ')';
  }
}

void PrintSum(DimExpr e, std::string& out) {
  bool first = true;
  for (DimExpr term : e.operands()) {
    if (!first) out += " + ";
    const size_t begin = out.size();
    Print(term, out);
    if (!first && out[begin] == '-') {
      out[begin - 2] = '-';
      out.erase(begin, 1);
    }
    first = false;
  }
}

// The texts of all kernels are made of these.
void PrintNumber(int64_t number, std::string& out) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

void Print(DimExpr e, std::string& out) {
  switch (e.kind()) {
    case DimKind::kConst:
      PrintNumber(e.constant(), out);
      return;
    case DimKind::kSymbol:
      PrintSymbol(e.symbol(), out);
      return;
    case DimKind::kCoord:
      out += '$';
      PrintNumber(e.index(), out);
      return;
    case DimKind::kValue:
      out += '%';
      PrintNumber(e.index(), out);
      return;
    case DimKind::kAdd:
      PrintSum(e, out);
      return;
    case DimKind::kMul:
      PrintProduct(e, out);
      return;
    default:
      break;
  }
  out += FunctionName(e.kind());
  out += '(';
  for (size_t i = 0; i < e.operands().size(); ++i) {
    if (i > 0) out += ", ";
    Print(e.operands()[i], out);
  }
  out += ')';
}

// numerator / denominator, since exporters write floor(a/2 + 1/2).
struct Fraction {
  DimExpr numerator, denominator = DimExpr(1);

  bool IsWhole() const { return denominator.IsConst(1); }
};

Fraction Add(const Fraction& a, const Fraction& b) {
  if (a.denominator == b.denominator) return {a.numerator + b.numerator, a.denominator};
  return {a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator};
}

class Parser {
 public:
  Parser(std::string_view text, const std::function<DimExpr(int)>& coord_extent)
      : text_(text), coord_extent_(coord_extent) {}

  absl::StatusOr<DimExpr> Run() {
    SKEIN_ASSIGN_OR_RETURN(DimExpr result, Whole());
    SkipSpace();
    if (position_ != text_.size()) return Error("unexpected text");
    return result;
  }

 private:
  absl::Status Error(std::string_view what) const {
    return InvalidArgument("dimension expression '", std::string(text_), "': ", std::string(what),
                           " at column ", position_ + 1);
  }

  void SkipSpace() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_]))) {
      ++position_;
    }
  }

  char Peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }

  bool Accept(std::string_view token) {
    SkipSpace();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  absl::StatusOr<DimExpr> Whole() {
    SKEIN_ASSIGN_OR_RETURN(Fraction sum, Sum());
    if (!sum.IsWhole()) return Error("a quotient outside of floor or ceil");
    return sum.numerator;
  }

  absl::StatusOr<Fraction> Sum() {
    if (++depth_ > kMaxParseDepth) return Error("nested too deeply");
    SKEIN_ASSIGN_OR_RETURN(Fraction sum, Terms());
    --depth_;
    return sum;
  }

  absl::StatusOr<Fraction> Terms() {
    SKEIN_ASSIGN_OR_RETURN(Fraction sum, Products());
    for (;;) {
      bool negative = false;
      if (Accept("-")) {
        negative = true;
      } else if (!Accept("+")) {
        return sum;
      }
      SKEIN_ASSIGN_OR_RETURN(Fraction term, Products());
      if (negative) term.numerator = -term.numerator;
      sum = Add(sum, term);
    }
  }

  absl::StatusOr<Fraction> Products() {
    SKEIN_ASSIGN_OR_RETURN(Fraction product, Unary());
    for (;;) {
      bool whole = Accept("//");
      char op = whole ? '/' : (SkipSpace(), Peek());
      if (!whole && op != '*' && op != '/' && op != '%') return product;
      if (!whole) ++position_;
      SKEIN_ASSIGN_OR_RETURN(Fraction operand, Unary());
      if (op == '*') {
        product = {product.numerator * operand.numerator,
                   product.denominator * operand.denominator};
        continue;
      }
      // a/b over c/d is a*d over b*c.
      Fraction quotient{product.numerator * operand.denominator,
                        product.denominator * operand.numerator};
      if (op == '%') {
        if (!product.IsWhole() || !operand.IsWhole()) return Error("modulo of a fraction");
        product = {Mod(product.numerator, operand.numerator)};
      } else if (whole) {
        product = {FloorDiv(quotient.numerator, quotient.denominator)};
      } else {
        if (quotient.denominator.IsConst(0)) return Error("division by 0");
        product = quotient;
      }
    }
  }

  absl::StatusOr<Fraction> Unary() {
    if (++depth_ > kMaxParseDepth) return Error("nested too deeply");
    bool negative = Accept("-");
    SKEIN_ASSIGN_OR_RETURN(Fraction operand, negative ? Unary() : Power());
    if (negative) operand.numerator = -operand.numerator;
    --depth_;
    return operand;
  }

  absl::StatusOr<Fraction> Power() {
    SKEIN_ASSIGN_OR_RETURN(Fraction base, Primary());
    if (!Accept("**")) return base;
    SkipSpace();
    SKEIN_ASSIGN_OR_RETURN(int64_t power, Integer());
    if (power > kMaxPower) return Error("a power above 8");
    Fraction result{DimExpr(1)};
    for (int64_t i = 0; i < power; ++i) {
      result = {result.numerator * base.numerator, result.denominator * base.denominator};
    }
    return result;
  }

  absl::StatusOr<int64_t> Integer() {
    if (!std::isdigit(static_cast<unsigned char>(Peek()))) return Error("expected a number");
    int64_t value = 0;
    while (std::isdigit(static_cast<unsigned char>(Peek()))) {
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, int64_t{Peek() - '0'}, &value)) {
        return Error("a number above 2^63 - 1");
      }
      ++position_;
    }
    return value;
  }

  absl::StatusOr<int> Number() {
    SKEIN_ASSIGN_OR_RETURN(int64_t value, Integer());
    if (value > INT32_MAX) return Error("an index above 2^31 - 1");
    return static_cast<int>(value);
  }

  absl::StatusOr<Fraction> Primary() {
    SkipSpace();
    char c = Peek();
    if (std::isdigit(static_cast<unsigned char>(c))) {
      SKEIN_ASSIGN_OR_RETURN(int64_t value, Integer());
      if (StartsName(Peek())) return Error("a name that starts with a digit");
      return Fraction{DimExpr(value)};
    }
    if (Accept("(")) {
      SKEIN_ASSIGN_OR_RETURN(Fraction inner, Sum());
      if (!Accept(")")) return Error("expected ')'");
      return inner;
    }
    if (c == '$' || c == '%') {
      ++position_;
      SKEIN_ASSIGN_OR_RETURN(int index, Number());
      if (c == '%') return Fraction{DimExpr::Value(index)};
      if (!coord_extent_) return Error("a coordinate where none is allowed");
      return Fraction{DimExpr::Coord(index, coord_extent_(index))};
    }
    if (c == '"') return QuotedSymbol();
    if (!StartsName(c)) return Error("expected a name or a number");
    size_t start = position_;
    while (ContinuesName(Peek())) ++position_;
    std::string_view name = text_.substr(start, position_ - start);
    if (Accept("(")) return Call(name);
    return Fraction{DimExpr::Symbol(name)};
  }

  absl::StatusOr<Fraction> QuotedSymbol() {
    std::string name;
    for (++position_; position_ < text_.size() && Peek() != '"'; ++position_) {
      if (Peek() == '\\') ++position_;
      name += Peek();
    }
    if (Peek() != '"') return Error("expected '\"'");
    ++position_;
    return Fraction{DimExpr::Symbol(name)};
  }

  // The arguments and the closing parenthesis of a call.
  absl::StatusOr<Fraction> Call(std::string_view name) {
    bool floor = name == "floor" || name == "Floor";
    if (floor || name == "ceil" || name == "ceiling" || name == "Ceil") {
      SKEIN_ASSIGN_OR_RETURN(Fraction x, Sum());
      if (!Accept(")")) return Error("expected ')'");
      return Fraction{(floor ? FloorDiv : CeilDiv)(x.numerator, x.denominator)};
    }
    std::vector<DimExpr> x;
    do {
      SKEIN_ASSIGN_OR_RETURN(DimExpr argument, Whole());
      x.push_back(argument);
    } while (Accept(","));
    if (!Accept(")")) return Error("expected ')'");
    return Apply(name, x);
  }

  absl::StatusOr<Fraction> Apply(std::string_view name, std::span<const DimExpr> x) const {
    bool min = name == "min" || name == "Min";
    if (min || name == "max" || name == "Max") {
      DimExpr result = x[0];
      for (DimExpr e : x.subspan(1)) result = min ? Min(result, e) : Max(result, e);
      return Fraction{result};
    }
    if (name == "select" && x.size() == 3) return Fraction{Select(x[0], x[1], x[2])};
    if (x.size() != 2) return Error("a call with a wrong number of arguments or unknown name");
    if (name == "floordiv" || name == "FloorDiv") return Fraction{FloorDiv(x[0], x[1])};
    if (name == "ceildiv" || name == "CeilDiv") return Fraction{CeilDiv(x[0], x[1])};
    if (name == "mod" || name == "Mod") return Fraction{Mod(x[0], x[1])};
    if (name == "less") return Fraction{Less(x[0], x[1])};
    if (name == "equal") return Fraction{Equal(x[0], x[1])};
    return Error("an unknown function");
  }

  std::string_view text_;
  const std::function<DimExpr(int)>& coord_extent_;
  size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string DimExpr::ToString() const {
  std::string out;
  AppendTo(&out);
  return out;
}

void DimExpr::AppendTo(std::string* text) const { Print(*this, *text); }

std::string ToString(std::span<const DimExpr> dims) {
  std::string out = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) out += ", ";
    Print(dims[i], out);
  }
  return out + "]";
}

absl::StatusOr<DimExpr> ParseDimExpr(std::string_view text,
                                     const std::function<DimExpr(int)>& coord_extent) {
  return Parser(text, coord_extent).Run();
}

}  // namespace skein
