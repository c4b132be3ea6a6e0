#include "server/mgmt/rsql.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/text.h"

namespace till::mgmt::rsql {
namespace {

constexpr size_t kMaxTextBytes = 4096;
constexpr uint32_t kMaxDepth = 24;
constexpr uint32_t kMaxComparisons = 64;
constexpr size_t kMaxListValues = 200;

struct OperatorName {
  std::string_view text;
  Operator op;
};
// Longest first, so that "<=" is not read as "<".
constexpr std::array<OperatorName, 16> kOperators{{{"=out=", Operator::kOut},
                                                   {"=not=", Operator::kNotNull},
                                                   {"=in=", Operator::kIn},
                                                   {"=is=", Operator::kIsNull},
                                                   {"=li=", Operator::kEqual},
                                                   {"=lt=", Operator::kLess},
                                                   {"=le=", Operator::kLessEqual},
                                                   {"=gt=", Operator::kGreater},
                                                   {"=ge=", Operator::kGreaterEqual},
                                                   {"==", Operator::kEqual},
                                                   {"!=", Operator::kNotEqual},
                                                   {"<=", Operator::kLessEqual},
                                                   {">=", Operator::kGreaterEqual},
                                                   {"<", Operator::kLess},
                                                   {">", Operator::kGreater},
                                                   {"=nin=", Operator::kOut}}};

bool IsReserved(char c) { return std::string_view("\"'();,=!~<> \t\r\n").find(c) != std::string_view::npos; }

class Parser {
 public:
  Parser(std::string_view text, std::span<const Field> fields) : text_(text), fields_(fields) {}

  Result<Node> Whole() {
    Node node = TILL_TRY(Or(0));
    SkipSpace();
    if (at_ != text_.size()) return Syntax("unexpected text after the filter");
    return node;
  }

 private:
  Error Syntax(const char* what) const { return Error{ErrorCode::kInvalid, what, at_}; }
  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  // Takes `symbol`, or the word (blank-separated on both sides), when it stands next.
  bool TakeJoin(char symbol, std::string_view word) {
    const size_t start = at_;
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == symbol) {
      ++at_;
      return true;
    }
    const bool has_word = at_ > start && EqualsIgnoreCase(text_.substr(at_, word.size()), word) &&
                          at_ + word.size() < text_.size() && text_[at_ + word.size()] == ' ';
    if (has_word) {
      at_ += word.size();
      return true;
    }
    at_ = start;
    return false;
  }

  Result<Node> Joined(Node::Kind kind, uint32_t depth) {
    Node first = TILL_TRY(kind == Node::Kind::kOr ? Joined(Node::Kind::kAnd, depth) : Term(depth));
    const char symbol = kind == Node::Kind::kOr ? ',' : ';';
    const std::string_view word = kind == Node::Kind::kOr ? "or" : "and";
    if (!TakeJoin(symbol, word)) return first;
    Node all;
    all.kind = kind;
    all.children.push_back(std::move(first));
    do {
      all.children.push_back(TILL_TRY(kind == Node::Kind::kOr ? Joined(Node::Kind::kAnd, depth) : Term(depth)));
    } while (TakeJoin(symbol, word));
    return all;
  }
  Result<Node> Or(uint32_t depth) { return Joined(Node::Kind::kOr, depth); }

