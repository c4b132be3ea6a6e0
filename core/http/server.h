// The event-driven HTTP/1.1 server core: one epoll loop per thread, SO_REUSEPORT, OpenSSL linked directly, sendfile.
//   A Handler runs on a loop thread and must not block there: it answers at once, or keeps the Exchange and answers
//   later from any thread (a WorkerPool below), or answers with a BodyStream that waits and is woken.
//   Everything from outside is bounded: header deadline in all (not per read), idle time, minimum body rate both ways,
//   connections in all and per address, body sizes, and the memory of all buffered bodies together. Past a bound the
//   connection gets 408, 413, 429, 431 or 503; silence only under TLS, where saying so would cost a handshake.
//   Served for the handler: Date, Content-Length or chunked framing, HEAD (the body is dropped), keep-alive,
//   pipelining (one at a time), Expect: 100-continue, a last clean close.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/http/message.h"
#include "core/http/worker_pool.h"

namespace till::http {

// What a streaming body yields next.
struct Piece {
  enum class Kind : uint8_t {
    kBytes,   // `bytes`, copied before Next() is called again
    kMemory,  // `memory`, not copied: it must stay until Next() is called again or the stream ends
    kFile,    // `length` bytes of `fd` at `offset`, by sendfile; the fd must live as long as the stream
    kWait,    // nothing yet: Next() is called again after Exchange::Wake()
    kEnd,     // the body is complete
    kAbort,   // cannot go on: the connection is cut, so that the client sees a short body, never a wrong one
  };
  Kind kind = Kind::kEnd;
  std::string bytes;
  std::string_view memory;
  int fd = -1;
  uint64_t offset = 0;
  uint64_t length = 0;
  // Body bytes in it; 0 for what is none.
  uint64_t size() const {
    if (kind == Kind::kFile) return length;
    return kind == Kind::kBytes ? bytes.size() : kind == Kind::kMemory ? memory.size() : 0;
  }
};

// A response body made piece by piece. Next() runs on the loop thread; the destructor too, but for a stream that is
// handed in after the server has stopped: that one ends on the caller's thread.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  virtual Piece Next() = 0;
  // Called once when the exchange is over: body bytes that left for the client (handed to the kernel).
  virtual void OnDone(uint64_t /*sent_bytes*/, bool /*complete*/) {}
};

struct Response {
  int status = 200;
  std::vector<HeaderField> headers;  // Content-Length and Date are added by the server
  std::string body;                  // used when `stream` is null
  std::unique_ptr<BodyStream> stream;
  std::optional<uint64_t> stream_length;  // known length: Content-Length; unknown: chunked. Without a stream only for
                                          // the answer to a HEAD.
};

// A Response of one kind of body, with its Content-Type.
Response TextResponse(int status, std::string text);
Response JsonResponse(int status, std::string json);
// What a failed look-up means for the client: only absence (kNotFound) is 404; out of descriptors, memory or disk is
// 503, for it passes, and caches must not keep it; anything else of ours 500.
int StatusOfFailure(const Error& error);
// An empty answer of that status.
Response FailureResponse(const Error& error);
// To a 503 or 429 without one; others stay as they are.
void AddRetryAfter(Response& response);

// Serves byte ranges of one open file or any offset-addressed body: sets status 200, 206, 304, 412 or 416, ETag,
// Accept-Ranges, Content-Range, multipart/byteranges for 2 to 4 ranges; honours If-Range (strong tags only),
// If-None-Match, If-Match (tags with or without quotes). `make_stream(first, length)` makes the stream for one range,
// on the loop's thread when its turn comes. `etag` comes with its quotes.
struct RangeBody {
  uint64_t size = 0;
  std::string etag;
  std::string content_type = "application/octet-stream";
  std::function<std::unique_ptr<BodyStream>(uint64_t first, uint64_t length)> make_stream;
  bool strict_syntax = false;  // hawkBit's: a malformed Range and overlapping ranges get 416
};
Response RangeResponse(const Request& request, RangeBody body);
// A stream over part of a file; keeps `file` alive.
std::unique_ptr<BodyStream> FileStream(std::shared_ptr<const UniqueFd> file, uint64_t first, uint64_t length);

