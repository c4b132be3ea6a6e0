// The link to the origin: where it is, how we prove ourselves, how long to leave it alone after it failed.
//   Failures (no connection, 5xx, 429, 401) grow a back-off with spread, shared by all who fetch; a success ends it.
//   What was asked before the last failure was noted fails with it and grows nothing. The back-off stays below a second
//   (unless the origin asks for more), so that those who wait wait no longer than the outage and that.
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
  int64_t longest_backoff_ms = 1'000;
};

class OriginLink {
 public:
  OriginLink(OriginOptions options, Counters& counters, Clock& clock)
      : options_(std::move(options)), counters_(counters), clock_(clock) {}

  // How long to wait before asking again; 0 = now.
  int64_t BackoffMs();
  // For people: "ok", "down" (the last request failed), "certificate not trusted" or "token refused" (until an object
  // is answered again).
  const char* state();
  bool down();  // the last request failed
  // Nobody need wait: it refuses us, or has been away for `patience_ms` and is in its back-off.
  bool hopeless(int64_t patience_ms);
  // When bytes of an object last came from it, monotonic; far in the past before the first. Whoever waits for more of
  // them waits on as long as this moves.
  int64_t progress_ms() const { return progress_ms_; }
  void Progressed() { progress_ms_ = clock_.MonotonicMs(); }
  // Metadata is public at a hub; only an answer about an object says something about our token.
  enum class Asked { kObject, kMetadata };
  int64_t now_ms() const { return clock_.MonotonicMs(); }
  // What the outcome of a request that began at `began_ms` says about the link.
  void Note(Asked asked, int64_t began_ms, const Status& outcome, int64_t retry_after_s);
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
  void GrowBackoff(int64_t retry_after_s);
  void Tell(const Error& error);

  std::atomic<int64_t> progress_ms_{-1'000'000'000};
  unsigned failures_ = 0;  // in a row, those of one time counted once
  int64_t failed_ms_ = 0;  // when the last of them was noted
  int64_t down_since_ms_ = 0;
  int64_t retry_at_ms_ = 0;
  bool told_down_ = false;
  bool not_trusted_ = false;    // its certificate; and told so
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