  Result<Node> Term(uint32_t depth) {
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == '(') {
      if (depth >= kMaxDepth) return Error{ErrorCode::kLimit, "filter is nested too deep", kMaxDepth};
      ++at_;
      Node inner = TILL_TRY(Or(depth + 1));
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != ')') return Syntax("')' expected");
      ++at_;
      return inner;
    }
    return Leaf();
  }

  Result<Node> Leaf() {
    if (++comparisons_ > kMaxComparisons) return Error{ErrorCode::kLimit, "too many comparisons", kMaxComparisons};
    Node node;
    const size_t selector_start = at_;
    while (at_ < text_.size() && !IsReserved(text_[at_])) ++at_;
    if (at_ == selector_start) return Syntax("field name expected");
    TILL_TRY(Resolve(text_.substr(selector_start, at_ - selector_start), selector_start, node.leaf));
    SkipSpace();
    node.leaf.op = TILL_TRY(TakeOperator());
    SkipSpace();
    TILL_TRY(Values(node.leaf));
    return node;
  }

  Status Resolve(std::string_view selector, size_t offset, Comparison& leaf) const {
    const std::string lower = ToLower(selector);
    for (const Field& field : fields_) {
      const std::string_view name = field.name;
      const bool keyed = name.ends_with('.');
      if (keyed ? !(lower.starts_with(name) && lower.size() > name.size()) : lower != name) continue;
      leaf.field = name;
      leaf.kind = field.kind;
      if (keyed) leaf.key = selector.substr(name.size());
      return Ok();
    }
    return Error{ErrorCode::kNotFound, "no such field", offset};
  }

  Result<Operator> TakeOperator() {
    for (const OperatorName& candidate : kOperators) {
      if (!EqualsIgnoreCase(text_.substr(at_, candidate.text.size()), candidate.text)) continue;
      at_ += candidate.text.size();
      return candidate.op;
    }
    return Syntax("operator expected");
  }

  Status Values(Comparison& leaf) {
    const bool list = leaf.op == Operator::kIn || leaf.op == Operator::kOut;
    if (list && at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      for (;;) {
        if (leaf.values.size() >= kMaxListValues) return Error{ErrorCode::kLimit, "too many values", kMaxListValues};
        SkipSpace();
        leaf.values.push_back(TILL_TRY(OneValue()));
        SkipSpace();
        if (at_ >= text_.size()) return Syntax("')' expected");
        const char c = text_[at_++];
        if (c == ')') break;
        if (c != ',') return Syntax("',' or ')' expected");
      }
    } else {
      leaf.values.push_back(TILL_TRY(OneValue()));
    }
    if (leaf.op == Operator::kIsNull || leaf.op == Operator::kNotNull) {
      return EqualsIgnoreCase(leaf.values[0], "null") ? Ok() : Status(Syntax("only null can follow =is= and =not="));
    }
    return CheckKind(leaf);
  }

  // Quoted: a backslash before the quote or another backslash is taken away; "\*" is kept for MatchesPattern.
  Result<std::string> OneValue() {
    if (at_ >= text_.size()) return Syntax("value expected");
    std::string value;
    const char quote = text_[at_];
    if (quote == '"' || quote == '\'') {
      for (++at_; at_ < text_.size(); ++at_) {
        char c = text_[at_];
        if (c == quote) {
          ++at_;
          return value;
        }
        const bool escapes = c == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == quote || text_[at_ + 1] == '\\');
        if (escapes) c = text_[++at_];
        value.push_back(c);
      }
      return Syntax("quote is not closed");
    }
    while (at_ < text_.size() && !IsReserved(text_[at_])) value.push_back(text_[at_++]);
    if (value.empty()) return Syntax("value expected");
    return value;
  }

  Status CheckKind(const Comparison& leaf) const {
    for (const std::string& value : leaf.values) {
      if (leaf.kind == FieldKind::kNumber && value != "*") {
        int64_t number = 0;
        const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
        if (end.ec != std::errc() || end.ptr != value.data() + value.size()) return Syntax("a number is expected");
      }
      if (leaf.kind == FieldKind::kBool && !EqualsIgnoreCase(value, "true") && !EqualsIgnoreCase(value, "false")) {
        return Syntax("true or false is expected");
      }
    }
    return Ok();
  }

  std::string_view text_;
  std::span<const Field> fields_;
  size_t at_ = 0;
  uint32_t comparisons_ = 0;
};

