#include "server/ddi/bodies.h"

#include <array>

#include "core/json/json.h"

namespace till::server {
namespace {

constexpr Error kUnreadable{ErrorCode::kInvalid, "the body is not well-formed JSON"};
constexpr size_t kMaxDetailBytes = 16 * 1024;  // of one message; longer ones are cut

constexpr std::array<std::string_view, 8> kExecutions = {"closed",   "proceeding", "canceled", "scheduled",
                                                         "rejected", "resumed",    "download", "downloaded"};
constexpr std::array<std::string_view, 3> kFinished = {"success", "failure", "none"};

Result<json::Value> ParseObject(std::string_view body) {
  json::Limits limits;
  limits.max_bytes = kMaxDdiBodyBytes;
  limits.max_values = 10'000;
  auto value = json::Parse(body, limits);
  if (!value.ok() || !value->is_object()) return kUnreadable;
  return value;
}

template <typename Enum, size_t kSize>
Result<Enum> Word(const std::array<std::string_view, kSize>& words, const json::Value& value, const char* what) {
  for (size_t i = 0; i < kSize; ++i) {
    if (value.is_string() && value.AsString() == words[i]) return static_cast<Enum>(i);
  }
  return Error{ErrorCode::kInvalid, what};
}

// Numbers and truth values as texts, as Jackson does.
std::optional<std::string> AsText(const json::Value& value) {
  if (value.is_string()) return value.AsString();
  if (value.is_number() || value.is_bool()) return json::Write(value);
  return std::nullopt;
}

// Characters, not bytes; -1 for control characters, which are not printable.
int64_t PrintableLength(std::string_view text) {
  int64_t length = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return -1;
    if ((byte & 0xC0) != 0x80) ++length;
  }
  return length;
}

Status CheckAttributeText(std::string_view text, bool may_be_empty) {
  const int64_t length = PrintableLength(text);
  if (length < 0 || length > static_cast<int64_t>(kMaxAttributeText) || (length == 0 && !may_be_empty)) {
    return Error{ErrorCode::kInvalid, "attribute keys are 1 to 128, values up to 128 printable characters"};
  }
  return Ok();
}

// UTF-8 is cut between characters.
std::string CutDetail(std::string text) {
  if (text.size() <= kMaxDetailBytes) return text;
  size_t end = kMaxDetailBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

void ReadDetails(const json::Value& details, std::vector<std::string>* out) {
  if (details.is_array()) {
    for (const json::Value& item : details.items()) {
      if (auto text = AsText(item)) out->push_back(CutDetail(std::move(*text)));
    }
  } else if (auto text = AsText(details)) {
    out->push_back(CutDetail(std::move(*text)));
  }
}

}  // namespace

Result<Feedback> ParseFeedback(std::string_view body) {
  const json::Value value = TILL_TRY(ParseObject(body));
  const json::Value& status = value["status"];
  if (!status.is_object()) return Error{ErrorCode::kInvalid, "status is missing"};
  Feedback feedback;
  feedback.execution = TILL_TRY(Word<Execution>(kExecutions, status["execution"], "status.execution is not known"));
  feedback.finished =
      TILL_TRY(Word<FinishedResult>(kFinished, status["result"]["finished"], "status.result.finished is not known"));
  if (status["code"].is_integer()) feedback.code = status["code"].AsInteger();
  ReadDetails(status["details"], &feedback.details);
  if (feedback.details.size() > kMaxMessages) return Error{ErrorCode::kLimit, "too many messages", kMaxMessages};
  const int64_t timestamp = value["timestamp"].AsInteger();
  feedback.timestamp_ms = timestamp > 0 ? timestamp : 0;
  const json::Value& till = value["till"];
  if (till["seq"].is_integer() && till["seq"].AsInteger() >= 0) {
    feedback.till_seq = static_cast<uint64_t>(till["seq"].AsInteger());
  }
  if (till["bytes"].is_integer() && till["bytes"].AsInteger() > 0) {
    feedback.till_bytes = static_cast<uint64_t>(till["bytes"].AsInteger());
  }
  return feedback;
}

Result<AttributeChange> ParseConfigData(std::string_view body) {
  const json::Value value = TILL_TRY(ParseObject(body));
  AttributeChange change;
  if (value.Has("mode") && !value["mode"].is_null()) {
    constexpr std::array<std::string_view, 3> kModes = {"merge", "replace", "remove"};
    change.mode = TILL_TRY(Word<AttributeMode>(kModes, value["mode"], "mode is merge, replace or remove"));
  }
  if (!value["data"].is_object() || value["data"].members().empty()) {
    return Error{ErrorCode::kInvalid, "data is missing or empty"};
  }
  for (const auto& [key, item] : value["data"].members()) {
    TILL_TRY(CheckAttributeText(key, false));
    auto text = AsText(item);
    if (!text && !item.is_null()) return Error{ErrorCode::kInvalid, "attribute values are texts"};
    if (text) TILL_TRY(CheckAttributeText(*text, true));
    change.data.emplace_back(key, std::move(text));
  }
  return change;
}

Result<InstalledBase> ParseInstalledBase(std::string_view body) {
  const json::Value value = TILL_TRY(ParseObject(body));
  InstalledBase base{value["name"].AsString(), value["version"].AsString()};
  if (base.name.empty() || base.name.size() > kMaxNameBytes * 4 || base.version.empty() ||
      base.version.size() > kMaxVersionBytes * 4) {
    return Error{ErrorCode::kInvalid, "name and version are wanted"};
  }
  return base;
}

}  // namespace till::server
