// The text form of graphs: parsing. A hand-written descent over characters; see ir/graph_text.cc
// for the form.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "ir/graph.h"
#include "ir/graph_text.h"
#include "ir/op_helpers.h"

namespace skein {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 32;  // of a literal in text
constexpr int kMaxDepth = 8;                        // of reducers inside reducers

class GraphParser {
 public:
  explicit GraphParser(std::string_view text) : text_(text) {}

  // Up to the end of the text, or to the `}` that ends a graph inside a reducer.
  absl::StatusOr<Graph> Parse(int depth) {
    if (depth > kMaxDepth) return Error("reducers nested too deeply");
    Graph graph;
    std::vector<NodeId> ids;
    while (true) {
      SkipSpaceAndComments();
      if (at_ == text_.size() || Peek() == '}') return graph;
      if (Take("guard ")) {
        SKEIN_RETURN_IF_ERROR(ParseGuard(&graph));
      } else if (Take("output ")) {
        SKEIN_ASSIGN_OR_RETURN(std::string name, Quoted());
        SKEIN_RETURN_IF_ERROR(Expect("="));
        SKEIN_ASSIGN_OR_RETURN(Value value, ParseValue(graph, ids));
        graph.AddOutput(std::move(name), value);
      } else {
        SKEIN_RETURN_IF_ERROR(ParseNode(&graph, &ids, depth));
      }
    }
  }
  bool AtEnd() const { return at_ == text_.size(); }
  template <typename... Args>
  absl::Status Error(const Args&... args) const {
    size_t line = 1 + static_cast<size_t>(std::count(text_.begin(), text_.begin() + at_, '\n'));
    return InvalidArgument("line ", line, " of the graph's text: ", args...);
  }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void SkipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  void SkipSpaceAndComments() {
    for (SkipSpace(); Peek() == '#'; SkipSpace())
      at_ = std::min(text_.find('\n', at_), text_.size());
  }
  bool Take(std::string_view token) {
    SkipSpace();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  absl::Status Expect(std::string_view token) {
    if (Take(token)) return absl::OkStatus();
    return Error("expected '", std::string(token), "' at '", std::string(text_.substr(at_, 20)),
                 "'");
  }
  std::string Word() {
    SkipSpace();
    size_t begin = at_;
    while (std::isalnum(static_cast<unsigned char>(Peek())) || Peek() == '_') ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  absl::StatusOr<int64_t> Integer() {
    SkipSpace();
    int64_t v = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc())
      return Error("expected an integer at '", std::string(text_.substr(at_, 20)), "'");
    at_ = static_cast<size_t>(end - text_.data());
    return v;
  }
  absl::StatusOr<double> Double() {
    SkipSpace();
    double v = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error == std::errc::invalid_argument)
      return Error("expected a number at '", std::string(text_.substr(at_, 20)), "'");
    at_ = static_cast<size_t>(end - text_.data());
    return v;
  }
  absl::StatusOr<std::string> Quoted() {
    SKEIN_RETURN_IF_ERROR(Expect("\""));
    std::string s;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'n') c = '\n';
      }
      s += c;
    }
    SKEIN_RETURN_IF_ERROR(Expect("\""));
    return s;
  }
  absl::StatusOr<ElementType> Element() {
    std::string word = Word();
    auto t = ParseElementType(word);
    if (!t) return Error("'", word, "' is no element type");
    return *t;
  }
  absl::StatusOr<Value> ParseValue(const Graph& graph, const std::vector<NodeId>& ids) {
    SKEIN_RETURN_IF_ERROR(Expect("%"));
    SKEIN_ASSIGN_OR_RETURN(int64_t n, Integer());
    int64_t result = 0;
    if (Peek() == '.') {
      ++at_;
      SKEIN_ASSIGN_OR_RETURN(result, Integer());
    }
    if (n < 0 || n >= static_cast<int64_t>(ids.size()) || result < 0 ||
        result >= static_cast<int64_t>(graph.node(ids[n]).results.size())) {
      return Error("there is no value %", n, ".", result, " yet");
    }
    return Value{ids[n], static_cast<int32_t>(result)};
  }

  // An expression up to a `stop` character outside parentheses. A text that is no expression is a
  // name.
  DimExpr Expression(std::string_view stop, const Dims& coord_dims) {
    SkipSpace();
    size_t begin = at_;
    for (int depth = 0; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (depth == 0 && stop.find(c) != std::string_view::npos) break;
      if (c == '(') ++depth;
      if (c == ')') --depth;
      if (c == '\n') break;
    }
    std::string_view text = text_.substr(begin, at_ - begin);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    auto e = ParseDimExpr(text, [&](int i) {
      return i < static_cast<int>(coord_dims.size()) ? coord_dims[i] : DimExpr(1);
    });
    return e.ok() ? *e : DimExpr::Symbol(text);
  }
  absl::StatusOr<Dims> DimList(const Dims& coord_dims) {
    Dims dims;
    SKEIN_RETURN_IF_ERROR(Expect("["));
    while (!Take("]")) {
      if (AtEnd() || Peek() == '\n') return Error("a list that does not end");
      dims.push_back(Expression(",]", coord_dims));
      if (!Take(",") && Peek() != ']') return Error("expected ',' or ']'");
    }
    return dims;
  }
  absl::StatusOr<TensorType> Type() {
    SKEIN_ASSIGN_OR_RETURN(ElementType t, Element());
    SKEIN_ASSIGN_OR_RETURN(Dims dims, DimList({}));
    for (DimExpr d : dims) {
      if (HasCoords(d)) return Error("a dim ", d.ToString());
    }
    return TensorType{t, std::move(dims)};
  }

  absl::Status ParseGuard(Graph* graph) {
    DimExpr condition = Expression("\"", {});
    SKEIN_ASSIGN_OR_RETURN(std::string reason, Quoted());
    graph->AddGuard(condition, std::move(reason));
    return absl::OkStatus();
  }

  // {1, 2}, `splat 1`, `zeros`, `random(7)` or `@hash`: floats in [-1, 1) that the seed or hash
  // decides, zeros for other types.
  absl::StatusOr<LiteralRef> ParseLiteral(ElementType t) {
    SKEIN_ASSIGN_OR_RETURN(Dims dims, DimList({}));
    std::vector<int64_t> extents;
    int64_t count = 1;
    for (DimExpr d : dims) {
      if (!d.IsConst() || d.constant() < 0) return Error("a literal with the dim ", d.ToString());
      extents.push_back(d.constant());
      if (__builtin_mul_overflow(count, d.constant(), &count) || count > kMaxElements)
        return Error("a literal too large");
    }
    std::vector<uint8_t> bytes(BytesFor(t, count));
    auto put = [&](int64_t i) -> absl::Status {
      if (IsFloat(t)) {
        SKEIN_ASSIGN_OR_RETURN(double v, Double());
        WriteFromDouble(t, bytes.data(), i, v);
      } else {
        SKEIN_ASSIGN_OR_RETURN(int64_t v, Integer());
        WriteFromInt64(t, bytes.data(), i, v);
      }
      return absl::OkStatus();
    };
    if (Take("{")) {
      for (int64_t i = 0; i < count; ++i) {
        if (i > 0) SKEIN_RETURN_IF_ERROR(Expect(","));
        SKEIN_RETURN_IF_ERROR(put(i));
      }
      SKEIN_RETURN_IF_ERROR(Expect("}"));
    } else if (Take("splat")) {
      size_t begin = at_;
      for (int64_t i = 0; i < count; ++i) {
        at_ = begin;
        SKEIN_RETURN_IF_ERROR(put(i));
      }
    } else if (!Take("zeros")) {
      uint64_t state = 0;
      if (Take("random(")) {
        SKEIN_ASSIGN_OR_RETURN(int64_t seed, Integer());
        state = AsUnsigned(seed);
        SKEIN_RETURN_IF_ERROR(Expect(")"));
      } else {
        SKEIN_RETURN_IF_ERROR(Expect("@"));
        std::string hex = Word();
        std::from_chars(hex.data(), hex.data() + hex.size(), state, 16);
      }
      if (IsFloat(t)) FillRandom(state, t, count, bytes.data());
    }
    return MakeLiteral(t, std::move(extents), std::move(bytes));
  }

  // splitmix64: any seed is as good as any other.
  static void FillRandom(uint64_t state, ElementType t, int64_t count, void* data) {
    for (int64_t i = 0; i < count; ++i) {
      uint64_t z = (state += 0x9e3779b97f4a7c15);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      z ^= z >> 31;
      WriteFromDouble(t, data, i, std::ldexp(static_cast<double>(z >> 11), -52) - 1);
    }
  }

  absl::StatusOr<ReducerRef> ParseReducer(int depth) {
    auto reducer = std::make_shared<Reducer>();
    SKEIN_ASSIGN_OR_RETURN(reducer->name, Quoted());
    SKEIN_RETURN_IF_ERROR(Expect("("));
    while (!Take(")")) {
      SKEIN_ASSIGN_OR_RETURN(ElementType t, Element());
      SKEIN_RETURN_IF_ERROR(Expect("="));
      SKEIN_ASSIGN_OR_RETURN(double initial, Double());
      reducer->state.push_back(t);
      reducer->initial.push_back(initial);
      if (!Take(",") && Peek() != ')') return Error("expected ',' or ')'");
    }
    auto part = [&](std::string_view name, Graph* graph) -> absl::Status {
      SKEIN_RETURN_IF_ERROR(Expect(name));
      SKEIN_RETURN_IF_ERROR(Expect("{"));
      SKEIN_ASSIGN_OR_RETURN(*graph, Parse(depth + 1));
      return Expect("}");
    };
    SKEIN_RETURN_IF_ERROR(part("map", &reducer->map));
    SKEIN_RETURN_IF_ERROR(part("combine", &reducer->combine));
    SKEIN_RETURN_IF_ERROR(part("finish", &reducer->finish));
    return ReducerRef(std::move(reducer));
  }

  absl::StatusOr<Attribute> ParseAttribute(int depth, const Dims& coord_dims) {
    SkipSpace();
    if (Peek() == '"') return Quoted();
    if (Peek() == '[') return DimList(coord_dims);
    if (Take("(")) {
      std::vector<int64_t> ints;
      while (!Take(")")) {
        SKEIN_ASSIGN_OR_RETURN(int64_t v, Integer());
        ints.push_back(v);
        if (!Take(",") && Peek() != ')') return Error("expected ',' or ')'");
      }
      return ints;
    }
    size_t begin = at_;
    std::string word = Word();
    if (word == "reducer") return ParseReducer(depth);
    if (auto t = ParseElementType(word)) {
      if (Peek() == '[') return ParseLiteral(*t);
      return *t;
    }
    if (Take("<")) {
      SKEIN_ASSIGN_OR_RETURN(ElementType t, Element());
      SKEIN_RETURN_IF_ERROR(Expect(">"));
      ReducerRef reducer = StandardReducer(word, t);
      if (reducer == nullptr) return Error("there is no reducer '", word, "'");
      return reducer;
    }
    at_ = begin;
    size_t end = text_.find_first_of(",}\n", at_);
    std::string_view number = text_.substr(at_, end - at_);
    if (number.find_first_of(".en") != std::string_view::npos) return Double();
    return Integer();
  }

  absl::Status ParseNode(Graph* graph, std::vector<NodeId>* ids, int depth) {
    SKEIN_RETURN_IF_ERROR(Expect("%"));
    SKEIN_ASSIGN_OR_RETURN(int64_t number, Integer());
    if (number != static_cast<int64_t>(ids->size())) return Error("expected %", ids->size());
    SKEIN_RETURN_IF_ERROR(Expect("="));
    std::string word = Word();
    auto op = ParseOp(word);
    if (!op) return Error("there is no op '", word, "'");
    std::vector<Value> operands;
    SKEIN_RETURN_IF_ERROR(Expect("("));
    while (!Take(")")) {
      SKEIN_ASSIGN_OR_RETURN(Value v, ParseValue(*graph, *ids));
      operands.push_back(v);
      if (!Take(",") && Peek() != ')') return Error("expected ',' or ')'");
    }
    // The types stand last, but coordinates in the attributes take their extents from them.
    size_t attributes_at = at_;
    if (Take("{")) SKEIN_RETURN_IF_ERROR(SkipBraces());
    SKEIN_RETURN_IF_ERROR(Expect(":"));
    ResultTypes types;
    do {
      SKEIN_ASSIGN_OR_RETURN(TensorType t, Type());
      types.push_back(std::move(t));
    } while (Take(","));
    SourceNodes origins = ParseOrigins(graph);
    size_t end = at_;
    at_ = attributes_at;
    Attributes attributes;
    if (Take("{")) {
      while (!Take("}")) {
        std::string name = Word();
        if (name.empty()) return Error("expected an attribute's name");
        SKEIN_RETURN_IF_ERROR(Expect("="));
        SKEIN_ASSIGN_OR_RETURN(Attribute value, ParseAttribute(depth, types[0].dims));
        attributes.Set(std::move(name), std::move(value));
        SkipSpace();
        if (!Take(",") && Peek() != '}') return Error("expected ',' or '}'");
      }
    }
    at_ = end;
    if (HasImpliedDims(*op) && !attributes.Has("dims")) attributes.Set("dims", types[0].dims);
    if (const char* element = ImpliedElement(*op)) attributes.Set(element, types[0].element);
    return AddNode(graph, ids, *op, operands, std::move(attributes), types, std::move(origins));
  }

  absl::Status AddNode(Graph* graph, std::vector<NodeId>* ids, Op op,
                       const std::vector<Value>& operands, Attributes attributes,
                       const ResultTypes& types, SourceNodes origins) {
    Graph::OriginScope scope(graph, std::move(origins));
    NodeId id;
    if (op == Op::input) {
      const std::string* name = attributes.Get<std::string>("name");
      if (name == nullptr || !operands.empty())
        return Error("an input needs a name and has no operands");
      id = graph->AddInput(*name, types[0]).node;
    } else {
      auto added = graph->AddNode(op, operands, std::move(attributes));
      if (!added.ok()) return Error(std::string(added.status().message()));
      id = *added;
    }
    const Node& node = graph->node(id);
    bool agree = node.results.size() == types.size();
    for (size_t i = 0; agree && i < types.size(); ++i) {
      agree =
          types[i].element == node.results[i].element && types[i].rank() == node.results[i].rank();
      for (int d = 0; agree && d < types[i].rank(); ++d) {
        agree = graph->Assumed(types[i].dims[d]) == graph->Assumed(node.results[i].dims[d]);
      }
    }
    if (!agree) return Error("the type of %", ids->size(), " is ", node.results[0].ToString());
    ids->push_back(id);
    return absl::OkStatus();
  }

  absl::Status SkipBraces() {
    for (int depth = 1; depth > 0; ++at_) {
      if (at_ >= text_.size()) return Error("braces that do not end");
      if (text_[at_] == '"') {
        SKEIN_RETURN_IF_ERROR(Quoted().status());
        --at_;
      } else if (text_[at_] == '{') {
        ++depth;
      } else if (text_[at_] == '}') {
        --depth;
      }
    }
    return absl::OkStatus();
  }

  SourceNodes ParseOrigins(Graph* graph) {
    SourceNodes origins;
    while (Peek() == ' ') ++at_;
    constexpr std::string_view kOrigins = "# origins: ";
    if (text_.substr(at_, kOrigins.size()) != kOrigins) return origins;
    at_ += kOrigins.size();
    size_t line_end = std::min(text_.find('\n', at_), text_.size());
    while (at_ < line_end) {
      size_t end = std::min(text_.find(", ", at_), line_end);
      std::string name(text_.substr(at_, end - at_));
      auto& names = graph->source_names;
      auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) found = names.insert(names.end(), name);
      origins.push_back(static_cast<int32_t>(found - names.begin()));
      at_ = std::min(end + 2, line_end);
    }
    return origins;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<Graph> ParseGraph(std::string_view text) {
  GraphParser parser(text);
  SKEIN_ASSIGN_OR_RETURN(Graph graph, parser.Parse(0));
  if (!parser.AtEnd()) return parser.Error("a '}' too many");
  return graph;
}

}  // namespace skein