int64_t ToNumber(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

int Compare(const std::string& have, const std::string& want, FieldKind kind) {
  if (kind == FieldKind::kNumber) {
    const int64_t a = ToNumber(have), b = ToNumber(want);
    return a < b ? -1 : (a > b ? 1 : 0);
  }
  return ToLower(have).compare(ToLower(want));
}

bool Equals(const std::string& have, const std::string& want, FieldKind kind) {
  if (kind == FieldKind::kNumber && want != "*") return ToNumber(have) == ToNumber(want);
  return MatchesPattern(have, want);
}

bool LeafMatches(const Comparison& leaf, const FieldReader& read) {
  const std::vector<std::string> have = read(leaf);
  const auto any = [&](auto&& test) { return std::any_of(have.begin(), have.end(), test); };
  const auto equals_one = [&](const std::string& value) {
    return std::any_of(leaf.values.begin(), leaf.values.end(),
                       [&](const std::string& want) { return Equals(value, want, leaf.kind); });
  };
  switch (leaf.op) {
    case Operator::kEqual:
    case Operator::kIn:
      return any(equals_one);
    case Operator::kNotEqual:
    case Operator::kOut:
      return !any(equals_one);
    case Operator::kIsNull:
      return have.empty();
    case Operator::kNotNull:
      return !have.empty();
    case Operator::kLess:
      return any([&](const std::string& v) { return Compare(v, leaf.values[0], leaf.kind) < 0; });
    case Operator::kLessEqual:
      return any([&](const std::string& v) { return Compare(v, leaf.values[0], leaf.kind) <= 0; });
    case Operator::kGreater:
      return any([&](const std::string& v) { return Compare(v, leaf.values[0], leaf.kind) > 0; });
    case Operator::kGreaterEqual:
      return any([&](const std::string& v) { return Compare(v, leaf.values[0], leaf.kind) >= 0; });
  }
  return false;
}

// Recursion is bounded by kMaxDepth.
bool NodeMatches(const Node& node, const FieldReader& read) {
  const auto matches = [&](const Node& child) { return NodeMatches(child, read); };
  switch (node.kind) {
    case Node::Kind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), matches);
    case Node::Kind::kOr:
      return std::any_of(node.children.begin(), node.children.end(), matches);
    case Node::Kind::kLeaf:
      break;
  }
  return LeafMatches(node.leaf, read);
}

}  // namespace

bool MatchesPattern(std::string_view text, std::string_view pattern) {
  // Greedy with one point to come back to, which is enough for `*`.
  size_t t = 0, p = 0, star = std::string_view::npos, star_text = 0;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\' && pattern[p + 1] == '*';
    const char want = p < pattern.size() ? pattern[p + (escaped ? 1 : 0)] : '\0';
    if (t < text.size() && p < pattern.size() && lower(text[t]) == lower(want)) {
      ++t;
      p += escaped ? 2 : 1;
      continue;
    }
    if (t == text.size() && p == pattern.size()) return true;
    if (star == std::string_view::npos || star_text >= text.size()) return false;
    t = ++star_text;
    p = star;
  }
}

Result<Filter> Filter::Parse(std::string_view text, std::span<const Field> fields) {
  Filter filter;
  text = Trim(text);
  if (text.empty()) return filter;
  if (text.size() > kMaxTextBytes) return Error{ErrorCode::kLimit, "filter is too long", kMaxTextBytes};
  if (text.find('\0') != std::string_view::npos) return Error{ErrorCode::kInvalid, "filter holds a NUL", 0};
  filter.root_ = TILL_TRY(Parser(text, fields).Whole());
  return filter;
}

bool Filter::Matches(const FieldReader& read) const { return !root_ || NodeMatches(*root_, read); }

std::optional<std::string> Filter::SingleEqual(std::string_view field) const {
  if (!root_ || root_->kind != Node::Kind::kLeaf || root_->leaf.op != Operator::kEqual) return std::nullopt;
  const Comparison& leaf = root_->leaf;
  if (leaf.field != field || leaf.values[0].find('*') != std::string::npos) return std::nullopt;
  return leaf.values[0];
}

}  // namespace till::mgmt::rsql
