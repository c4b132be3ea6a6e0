#include "cdn-edge/origin.h"

#include <algorithm>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "core/log.h"
#include "core/text.h"

namespace till::edge {
namespace {

http::ClientOptions ClientOptionsFor(const OriginLink& link) {
  http::ClientOptions options;
  options.user_agent = "tilledge";
  options.ca_file = link.options().ca_file;
  options.connect_timeout_ms = 5'000;
  options.total_timeout_ms = 20'000;
  options.min_rate_bytes_per_s = 64;  // an edge may hang on a weak link; silence is what we give up on
  options.min_rate_window_s = 15;
  options.cancel = &link.cancel_flag();
  return options;
}

// A status that is no success, as our callers decide by.
Error StatusError(int status) {
  const auto detail = static_cast<uint64_t>(status);
  if (status == 404 || status == 410) return {ErrorCode::kNotFound, "the origin has no such object", detail};
  if (status == 401 || status == 403) return {ErrorCode::kRefused, "the origin refuses us", detail};
  if (status == 416) return {ErrorCode::kCorrupt, "the origin's object has another length", detail};
  return {ErrorCode::kUnavailable, "the origin cannot serve now", detail};
}

int64_t RetryAfter(const http::Reply& reply) {
  const auto seconds = ParseUint(reply.header("Retry-After"));
  return seconds.ok() && *seconds < 3600 ? static_cast<int64_t>(*seconds) : -1;
}

}  // namespace

int64_t OriginLink::BackoffMs() {
  const std::lock_guard lock(mutex_);
  return std::max<int64_t>(0, retry_at_ms_ - clock_.MonotonicMs());
}

const char* OriginLink::state() {
  const std::lock_guard lock(mutex_);
  if (token_refused_) return "token refused";
  if (not_trusted_) return "certificate not trusted";
  return failures_ > 0 ? "down" : "ok";
}

bool OriginLink::down() {
  const std::lock_guard lock(mutex_);
  return failures_ > 0;
}

bool OriginLink::hopeless(int64_t patience_ms) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  if (failures_ == 0 || now_ms >= retry_at_ms_) return false;  // the next try may be the one that succeeds
  return token_refused_ || not_trusted_ || now_ms - down_since_ms_ >= patience_ms;
}

void OriginLink::Note(Asked asked, int64_t began_ms, const Status& outcome, int64_t retry_after_s) {
  if (!outcome.ok() && outcome.error().code == ErrorCode::kCanceled) return;
  const std::lock_guard lock(mutex_);
  const bool refused = !outcome.ok() && outcome.error().code == ErrorCode::kRefused;
  if (outcome.ok() || (outcome.error().code != ErrorCode::kUnavailable && !refused)) {
    if (told_down_ || not_trusted_) log::Info("the origin answers again");
    failures_ = 0;
    retry_at_ms_ = 0;
    told_down_ = false;
    not_trusted_ = false;
    if (asked == Asked::kObject) token_refused_ = false;
    return;
  }
  ++counters_.origin_failures;
  if (failures_ == 0 || began_ms > failed_ms_) GrowBackoff(retry_after_s);
  Tell(outcome.error());
}

void OriginLink::GrowBackoff(int64_t retry_after_s) {
  failed_ms_ = clock_.MonotonicMs();
  if (failures_ == 0) down_since_ms_ = failed_ms_;
  const unsigned shift = std::min(failures_, 16U);
  ++failures_;
  int64_t wait_ms = std::min(options_.longest_backoff_ms, options_.first_backoff_ms << shift);
  if (retry_after_s >= 0) wait_ms = std::max(wait_ms, std::min<int64_t>(retry_after_s, 60) * 1000);
  const Bytes random = crypto::RandomBytes(1);
  wait_ms =
      wait_ms / 2 + wait_ms * std::to_integer<int64_t>(random[0]) / 512;  // half to whole: edges must not march in step
  retry_at_ms_ = failed_ms_ + wait_ms;
}

void OriginLink::Tell(const Error& error) {
  if (error.code == ErrorCode::kRefused) {
    if (!token_refused_) Complain(kTokenRefused, options_.url, &error);
    token_refused_ = true;
  } else if (http::IsCertificateRefusal(error)) {
    if (!not_trusted_) Complain(kOriginNotTrusted, options_.url, &error);
    not_trusted_ = true;
  } else {
    not_trusted_ = false;
    if (failures_ >= 2 && !told_down_) {
      Complain(kOriginUnreachable, options_.url, &error);
      told_down_ = true;
    }
  }
}