// Receives a request body that is not buffered. Runs on the loop thread; files on disk are fine, waiting is not.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // An Error ends the upload by its code: kInvalid, kCorrupt 400, kLimit 413 (507 when its detail is ENOSPC or EDQUOT),
  // kRefused 403, kNotFound 404, kConflict 409, kUnsupported 415, kUnavailable 503, others 500.
  virtual Status Write(ByteView bytes) = 0;
};

// One request and its answer. Held by the server and by whoever will answer, hence shared. When the last holder lets
// go of it without an answer, the client gets a 500.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  // The sink given in OnHead(), if any, when OnRequest() runs: its body is complete.
  virtual BodySink* body_sink() = 0;
  // Once, from any thread. After the client has gone it does nothing.
  virtual void Respond(Response response) = 0;
  // From any thread, any time, also after the end: the stream's Next() will be called again.
  virtual void Wake() = 0;
  // True once the client has gone or the answer is out: work for it can stop. A client that ends its side of the
  // connection while it waits is taken as gone.
  virtual bool gone() const = 0;
};

struct BodyPlan;

// A request whose plan is still being made, on another thread; nothing of its body is read meanwhile. When the last
// holder lets go of it without a plan, the client gets a 500.
class PendingPlan {
 public:
  virtual ~PendingPlan() = default;
  virtual const Request& request() const = 0;
  // Once, from any thread. After the client has gone it does nothing.
  virtual void Decide(BodyPlan plan) = 0;
  virtual bool gone() const = 0;
};

// How a request's body is to be taken.
struct BodyPlan {
  uint64_t max_bytes = 64 * 1024;  // above it: 413
  std::unique_ptr<BodySink> sink;  // null: buffered into Request::body
  std::optional<Response> refuse;  // answer now, without reading the body
  // Set: the plan cannot be made here and now. Called once on the loop's thread; what it is given gets the plan, which
  // has no `later` of its own.
  std::function<void(std::shared_ptr<PendingPlan>)> later;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // On a loop thread, when the head is in. The default buffers up to 64 KiB.
  virtual BodyPlan OnHead(const Request& /*request*/) { return {}; }
  // On a loop thread, when the body is in.
  virtual void OnRequest(std::shared_ptr<Exchange> exchange) = 0;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // IPv4 or IPv6 literal
  uint16_t port = 0;                  // 0: the system chooses; see Server::port()
  unsigned loops = 0;                 // 0: one per CPU
  std::string tls_cert_file;          // PEM chain; "" = plain HTTP
  std::string tls_key_file;
  std::string tls_client_ca_file;  // "" = no client certificates asked for
  int64_t header_deadline_ms = 5'000;
  int64_t idle_timeout_ms = 75'000;
  int64_t min_body_rate_bytes_per_s = 64;  // averaged over min_body_rate_window_ms
  int64_t min_body_rate_window_ms = 30'000;
  uint32_t max_connections = 20'000;            // fewer when the descriptors are: see ServerLimits
  uint32_t max_connections_per_address = 0;     // an IPv6 network of 64 bits counts as one; 0: an eighth of all
  std::vector<std::string> proxies;             // IP literals that the bound per address is not for
  uint64_t max_buffered_body_bytes = 64 << 20;  // of all bodies without a sink together; past it: 503
};

// What the options came to. Start() raises the process's soft limit of descriptors (RLIMIT_NOFILE) to the hard one;
// three quarters of it, less 64, are for connections, the rest for what they are answered with.
struct ServerLimits {
  uint32_t max_connections = 0, max_connections_per_address = 0;
};

// Counters since the start, for metrics. Bytes are response body bytes handed to the kernel.
struct ServerCounters {
  uint64_t connections = 0, open_connections = 0, requests = 0, refused = 0, body_bytes_sent = 0;
  uint64_t accept_failures = 0;  // for want of descriptors or memory
};

class Server {
 public:
  // Binds and starts the loops. kConflict when the port is in use (detail: errno), kInvalid for a bad address, proxy or
  // key.
  // `handler` outlives the server.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options, Handler& handler);
  virtual ~Server() = default;  // stops, closing what is open
  virtual uint16_t port() const = 0;
  virtual ServerCounters counters() const = 0;
  virtual ServerLimits limits() const = 0;
  // Stops accepting, lets running exchanges end for at most `grace_ms`, then closes them.
  virtual void Stop(int64_t grace_ms) = 0;
};

}  // namespace till::http
