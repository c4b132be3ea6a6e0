#include <algorithm>
#include <cassert>

#include "core/json/json.h"

namespace till::json {
namespace {

const Value& NullValue() {
  static const Value null;
  return null;
}

}  // namespace

Value::Value(uint64_t value) {
  if (value <= static_cast<uint64_t>(INT64_MAX)) {
    type_ = Type::kInteger;
    integer_ = static_cast<int64_t>(value);
  } else {
    type_ = Type::kDouble;
    double_ = static_cast<double>(value);
  }
}

Value Value::Array(std::vector<Value> items) {
  Value value;
  value.type_ = Type::kArray;
  value.items_ = std::move(items);
  return value;
}

Value Value::Object(std::vector<Member> members) {
  Value value;
  value.type_ = Type::kObject;
  value.members_ = std::move(members);
  return value;
}

double Value::AsDouble(double otherwise) const {
  if (type_ == Type::kDouble) return double_;
  return is_integer() ? static_cast<double>(integer_) : otherwise;
}

const std::string& Value::AsString() const {
  return string_;  // empty unless it is a string
}

const Value& Value::operator[](std::string_view key) const {
  for (const Member& member : members_) {
    if (member.first == key) return member.second;
  }
  return NullValue();
}

bool Value::Has(std::string_view key) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& member) { return member.first == key; });
}

Value& Value::Set(std::string key, Value value) {
  if (is_null()) type_ = Type::kObject;
  assert(is_object());
  for (Member& member : members_) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members_.emplace_back(std::move(key), std::move(value));
  return *this;
}

void Value::Remove(std::string_view key) {
  std::erase_if(members_, [&](const Member& member) { return member.first == key; });
}

Value& Value::Append(Value value) {
  if (is_null()) type_ = Type::kArray;
  assert(is_array());
  items_.push_back(std::move(value));
  return *this;
}

Result<std::string> Value::RequireString(std::string_view key) const {
  const Value& member = (*this)[key];
  if (!member.is_string()) return Error{ErrorCode::kCorrupt, "a member is missing or is no string"};
  return member.string_;
}

Result<int64_t> Value::RequireInteger(std::string_view key) const {
  const Value& member = (*this)[key];
  if (!member.is_integer()) return Error{ErrorCode::kCorrupt, "a member is missing or is no whole number"};
  return member.integer_;
}

Result<const Value*> Value::RequireObject(std::string_view key) const {
  const Value& member = (*this)[key];
  if (!member.is_object()) return Error{ErrorCode::kCorrupt, "a member is missing or is no object"};
  return &member;
}

Result<const Value*> Value::RequireArray(std::string_view key) const {
  const Value& member = (*this)[key];
  if (!member.is_array()) return Error{ErrorCode::kCorrupt, "a member is missing or is no array"};
  return &member;
}

bool Value::operator==(const Value& other) const {
  if (is_number() && other.is_number() && type_ != other.type_) return AsDouble() == other.AsDouble();
  return type_ == other.type_ && integer_ == other.integer_ && double_ == other.double_ && string_ == other.string_ &&
         items_ == other.items_ && members_ == other.members_;
}

}  // namespace till::json
