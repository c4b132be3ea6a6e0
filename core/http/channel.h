// One accepted socket, plain or under TLS, and what is being sent on it. Non-blocking; one loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/result.h"

struct ssl_ctx_st;  // OpenSSL's
struct ssl_st;

namespace till::http {

// A stretch of output: prefix, then body bytes (ours, borrowed or of a file), then suffix. Never changed once sending
// began.
struct Run {
  std::string prefix;
  std::string data;
  std::string_view memory;  // not owned; instead of `data`
  int fd = -1;  // not owned; when valid the body is file_length bytes of it at file_offset, and `data` is empty
  uint64_t file_offset = 0;
  uint64_t file_length = 0;
  std::string suffix;
  uint64_t position = 0;  // of the whole, how much the kernel took

  std::string_view body() const { return memory.empty() ? std::string_view(data) : memory; }
  uint64_t body_length() const { return fd >= 0 ? file_length : body().size(); }
  uint64_t length() const { return prefix.size() + body_length() + suffix.size(); }
  bool done() const { return position == length(); }
  uint64_t body_sent() const;
};

enum class Io : uint8_t { kDone, kWait, kEnd, kError };
struct IoResult {
  Io io = Io::kError;
  size_t bytes = 0;
};

struct SslContextEnd {
  void operator()(ssl_ctx_st* context) const;
};
struct SslEnd {
  void operator()(ssl_st* ssl) const;
};

// Certificate, key and rules of a server; shared by its loops, unchanged after Load().
class TlsContext {
 public:
  // kInvalid when a file cannot be used. TLS 1.2 at least, tickets, no renegotiation, no compression. With a client CA,
  // client certificates are asked for and, when one is shown, it must verify.
  static Result<std::unique_ptr<TlsContext>> Load(const std::string& cert_file, const std::string& key_file,
                                                  const std::string& client_ca_file);
  ssl_ctx_st* get() const { return context_.get(); }

 private:
  std::unique_ptr<ssl_ctx_st, SslContextEnd> context_;
};

class Channel {
 public:
  // `tls` may be null: plain. Otherwise it outlives the Channel.
  Channel(UniqueFd fd, const TlsContext* tls);

  IoResult Handshake();
  IoResult Read(char* buffer, size_t capacity);
  // Sends some of what is left of the run and advances it. `scratch` is memory for TLS records.
  IoResult Send(Run& run, std::string& scratch);
  // Says goodbye under TLS, and ends our direction.
  void ShutDown();
  // Lets the kernel drop what the peer has not taken, with a reset, when the channel ends.
  void Abandon();

  int fd() const { return fd_.get(); }
  bool tls() const { return ssl_ != nullptr; }
  // Bytes that the kernel took and the peer has not acknowledged.
  uint64_t Unacknowledged() const;
  // Of the verified client certificate; "" when none was shown.
  std::string ClientCertName() const;
  std::string ClientCertSha256() const;

 private:
  IoResult SendPlain(Run& run);
  IoResult SendTls(Run& run, std::string& scratch);
  IoResult FromSsl(int result);

  UniqueFd fd_;
  std::unique_ptr<ssl_st, SslEnd> ssl_;
};

}  // namespace till::http
