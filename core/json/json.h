// JSON (RFC 8259) as data: a small ordered tree, a strict parser (RapidJSON's SAX reader behind it), two writers.
//   Refused: depth above the limit, duplicate keys, invalid UTF-8, trailing data, a BOM, NaN and Infinity, and (unless
//   allowed) numbers that are not whole. The parser's stack use does not grow with the input's depth.
//   Members keep their order. Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace till::json {

class Value;
using Member = std::pair<std::string, Value>;

class Value {
 public:
  enum class Type : uint8_t { kNull, kBool, kInteger, kDouble, kString, kArray, kObject };

  Value() = default;
  Value(bool value) : type_(Type::kBool), integer_(value ? 1 : 0) {}
  Value(int value) : Value(static_cast<int64_t>(value)) {}
  Value(unsigned value) : Value(static_cast<int64_t>(value)) {}
  Value(int64_t value) : type_(Type::kInteger), integer_(value) {}
  Value(uint64_t value);  // above INT64_MAX it becomes a double
  Value(double value) : type_(Type::kDouble), double_(value) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(std::string value) : type_(Type::kString), string_(std::move(value)) {}
  Value(const void*) = delete;  // a stray pointer must not become `true`
  static Value Array(std::vector<Value> items = {});
  static Value Object(std::vector<Member> members = {});

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_integer() const { return type_ == Type::kInteger; }
  bool is_number() const { return type_ == Type::kInteger || type_ == Type::kDouble; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  // The content when the type fits, otherwise the fall-back: for lenient reading of foreign JSON.
  bool AsBool(bool otherwise = false) const { return is_bool() ? integer_ != 0 : otherwise; }
  int64_t AsInteger(int64_t otherwise = 0) const { return is_integer() ? integer_ : otherwise; }
  double AsDouble(double otherwise = 0) const;
  const std::string& AsString() const;                             // "" when it is no string
  const std::vector<Value>& items() const { return items_; }       // empty when it is no array
  const std::vector<Member>& members() const { return members_; }  // empty when it is no object

  // Member by key; a shared null Value when there is none, so that look-ups chain: v["a"]["b"].AsString().
  // Look-ups walk the members: put large objects into a map first.
  const Value& operator[](std::string_view key) const;
  bool Has(std::string_view key) const;
  // Sets or replaces a member (makes a null Value an object first); answers *this, so that calls chain.
  Value& Set(std::string key, Value value);
  void Remove(std::string_view key);
  // Appends (makes a null Value an array first); answers *this.
  Value& Append(Value value);

  // Strict reading, for formats of our own: kCorrupt with `what` when the member is missing or of another type.
  Result<std::string> RequireString(std::string_view key) const;
  Result<int64_t> RequireInteger(std::string_view key) const;
  Result<const Value*> RequireObject(std::string_view key) const;
  Result<const Value*> RequireArray(std::string_view key) const;

  bool operator==(const Value& other) const;

 private:
  Type type_ = Type::kNull;
  int64_t integer_ = 0;
  double double_ = 0;
  std::string string_;
  std::vector<Value> items_;
  std::vector<Member> members_;
};

struct Limits {
  uint32_t max_depth = 32;
  uint64_t max_bytes = 1 << 20;
  uint64_t max_values = 100'000;  // members and items in all: bounds the memory a hostile text can take
  bool allow_fractions = true;    // false: any number with '.', 'e' or beyond 64 bits is refused
};

// kCorrupt with the byte offset, or kLimit.
Result<Value> Parse(std::string_view text, const Limits& limits = {});

// Compact, members in their order.
std::string Write(const Value& value);
// Indented by two spaces, for people.
std::string WritePretty(const Value& value);
// OLPC canonical JSON, which TUF signs: keys sorted by bytes, no white space, strings escape only '"' and '\\'.
// kInvalid for fractions.
Result<std::string> WriteCanonical(const Value& value);

}  // namespace till::json
