#include "core/http/channel.h"

#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/bytes.h"

namespace till::http {
namespace {

constexpr size_t kMaxSendfileBytes = 1 << 20;  // per call, so that one fast client does not hold the loop
constexpr size_t kTlsRecordBytes = 16 << 10;

IoResult FromErrno() {
  const bool would_block = errno == EAGAIN || errno == EWOULDBLOCK;
  return {would_block ? Io::kWait : Io::kError, 0};
}

// Appends the part of `text`, which stands at `start` of the run, that lies from `position` on.
void Gather(std::string_view text, uint64_t start, uint64_t position, std::string& out) {
  if (position >= start + text.size() || out.size() >= kTlsRecordBytes) return;
  if (position > start) text.remove_prefix(position - start);
  out.append(text.substr(0, kTlsRecordBytes - out.size()));
}

}  // namespace

uint64_t Run::body_sent() const {
  return position <= prefix.size() ? 0 : std::min<uint64_t>(position - prefix.size(), body_length());
}

void SslEnd::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Channel::Channel(UniqueFd fd, const TlsContext* tls) : fd_(std::move(fd)) {
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls->get()));
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), fd_.get()) != 1) {
    ssl_.reset();
    fd_.Reset();  // never fall back to plain: every call fails now
    return;
  }
  SSL_set_accept_state(ssl_.get());
}

IoResult Channel::FromSsl(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {Io::kWait, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Io::kEnd, 0};
    default:
      return {Io::kError, 0};
  }
}

IoResult Channel::Handshake() {
  if (ssl_ == nullptr) return {fd_.valid() ? Io::kDone : Io::kError, 0};
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? IoResult{Io::kDone, 0} : FromSsl(result);
}

IoResult Channel::Read(char* buffer, size_t capacity) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer, static_cast<int>(std::min<size_t>(capacity, 1 << 30)));
    return got > 0 ? IoResult{Io::kDone, static_cast<size_t>(got)} : FromSsl(got);
  }
  for (;;) {
    const ssize_t got = recv(fd_.get(), buffer, capacity, 0);
    if (got > 0) return {Io::kDone, static_cast<size_t>(got)};
    if (got == 0) return {Io::kEnd, 0};
    if (errno != EINTR) return FromErrno();
  }
}

IoResult Channel::Send(Run& run, std::string& scratch) {
  const IoResult result = ssl_ != nullptr ? SendTls(run, scratch) : SendPlain(run);
  if (result.io == Io::kDone) run.position += result.bytes;
  return result;
}

IoResult Channel::SendPlain(Run& run) {
  const uint64_t body_end = run.prefix.size() + run.body_length();
  for (;;) {
    ssize_t sent = 0;
    if (run.fd >= 0 && run.position >= run.prefix.size() && run.position < body_end) {
      off_t offset = static_cast<off_t>(run.file_offset + run.body_sent());
      const size_t want = std::min<uint64_t>(body_end - run.position, kMaxSendfileBytes);
      sent = sendfile(fd_.get(), run.fd, &offset, want);
      if (sent == 0) return {Io::kError, 0};  // the file is shorter than was promised
    } else {
      std::array<iovec, 3> parts{};
      size_t count = 0;
      uint64_t start = 0;
      const bool before_file = run.fd >= 0 && run.position < run.prefix.size();
      const std::array<std::string_view, 3> texts = {run.prefix, run.body(), run.suffix};
      for (size_t i = 0; i < (before_file ? 1 : texts.size()); ++i) {
        if (i == 2) start = body_end;
        std::string_view text = texts[i];
        text.remove_prefix(run.position > start ? std::min<uint64_t>(run.position - start, text.size()) : 0);
        start += texts[i].size();
        if (!text.empty()) parts[count++] = {const_cast<char*>(text.data()), text.size()};
      }
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = count;
      sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL | (before_file && run.file_length > 0 ? MSG_MORE : 0));
    }
    if (sent >= 0) return {Io::kDone, static_cast<size_t>(sent)};
    if (errno != EINTR) return FromErrno();
  }
}

// A record is filled from wherever the run stands. After a kWait the same bytes are gathered again, as OpenSSL asks.
IoResult Channel::SendTls(Run& run, std::string& scratch) {
  const uint64_t body_end = run.prefix.size() + run.body_length();
  scratch.clear();
  Gather(run.prefix, 0, run.position, scratch);
  if (run.fd >= 0) {
    const uint64_t from = std::max<uint64_t>(run.position, run.prefix.size());
    if (from < body_end && scratch.size() < kTlsRecordBytes) {
      const size_t before = scratch.size();
      const size_t want = std::min<uint64_t>(body_end - from, kTlsRecordBytes - before);
      scratch.resize(before + want);
      const MutableByteView out(reinterpret_cast<std::byte*>(scratch.data()) + before, want);
      const Result<size_t> got = ReadSomeAt(run.fd, run.file_offset + (from - run.prefix.size()), out);
      if (!got.ok() || *got != want) return {Io::kError, 0};
    }
  } else {
    Gather(run.body(), run.prefix.size(), run.position, scratch);
  }
  Gather(run.suffix, body_end, run.position, scratch);
  ERR_clear_error();
  const int sent = SSL_write(ssl_.get(), scratch.data(), static_cast<int>(scratch.size()));
  return sent > 0 ? IoResult{Io::kDone, static_cast<size_t>(sent)} : FromSsl(sent);
}

void Channel::ShutDown() {
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  shutdown(fd_.get(), SHUT_WR);
}

void Channel::Abandon() {
  const linger at_once{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

uint64_t Channel::Unacknowledged() const {
  int bytes = 0;
  return ioctl(fd_.get(), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

}  // namespace till::http
