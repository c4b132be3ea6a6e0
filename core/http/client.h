// HTTP client on libcurl: small exchanges with capped bodies, and downloads that resume.
//   One Client per thread; it keeps its connections. Redirects are not followed; only http and https; no compression.
//   Errors: kUnavailable (detail: curl code) for network trouble and timeouts, kLimit for a body above its cap,
//   kInvalid for a bad URL, kCanceled. An answer with any HTTP status is a Reply, not an Error.
//   A certificate that does not verify is kUnavailable too, since to some a later try, elsewhere or by a set clock, is
//   all there is to do; IsCertificateRefusal() tells it apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"

namespace till::http {

struct ClientOptions {
  std::string user_agent = "tillrace";
  std::string ca_file;           // PEM; "" = the system's
  std::string client_cert_file;  // PEM; "" = none
  std::string client_key_file;
  // The same as texts, for a process that may not read the key's file; they go before the files.
  std::string client_cert_pem, client_key_pem;
  // Answers the earliest time it can be when the wall clock is known to be wrong, 0 when it is not: certificates are
  // then judged by that (tls_time.h). Only with a ca_file, and where libcurl stands on OpenSSL.
  std::function<int64_t()> earliest_unix_s{};
  int64_t connect_timeout_ms = 15'000;
  // Of Send(). Downloads and uploads of files have none: they are bounded by the minimum rate.
  int64_t total_timeout_ms = 60'000;
  int64_t min_rate_bytes_per_s = 10;  // below this for min_rate_window_s the transfer is given up
  int64_t min_rate_window_s = 60;
  uint64_t max_receive_bytes_per_s = 0;  // 0 = no cap
  std::string proxy;                     // "http://host:port"; "" = none
  // Not owned, may be null, outlives the Client. When it turns true, a running call ends within a second: kCanceled.
  const std::atomic<bool>* cancel = nullptr;
};

struct HeaderField {
  std::string name;
  std::string value;
};

// The `{}` let callers name only what they set: Call{.method = "PUT", .url = url}.
struct Call {
  std::string method = "GET";
  std::string url{};
  std::vector<HeaderField> headers{};
  std::string body{};
  std::string body_file{};  // when set, the body is this file, streamed (PUT and POST)
  uint64_t max_reply_bytes = 1 << 20;
};

struct Reply {
  int status = 0;
  std::vector<HeaderField> headers;
  std::string body;
  std::string_view header(std::string_view name) const;  // case-insensitive; "" when absent
};

struct DownloadCall {
  std::string url{};
  std::vector<HeaderField> headers{};
  uint64_t from = 0;       // first byte wanted; above 0 a Range request is sent
  uint64_t length = 0;     // bytes wanted from there, also by Range ("bytes=from-last"); 0 = to the end. After a 200
                           // exactly these are delivered and the connection is cut; a 206 that holds others is kCorrupt
  std::string if_range{};  // strong ETag of what we have the start of, or ""
  uint64_t expected_size = 0;  // whole object; 0 = not known. More bytes than this are kLimit.
  // Told of body bytes that came and were not delivered (of another range, above the answer's range, of an answer with
  // another status): on a metered link they are paid for too. Its Error ends the transfer.
  std::function<Status(uint64_t bytes)> on_waste{};
};

struct DownloadReply {
  int status = 0;
  uint64_t first_byte = 0;  // where the answer's bytes start: `from` after 206, 0 after 200
  uint64_t received = 0;    // bytes given to `on_bytes`
  uint64_t total_size = 0;  // of the whole object, 0 when the server did not say
  std::string etag;
  int64_t retry_after_s = -1;  // from a 429 or 503; an HTTP date is turned into seconds
};

// Whether an Error of Client says that the server's certificate does not verify.
bool IsCertificateRefusal(const Error& error);
// Whether it says that something is there, but speaks no HTTP; or that it gave no answer at all, as a TLS port may that
// is asked by http://, and a server that just ends.
bool SpeaksNoHttp(const Error& error);
bool GaveNoAnswer(const Error& error);

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;

  Result<Reply> Send(const Call& call);

  // Streams the object's bytes, in order, from `from` on. A server that answers 200 to a Range request is told from
  // one that answers 206 (first_byte), and the bytes before `from` are then skipped, not delivered. A 206 whose
  // Content-Range is not what was asked is kCorrupt, and so is a total size other than expected_size. A 200 to a
  // request with `if_range` whose ETag is not that one is kConflict: the object changed, begin again. With any other
  // status than 200 and 206 nothing is delivered, and the status is the answer. `on_bytes` runs on the calling thread;
  // its Error ends the transfer and is the answer. When the connection breaks in the middle the answer is kUnavailable
  // and `*progress` holds what was delivered, so that the caller can go on from there.
  Result<DownloadReply> Download(const DownloadCall& call, const std::function<Status(ByteView)>& on_bytes,
                                 DownloadReply* progress = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace till::http
