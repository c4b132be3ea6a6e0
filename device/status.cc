#include "device/status.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>

#include "core/file.h"
#include "core/json/json.h"
#include "core/log.h"

namespace till::device {
namespace {

constexpr int64_t kSameAgainMs = 3'600'000;

}  // namespace

void StatusFile::Write(const AgentState& state, uint64_t received_bytes, bool force) {
  const int64_t now_ms = clock_.MonotonicMs();
  if (!force && now_ms - written_ms_ < 500) return;
  const SlotImage& here = state.slot(running_);
  const bool known = here.known && image_known_;
  const bool busy = state.phase != Phase::kIdle;
  json::Value out = json::Value::Object();
  out.Set("state", PhaseName(state.phase));
  out.Set("running_slot", SlotName(running_));
  out.Set("version", known ? here.version : "");
  out.Set("image", known ? ToHex(here.sha256) : "");
  out.Set("action", state.action);
  out.Set("payload", busy ? ToHex(state.plan.payload) : "");
  out.Set("payload_kind", busy ? PlanKindName(state.plan.kind) : "");
  out.Set("payload_bytes", busy ? state.total_bytes : 0);
  out.Set("received_bytes", received_bytes);
  out.Set("applier_peak_rss_kib", state.peak_rss_kib);
  out.Set("waiting_for", state.waiting_for);
  out.Set("month_bytes", state.month_bytes);
  out.Set("last_error", last_error_);
  out.Set("last_error_time", last_error_.empty() ? "" : FormatUtc(last_error_unix_s_));
  out.Set("last_action", state.closed_action);
  if (!contact_.empty()) {
    json::Value contact = json::Value::Object();
    contact.Set("problem", contact_);
    contact.Set("do", contact_mend_);
    contact.Set("since", FormatUtc(contact_since_unix_s_));
    out.Set("contact", std::move(contact));
  }
  if (!state.trouble.text.empty()) {
    json::Value failure = json::Value::Object();
    failure.Set("reason", state.trouble.text);
    failure.Set("action", state.trouble.action);
    failure.Set("version", state.trouble.version);
    failure.Set("time", FormatUtc(state.trouble.unix_s));
    out.Set("last_failure", std::move(failure));
  }
  out.Set("pending_feedback", static_cast<uint64_t>(state.feedbacks.size()));
  if (freshness_ != Freshness::kNotKnown) out.Set("stale", freshness_ == Freshness::kStale);
  std::string text = json::Write(out);
  if (text == written_ && now_ms - written_ms_ < kSameAgainMs) return;
  written_ = std::move(text);
  written_ms_ = now_ms;
  out.Set("time", FormatUtc(clock_.UnixMs() / 1000));
  const Status written = Replace(json::WritePretty(out) + "\n");
  if (written.ok()) return;
  written_.clear();
  log::Debug("the status file cannot be written", {{"cause", written.error()}});
}

void StatusFile::SetError(std::string text) {
  last_error_ = std::move(text);
  last_error_unix_s_ = clock_.UnixMs() / 1000;
}

bool StatusFile::SetContact(const Refusal* refusal) {
  std::string text = refusal ? refusal->Reason() : "";
  if (text == contact_) return false;
  if (contact_.empty()) contact_since_unix_s_ = clock_.UnixMs() / 1000;
  contact_ = std::move(text);
  contact_mend_ = refusal ? refusal->fault->mend : "";
  return true;
}

// A restart forgets no error: `tilld why` is asked afterwards.
void StatusFile::Recall() {
  const auto text = ReadTextFile(path_);
  const auto value = text.ok() ? json::Parse(*text) : Result<json::Value>(text.error());
  if (!value.ok()) return;
  last_error_ = (*value)["last_error"].AsString().substr(0, 1024);
  last_error_unix_s_ = std::max<int64_t>(ParseUtc((*value)["last_error_time"].AsString()), 0);
  const json::Value& contact = (*value)["contact"];
  contact_ = contact["problem"].AsString().substr(0, 1024);
  contact_mend_ = contact["do"].AsString().substr(0, 1024);
  contact_since_unix_s_ = std::max<int64_t>(ParseUtc(contact["since"].AsString()), 0);
}

// Atomic for readers, not durable: it says what goes on now, and each sync would cost flash and time.
Status StatusFile::Replace(const std::string& text) {
  const std::string beside = path_ + ".new";
  {
    const UniqueFd fd = TILL_TRY(OpenFile(beside, O_WRONLY | O_CREAT | O_TRUNC));
    TILL_TRY(WriteAll(fd.get(), AsBytes(text)));
  }
  if (rename(beside.c_str(), path_.c_str()) != 0) return SystemError("cannot replace the status file");
  return Ok();
}

}  // namespace till::device
