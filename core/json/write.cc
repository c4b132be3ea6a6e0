#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/json/json.h"
#include "core/text.h"

namespace till::json {
namespace {

void AppendInteger(std::string& out, int64_t number) {
  char digits[24];
  const auto [end, failure] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

// The shortest text that reads back as the same number; it keeps a point or exponent so that it stays a fraction.
void AppendDouble(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";  // JSON has no word for it
    return;
  }
  char digits[40];
  const auto [end, failure] = std::to_chars(digits, digits + sizeof digits, number);
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

// Scalars are the same in both writers for people and programs.
void AppendScalar(std::string& out, const Value& value) {
  switch (value.type()) {
    case Value::Type::kBool:
      out += value.AsBool() ? "true" : "false";
      break;
    case Value::Type::kInteger:
      AppendInteger(out, value.AsInteger());
      break;
    case Value::Type::kDouble:
      AppendDouble(out, value.AsDouble());
      break;
    case Value::Type::kString:
      out += QuoteJson(value.AsString());
      break;
    default:
      out += "null";
  }
}

// Recursion: the depth of a parsed Value is bounded by Limits, that of others by us.
class Writer {
 public:
  explicit Writer(bool pretty) : pretty_(pretty) {}

  void Append(const Value& value, size_t depth) {
    if (value.is_array()) {
      AppendAll('[', ']', value.items(), depth, [&](const Value& item) { Append(item, depth + 1); });
    } else if (value.is_object()) {
      AppendAll('{', '}', value.members(), depth, [&](const Member& member) {
        text_ += QuoteJson(member.first);
        text_ += pretty_ ? ": " : ":";
        Append(member.second, depth + 1);
      });
    } else {
      AppendScalar(text_, value);
    }
  }

  std::string Take() && { return std::move(text_); }

 private:
  template <typename Items, typename AppendOne>
  void AppendAll(char open, char close, const Items& items, size_t depth, const AppendOne& append) {
    text_ += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) text_ += ',';
      first = false;
      NewLine(depth + 1);
      append(item);
    }
    if (!first) NewLine(depth);
    text_ += close;
  }

  void NewLine(size_t depth) {
    if (pretty_) text_.append("\n").append(depth * 2, ' ');
  }

  bool pretty_;
  std::string text_;
};

void AppendCanonicalString(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

Status AppendCanonical(std::string& out, const Value& value) {
  switch (value.type()) {
    case Value::Type::kNull:
    case Value::Type::kBool:
    case Value::Type::kInteger:
      AppendScalar(out, value);
      return Ok();
    case Value::Type::kDouble:
      return Error{ErrorCode::kInvalid, "canonical JSON has no fractions"};
    case Value::Type::kString:
      AppendCanonicalString(out, value.AsString());
      return Ok();
    case Value::Type::kArray:
      break;
    case Value::Type::kObject:
      break;
  }
  char separator = value.is_array() ? '[' : '{';
  const bool empty = value.items().empty() && value.members().empty();
  if (empty) out += separator;
  for (const Value& item : value.items()) {
    out += separator;
    separator = ',';
    TILL_TRY(AppendCanonical(out, item));
  }
  std::vector<const Member*> sorted;
  sorted.reserve(value.members().size());
  for (const Member& member : value.members()) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(), [](const Member* a, const Member* b) { return a->first < b->first; });
  for (const Member* member : sorted) {
    out += separator;
    separator = ',';
    AppendCanonicalString(out, member->first);
    out += ':';
    TILL_TRY(AppendCanonical(out, member->second));
  }
  out += value.is_array() ? ']' : '}';
  return Ok();
}

}  // namespace

std::string Write(const Value& value) {
  Writer writer(false);
  writer.Append(value, 0);
  return std::move(writer).Take();
}

std::string WritePretty(const Value& value) {
  Writer writer(true);
  writer.Append(value, 0);
  return std::move(writer).Take() + "\n";
}

Result<std::string> WriteCanonical(const Value& value) {
  std::string text;
  TILL_TRY(AppendCanonical(text, value));
  return text;
}

}  // namespace till::json
