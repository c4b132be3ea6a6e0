#include "device/gates.h"

#include <array>

#include "core/json/json.h"
#include "core/text.h"

namespace till::device {
namespace {

constexpr size_t kMaxSpans = 16;
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

Error Bad() { return Error{ErrorCode::kInvalid, "a window is [days] HH:MM-HH:MM; ..."}; }

Result<unsigned> ParseDay(std::string_view text) {
  for (unsigned i = 0; i < kDays.size(); i++) {
    if (EqualsIgnoreCase(text, kDays[i])) return i;
  }
  return Bad();
}

// "mon-fri", "sat,sun"
Result<uint8_t> ParseDays(std::string_view text) {
  unsigned days = 0;
  for (const std::string_view part : Split(text, ',')) {
    const size_t dash = part.find('-');
    const unsigned first = TILL_TRY(ParseDay(part.substr(0, dash)));
    const unsigned last = dash == std::string_view::npos ? first : TILL_TRY(ParseDay(part.substr(dash + 1)));
    for (unsigned day = first;; day = (day + 1) % 7) {
      days |= 1u << day;
      if (day == last) break;
    }
  }
  return static_cast<uint8_t>(days);
}

Result<uint16_t> ParseMinute(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return Bad();
  const auto hour = ParseUint(text.substr(0, colon));
  const auto minute = ParseUint(text.substr(colon + 1));
  if (!hour.ok() || !minute.ok() || *hour > 24 || *minute > 59 || *hour * 60 + *minute > 24 * 60) return Bad();
  return static_cast<uint16_t>(*hour * 60 + *minute);
}

Result<WindowSpan> ParseSpan(std::string_view text) {
  WindowSpan span;
  const size_t blank = text.find(' ');
  if (blank != std::string_view::npos) {
    span.days = TILL_TRY(ParseDays(text.substr(0, blank)));
    text = Trim(text.substr(blank));
  }
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return Bad();
  span.from_minute = TILL_TRY(ParseMinute(text.substr(0, dash)));
  span.until_minute = TILL_TRY(ParseMinute(text.substr(dash + 1)));
  if (span.from_minute == span.until_minute) return Bad();
  return span;
}

}  // namespace

Result<std::vector<WindowSpan>> ParseWindow(std::string_view text) {
  std::vector<WindowSpan> spans;
  if (Trim(text).empty()) return spans;
  for (const std::string_view part : Split(text, ';')) {
    if (spans.size() >= kMaxSpans) return Error{ErrorCode::kLimit, "too many windows", kMaxSpans};
    spans.push_back(TILL_TRY(ParseSpan(Trim(part))));
  }
  return spans;
}

bool InWindow(const std::vector<WindowSpan>& spans, const std::tm& local) {
  if (spans.empty()) return true;
  const int minute = local.tm_hour * 60 + local.tm_min;
  const auto today = static_cast<unsigned>(local.tm_wday);
  const unsigned yesterday = (today + 6) % 7;
  for (const WindowSpan& span : spans) {
    const bool on_today = span.days >> today & 1;
    const bool on_yesterday = span.days >> yesterday & 1;
    if (span.from_minute < span.until_minute) {
      if (on_today && minute >= span.from_minute && minute < span.until_minute) return true;
    } else if ((on_today && minute >= span.from_minute) || (on_yesterday && minute < span.until_minute)) {
      return true;
    }
  }
  return false;
}

uint32_t MonthOf(const std::tm& local) {
  return static_cast<uint32_t>(local.tm_year + 1900) * 100 + static_cast<uint32_t>(local.tm_mon + 1);
}

std::string EncodeConsent(const Consent& consent) {
  json::Value value = json::Value::Object();
  value.Set("action", consent.action);
  value.Set("yes", consent.yes);
  value.Set("later_until", consent.later_until_unix_s);
  return json::Write(value) + "\n";
}

Result<Consent> DecodeConsent(std::string_view text) {
  const json::Value value = TILL_TRY(json::Parse(text));
  Consent consent;
  consent.action = value["action"].AsString();
  consent.yes = value["yes"].AsBool();
  consent.later_until_unix_s = value["later_until"].AsInteger();
  return consent;
}

ConsentVerdict JudgeConsent(const Consent& answer, const ConsentQuestion& question) {
  const bool ours = !answer.action.empty() && answer.action == question.action;
  if (ours && answer.yes) return ConsentVerdict::kYes;
  if (question.patience_s > 0 && question.asked_unix_s > 0 &&
      question.now_unix_s >= question.asked_unix_s + question.patience_s) {
    return ConsentVerdict::kYes;
  }
  const bool later = answer.later_until_unix_s > question.now_unix_s &&
                     answer.later_until_unix_s - question.now_unix_s <= kLongestLaterS;
  if (ours && later) return ConsentVerdict::kLater;
  return ConsentVerdict::kAsk;
}

}  // namespace till::device