Courier::Courier(OriginLink& link) : link_(link), client_(ClientOptionsFor(link)) {}

std::vector<http::HeaderField> Courier::Headers() const {
  std::vector<http::HeaderField> headers;
  if (!link_.options().token.empty()) headers.push_back({"Authorization", "EdgeToken " + link_.options().token});
  return headers;
}

Status Courier::FetchObject(const crypto::Sha256Digest& name, uint64_t object_size, uint64_t offset, uint64_t length,
                            const std::function<Status(ByteView)>& on_bytes) {
  http::DownloadCall call;
  call.url = link_.options().url + "/a/" + ToHex(name);
  call.headers = Headers();
  call.from = offset;
  // A request for all of it needs no Range: an origin that cannot do ranges serves it just as well.
  call.length = offset == 0 && length == object_size ? 0 : length;
  call.expected_size = object_size;
  ++link_.counters().origin_requests;
  const int64_t began_ms = link_.now_ms();
  http::DownloadReply progress;
  uint64_t received = 0;
  const auto reply = client_.Download(
      call,
      [&](ByteView bytes) {
        received += bytes.size();
        link_.counters().bytes_filled += bytes.size();
        link_.Progressed();
        return on_bytes(bytes);
      },
      &progress);
  Status outcome;
  int64_t retry_after_s = progress.retry_after_s;
  if (!reply.ok()) {
    outcome = reply.error();
  } else {
    retry_after_s = reply->retry_after_s;
    if (reply->status == 200 && offset > 0) link_.ignores_ranges = true;
    if (reply->status != 200 && reply->status != 206) {
      outcome = StatusError(reply->status);
    } else if (reply->total_size != 0 && reply->total_size != object_size) {
      outcome = Error{ErrorCode::kCorrupt, "the origin's object has another length", reply->total_size};
    } else if (received != length) {
      outcome = Error{ErrorCode::kUnavailable, "the origin's answer ended early", received};
    }
  }
  link_.Note(OriginLink::Asked::kObject, began_ms, outcome, retry_after_s);
  return outcome;
}

Status Courier::TryToken() {
  const auto answer = ObjectSize(crypto::Sha256Digest{});
  return answer.ok() || answer.error().code == ErrorCode::kNotFound ? Ok() : answer.error();
}

Result<uint64_t> Courier::ObjectSize(const crypto::Sha256Digest& name) {
  http::Call call;
  call.method = "HEAD";
  call.url = link_.options().url + "/a/" + ToHex(name);
  call.headers = Headers();
  ++link_.counters().origin_requests;
  const int64_t began_ms = link_.now_ms();
  const auto reply = client_.Send(call);
  Status outcome;
  uint64_t size = 0;
  if (!reply.ok()) {
    outcome = reply.error();
  } else if (reply->status != 200) {
    outcome = StatusError(reply->status);
  } else {
    const auto length = ParseUint(reply->header("Content-Length"));
    if (length.ok()) {
      size = *length;
    } else {
      outcome = Error{ErrorCode::kCorrupt, "the origin does not say how long the object is"};
    }
  }
  link_.Note(OriginLink::Asked::kObject, began_ms, outcome, reply.ok() ? RetryAfter(*reply) : -1);
  if (!outcome.ok()) return outcome.error();
  return size;
}

Result<std::string> Courier::FetchMetadata(const std::string& tenant, const std::string& name, uint64_t max_bytes) {
  http::Call call;
  call.url = link_.options().url + "/" + tenant + "/tuf/" + name;
  call.max_reply_bytes = max_bytes;
  const int64_t began_ms = link_.now_ms();
  auto reply = client_.Send(call);
  Status outcome;
  if (!reply.ok()) {
    outcome = reply.error();
  } else if (reply->status != 200) {
    outcome = StatusError(reply->status);
  }
  link_.Note(OriginLink::Asked::kMetadata, began_ms, outcome, reply.ok() ? RetryAfter(*reply) : -1);
  if (!outcome.ok()) return outcome.error();
  link_.counters().bytes_metadata += reply->body.size();
  return std::move(reply->body);
}

}  // namespace till::edge
