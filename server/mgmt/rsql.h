// RSQL, the filter language of hawkBit's REST API (q=...): lexer, tree, evaluation. Own parser, no regex.
//   Grammar: or = and { ("," | " or ") and };  and = term { (";" | " and ") term };  term = "(" or ")" | selector op
//   value Operators: == != =lt= < =le= <= =gt= > =ge= >= =li= (same as ==) =in= =out= (with a list in parentheses) =is=
//   =not= (null) Values: bare text, or quoted with ' or ". In == and != a bare `*` matches any text, `\*` is the star
//   itself. Text is compared without regard to ASCII case, numbers as integers. A field without a value answers only !=
//   , =out= and =is=null. Bounds: 4 KiB of text, 24 levels of parentheses, 64 comparisons, 200 values in a list.
//   Errors: kInvalid for syntax (detail: byte offset), kNotFound for a field nobody knows (detail: byte offset),
//   kLimit. Source: github.com/jirutka/rsql-parser grammar; hawkBit "Filtering" pages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace till::mgmt::rsql {

enum class Operator : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kOut,
  kIsNull,
  kNotNull
};
enum class FieldKind : uint8_t { kText, kNumber, kBool };

// A field a resource can be filtered by. `name` is lower case; a name that ends in '.' takes a key ("attribute.").
struct Field {
  const char* name;
  FieldKind kind = FieldKind::kText;
};

struct Comparison {
  std::string field;  // lower case, without its key
  std::string key;    // after "attribute." or "metadata.", as written
  FieldKind kind = FieldKind::kText;
  Operator op = Operator::kEqual;
  std::vector<std::string> values;
};

struct Node {
  enum class Kind : uint8_t { kAnd, kOr, kLeaf };
  Kind kind = Kind::kLeaf;
  std::vector<Node> children;
  Comparison leaf;
};

// The values a thing has for a field: none, one, or several (tags). Booleans are "true" and "false", numbers decimal.
using FieldReader = std::function<std::vector<std::string>(const Comparison& wanted)>;

class Filter {
 public:
  // An empty text is the filter that everything matches.
  static Result<Filter> Parse(std::string_view text, std::span<const Field> fields);
  bool Matches(const FieldReader& read) const;
  bool all() const { return !root_.has_value(); }
  // The one value the filter asks `field` to equal, when it is a single comparison without a wildcard: lets a look-up
  // by key stand in for a walk over everything.
  std::optional<std::string> SingleEqual(std::string_view field) const;

 private:
  std::optional<Node> root_;
};

// Case-insensitive match of `text` against a pattern with `*` and `\*`; time at most |text| * |pattern|.
bool MatchesPattern(std::string_view text, std::string_view pattern);

}  // namespace till::mgmt::rsql
