// The link to the origin: where it is, how we prove ourselves, how long to leave it alone after it failed.
//   Failures (no connection, 5xx, 429, 401) grow a back-off with spread, shared by all who fetch; a success ends it.
//   Each thread fetches through a Courier of its own (core/http's Client is for one thread).
//   Errors: kUnavailable (not now), kNotFound (404, 410), kRefused (401, 403: our token), kCorrupt (an answer that is
//   not what was asked), kLimit, kCanceled. The link: any thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "cdn-edge/counters.h"
#include "core/clock.h"
#include "core/crypto/hash.h"
#include "core/http/client.h"

namespace till::edge {

struct OriginOptions {
  std::string url;      // "https://hub.example", without a slash at its end
  std::string token;    // sent as "Authorization: EdgeToken ..."; "" = none
  std::string ca_file;  // "" = the system's
  int64_t first_backoff_ms = 250;
  int64_t longest_backoff_ms = 10'000;
};

class OriginLink {
 public:
  OriginLink(OriginOptions options, Counters& counters, Clock& clock)
      : options_(std::move(options)), counters_(counters), clock_(clock) {}

  // How long to wait before asking again; 0 = now.
  int64_t BackoffMs();
  unsigned failures();  // in a row
  bool down() { return failures() >= 2; }
  // For people: "ok", "down" (the last request failed) or "token refused" (until an object is answered again).
  const char* state();
  // Metadata is public at a hub; only an answer about an object says something about our token.
  enum class Asked { kObject, kMetadata };
  // What the outcome of a request says about the link.
  void Note(Asked asked, const Status& outcome, int64_t retry_after_s);
  void Cancel() { canceled_ = true; }
  bool canceled() const { return canceled_; }

  const OriginOptions& options() const { return options_; }
  Counters& counters() { return counters_; }
  const std::atomic<bool>& cancel_flag() const { return canceled_; }
  // Set when the origin answered a range request with the whole object: spans are then fetched as one.
  std::atomic<bool> ignores_ranges{false};

 private:
  const OriginOptions options_;
  Counters& counters_;
  Clock& clock_;
  std::atomic<bool> canceled_{false};
  std::mutex mutex_;
  unsigned failures_ = 0;
  int64_t retry_at_ms_ = 0;
  bool told_down_ = false;
  bool token_refused_ = false;  // and told so
};

class Courier {
 public:
  explicit Courier(OriginLink& link);

  // The object's bytes [offset, offset + length), in order. On an Error those given to `on_bytes` so far are good.
  Status FetchObject(const crypto::Sha256Digest& name, uint64_t object_size, uint64_t offset, uint64_t length,
                     const std::function<Status(ByteView)>& on_bytes);
  // Asks for an object nobody has: whether the origin answers, and answers us (kRefused: not with our token).
  Status TryToken();
  // How long a plain object is.
  Result<uint64_t> ObjectSize(const crypto::Sha256Digest& name);
  // A file of signed metadata below `/tenant/tuf/`.
  Result<std::string> FetchMetadata(const std::string& tenant, const std::string& name, uint64_t max_bytes);

 private:
  std::vector<http::HeaderField> Headers() const;

  OriginLink& link_;
  http::Client client_;
};

}  // namespace till::edge
