#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>

#include "core/json/json.h"

namespace till::json {
namespace {

// An array or object whose end has not been met yet.
struct Frame {
  bool is_object = false;
  std::string key;  // of the member being read
  std::vector<Value> items;
  std::vector<Member> members;
};

bool HasDuplicateKey(const std::vector<Member>& members) {
  std::vector<std::string_view> keys;
  keys.reserve(members.size());
  for (const Member& member : members) keys.push_back(member.first);
  std::sort(keys.begin(), keys.end());  // n log n: a hostile object may hold as many members as Limits allow
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

// RapidJSON turns the escape of a lone low surrogate ("\\udc00") into bytes that are no UTF-8; it refuses the same
// bytes when they stand in the text as they are.
bool HasSurrogate(std::string_view text) {
  for (size_t at = text.find('\xed'); at != std::string_view::npos; at = text.find('\xed', at + 1)) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xa0) return true;
  }
  return false;
}

// Receives RapidJSON's events and builds the tree; answers false to stop, with the reason in error().
class TreeBuilder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TreeBuilder> {
 public:
  explicit TreeBuilder(const Limits& limits) : limits_(limits) {}

  bool Null() { return Add(Value()); }
  bool Bool(bool value) { return Add(Value(value)); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) { return Number({text, length}); }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    if (HasSurrogate({text, length})) return Refuse(ErrorCode::kCorrupt, "half a surrogate pair in a string");
    return Add(Value(std::string(text, length)));
  }
  bool StartArray() { return Open(false); }
  bool StartObject() { return Open(true); }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    if (HasSurrogate({text, length})) return Refuse(ErrorCode::kCorrupt, "half a surrogate pair in a key");
    frames_.back().key.assign(text, length);
    return true;
  }
  bool EndArray(rapidjson::SizeType) {
    Value array = Value::Array(std::move(frames_.back().items));
    frames_.pop_back();
    return Attach(std::move(array));
  }
  bool EndObject(rapidjson::SizeType) {
    if (HasDuplicateKey(frames_.back().members)) return Refuse(ErrorCode::kCorrupt, "an object has a key twice");
    Value object = Value::Object(std::move(frames_.back().members));
    frames_.pop_back();
    return Attach(std::move(object));
  }

  const std::optional<Error>& error() const { return error_; }
  Value TakeRoot() { return std::move(root_); }

 private:
  bool Refuse(ErrorCode code, const char* what, uint64_t detail = 0) {
    error_ = Error{code, what, detail};
    return false;
  }

  bool Count() {
    return ++values_ <= limits_.max_values || Refuse(ErrorCode::kLimit, "more values than allowed", limits_.max_values);
  }

  // RapidJSON has checked the form; its own conversion is undefined for "0e1" (it counts the leading zeros of 0).
  bool Number(std::string_view text) {
    const char* end = text.data() + text.size();
    int64_t integer = 0;
    if (const auto [stop, failure] = std::from_chars(text.data(), end, integer);
        stop == end && failure == std::errc()) {
      return Add(Value(integer));
    }
    if (!limits_.allow_fractions) return Refuse(ErrorCode::kCorrupt, "a number is not whole or beyond 64 bits");
    double number = 0;
    if (const auto [stop, failure] = std::from_chars(text.data(), end, number); stop != end || failure != std::errc()) {
      return Refuse(ErrorCode::kCorrupt, "a number is out of range");
    }
    return Add(Value(number));
  }

  bool Add(Value value) { return Count() && Attach(std::move(value)); }

  bool Open(bool is_object) {
    if (frames_.size() >= limits_.max_depth) {
      return Refuse(ErrorCode::kLimit, "nested deeper than allowed", limits_.max_depth);
    }
    if (!Count()) return false;
    frames_.emplace_back().is_object = is_object;
    return true;
  }

  // A container counts when it opens, so it is attached without counting.
  bool Attach(Value value) {
    if (frames_.empty()) {
      root_ = std::move(value);
    } else if (Frame& frame = frames_.back(); frame.is_object) {
      frame.members.emplace_back(std::move(frame.key), std::move(value));
    } else {
      frame.items.push_back(std::move(value));
    }
    return true;
  }

  const Limits& limits_;
  std::vector<Frame> frames_;
  uint64_t values_ = 0;
  Value root_;
  std::optional<Error> error_;
};

// Iterative: the call stack does not grow with the depth of the text.
constexpr unsigned kFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;

}  // namespace

Result<Value> Parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes)
    return Error{ErrorCode::kLimit, "JSON text longer than allowed", limits.max_bytes};
  // RapidJSON takes a NUL for the end of the text, and would let anything stand behind it.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return Error{ErrorCode::kCorrupt, "not JSON: a NUL byte", nul};
  }
  rapidjson::MemoryStream stream(text.data() == nullptr ? "" : text.data(), text.size());
  rapidjson::Reader reader;
  TreeBuilder builder(limits);
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, builder);
  if (!parsed.IsError()) return builder.TakeRoot();
  if (!builder.error()) return Error{ErrorCode::kCorrupt, "not JSON", parsed.Offset()};
  Error error = *builder.error();
  if (error.code == ErrorCode::kCorrupt) error.detail = parsed.Offset();
  return error;
}

}  // namespace till::json
