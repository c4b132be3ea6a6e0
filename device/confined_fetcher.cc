#include "device/confined_fetcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "core/text.h"

namespace till::device {
namespace {

constexpr uint32_t kMaxFrameBytes = 64 << 10;
constexpr size_t kFrameHeadBytes = 5;
constexpr size_t kMaxErrorText = 96;
constexpr size_t kMaxHeaders = 32;
constexpr int kLookForCancelMs = 200;

enum Kind : uint8_t { kDownload = 1, kTryToWrite, kBytes, kWaste, kEnd, kError, kProbed };

void PutText(ByteWriter& out, std::string_view text) {
  out.Varint(text.size());
  out.Append(AsBytes(text));
}

Result<std::string> TakeText(ByteReader& in) {
  const uint64_t length = TILL_TRY(in.Varint());
  return std::string(AsText(TILL_TRY(in.Take(length))));
}

Bytes EncodeRequest(const PayloadSource& source, const FetchRange& range) {
  ByteWriter out;
  PutText(out, source.url);
  out.Varint(source.headers.size());
  for (const http::HeaderField& header : source.headers) {
    PutText(out, header.name);
    PutText(out, header.value);
  }
  out.Varint(range.from);
  out.Varint(range.whole_bytes);
  out.Varint(range.length);
  return std::move(out).Take();
}

Result<http::DownloadCall> DecodeRequest(ByteView bytes) {
  ByteReader in(bytes);
  http::DownloadCall call;
  call.url = TILL_TRY(TakeText(in));
  const uint64_t count = TILL_TRY(in.Varint());
  if (count > kMaxHeaders) return Error{ErrorCode::kLimit, "too many headers", count};
  for (uint64_t i = 0; i < count; i++) {
    http::HeaderField header;
    header.name = TILL_TRY(TakeText(in));
    header.value = TILL_TRY(TakeText(in));
    call.headers.push_back(std::move(header));
  }
  call.from = TILL_TRY(in.Varint());
  call.expected_size = TILL_TRY(in.Varint());
  call.length = TILL_TRY(in.Varint());
  return call;
}

// An Error's text is static, and the child's cannot be: equal texts share one place, and a child that invents new ones
// gets the common one.
const char* Keep(std::string_view text) {
  static std::array<std::array<char, kMaxErrorText + 1>, 24> kept{};
  const std::string clean = Printable(text.substr(0, kMaxErrorText)).substr(0, kMaxErrorText);
  for (auto& place : kept) {
    if (place[0] == 0) memcpy(place.data(), clean.data(), clean.size());
    if (clean == place.data()) return place.data();
  }
  return "the download failed";
}

Bytes EncodeError(const Error& error) {
  ByteWriter out;
  out.U8(static_cast<uint8_t>(error.code));
  out.Varint(error.detail);
  PutText(out, std::string_view(error.what).substr(0, kMaxErrorText));
  return std::move(out).Take();
}

Error DecodeError(ByteView bytes) {
  ByteReader in(bytes);
  const auto code = in.U8();
  const auto detail = in.Varint();
  const auto text = TakeText(in);
  if (!code.ok() || !detail.ok() || !text.ok() || *code > static_cast<uint8_t>(ErrorCode::kCanceled)) {
    return Error{ErrorCode::kUnavailable, "the downloading process makes no sense"};
  }
  return Error{static_cast<ErrorCode>(*code), Keep(*text), *detail};
}

// --- The child ---

Status PutFrame(int fd, uint8_t kind, ByteView body) {
  ByteWriter head;
  head.U8(kind);
  head.U32(static_cast<uint32_t>(body.size()));
  TILL_TRY(WriteAll(fd, head.bytes()));
  return WriteAll(fd, body);
}

bool ReadAll(int fd, MutableByteView out) {
  while (!out.empty()) {
    const ssize_t got = read(fd, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<size_t>(got));
  }
  return true;
}

class Child {
 public:
  Child(int fd, const http::ClientOptions& options, Confined confined) : fd_(fd), http_(options), confined_(confined) {}

  void Serve() {
    for (;;) {
      std::array<std::byte, kFrameHeadBytes> head;
      if (!ReadAll(fd_, head)) return;
      ByteReader in(head);
      const uint8_t kind = in.U8().value();
      const uint32_t length = in.U32().value();
      if (length > kMaxFrameBytes) return;
      Bytes body(length);
      if (!ReadAll(fd_, body)) return;
      const Status answered = kind == kDownload ? Download(body) : TryToWrite(body);
      if (!answered.ok()) return;
    }
  }

 private:
  Status Download(ByteView body) {
    auto call = DecodeRequest(body);
    if (!call.ok()) return PutFrame(fd_, kError, EncodeError(call.error()));
    std::optional<Error> torn;
    call->on_waste = [&](uint64_t bytes) -> Status {
      ByteWriter count;
      count.U64(bytes);
      const Status put = PutFrame(fd_, kWaste, count.bytes());
      if (!put.ok()) torn = put.error();
      return put;
    };
    const auto reply = http_.Download(*call, [&](ByteView bytes) -> Status {
      while (!bytes.empty()) {
        const size_t piece = std::min<size_t>(bytes.size(), kMaxFrameBytes);
        const Status put = PutFrame(fd_, kBytes, bytes.first(piece));
        if (!put.ok()) torn = put.error();
        TILL_TRY(Status(put));
        bytes = bytes.subspan(piece);
      }
      return Ok();
    });
    // Behind half a frame nothing is understood, not even an error: the end of this process is.
    if (torn) return *torn;
    if (!reply.ok()) return PutFrame(fd_, kError, EncodeError(reply.error()));
    ByteWriter end;
    end.U32(static_cast<uint32_t>(reply->status));
    return PutFrame(fd_, kEnd, end.bytes());
  }

  Status TryToWrite(ByteView body) {
    const std::string path(AsText(body));
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const int error = fd < 0 ? errno : 0;
    if (fd >= 0) close(fd);
    unsigned open_files = 0;
    for (int i = 0; i < 1024; i++) open_files += fcntl(i, F_GETFD) >= 0 ? 1 : 0;
    ByteWriter out;
    out.U32(static_cast<uint32_t>(error));
    out.U32(open_files);
    out.U8(confined_.user_dropped ? 1 : 0);
    out.U8(confined_.filtered ? 1 : 0);
    return PutFrame(fd_, kProbed, out.bytes());
  }

  int fd_;
  http::Client http_;
  Confined confined_;
};

[[noreturn]] void LiveAsChild(int fd, const ConfinedFetcher::Options& options, pid_t parent) {
  // The owner ends it; a Ctrl-C or SIGTERM to the group goes to the owner's plans first.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  CloseAllBut(fd);
  const auto confined = ConfineThisProcess(options.user);
  if (confined.ok() && getppid() == parent) {
    http::ClientOptions http = options.http;
    http.cancel = nullptr;
    Child(fd, http, *confined).Serve();
  }
  _exit(0);
}

Error Died() { return Error{ErrorCode::kUnavailable, "the downloading process ended"}; }

}  // namespace

// --- The owner ---

struct ConfinedFetcher::Frame {
  uint8_t kind = 0;
  Bytes body;
};

ConfinedFetcher::~ConfinedFetcher() { End(); }

void ConfinedFetcher::End() {
  socket_.Reset();
  if (child_ <= 0) return;
  kill(child_, SIGKILL);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
}

Status ConfinedFetcher::Start() {
  if (child_ > 0) return Ok();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return SystemError("cannot make a socket pair");
  socket_ = UniqueFd(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t self = getpid();
  child_ = fork();
  if (child_ == 0) LiveAsChild(theirs.get(), options_, self);
  if (child_ < 0) {
    socket_.Reset();
    return SystemError("cannot start the downloading process");
  }
  return Ok();
}

Status ConfinedFetcher::Send(uint8_t kind, ByteView body) {
  if (body.size() > kMaxFrameBytes) return Error{ErrorCode::kInvalid, "the request is too long", body.size()};
  TILL_TRY(Start());
  if (!PutFrame(socket_.get(), kind, body).ok()) return Died();
  return Ok();
}

Status ConfinedFetcher::WaitReadable() {
  for (;;) {
    if (options_.http.cancel && options_.http.cancel->load()) return Error{ErrorCode::kCanceled, "stopped"};
    pollfd wanted{socket_.get(), POLLIN, 0};
    const int ready = poll(&wanted, 1, kLookForCancelMs);
    if (ready > 0) return Ok();
    if (ready < 0 && errno != EINTR) return SystemError("cannot wait for the downloading process");
  }
}

Status ConfinedFetcher::ReadExactly(MutableByteView out) {
  while (!out.empty()) {
    TILL_TRY(WaitReadable());
    const ssize_t got = read(socket_.get(), out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Died();
    out = out.subspan(static_cast<size_t>(got));
  }
  return Ok();
}

Result<ConfinedFetcher::Frame> ConfinedFetcher::Receive() {
  std::array<std::byte, kFrameHeadBytes> head;
  TILL_TRY(ReadExactly(head));
  ByteReader in(head);
  Frame frame;
  frame.kind = TILL_TRY(in.U8());
  const uint32_t length = TILL_TRY(in.U32());
  if (length > kMaxFrameBytes) return Error{ErrorCode::kUnavailable, "the downloading process makes no sense"};
  frame.body.resize(length);
  TILL_TRY(ReadExactly(frame.body));
  return frame;
}

Result<int> ConfinedFetcher::Follow(ByteView request, const std::function<Status(ByteView)>& on_bytes,
                                    const std::function<Status(uint64_t)>& on_waste) {
  TILL_TRY(Send(kDownload, request));
  for (;;) {
    const Frame frame = TILL_TRY(Receive());
    if (frame.kind == kError) return DecodeError(frame.body);
    if (frame.kind == kEnd) return static_cast<int>(TILL_TRY(ByteReader(frame.body).U32()));
    if (frame.kind == kWaste) {
      TILL_TRY(on_waste(TILL_TRY(ByteReader(frame.body).U64())));
      continue;
    }
    if (frame.kind != kBytes) return Error{ErrorCode::kUnavailable, "the downloading process makes no sense"};
    TILL_TRY(on_bytes(frame.body));
  }
}

Result<int> ConfinedFetcher::Fetch(const PayloadSource& source, const FetchRange& range,
                                   const std::function<Status(ByteView)>& on_bytes) {
  bool told = false;  // an Error of the taker's, not of the transfer
  const auto heard = [&](const Status& taken) { return told = !taken.ok(), taken; };
  auto status = Follow(
      EncodeRequest(source, range), [&](ByteView bytes) { return heard(on_bytes(bytes)); },
      [&](uint64_t bytes) { return heard(Waste(bytes)); });
  // What ended in the middle may have more on its way; what ended by itself serves again.
  const bool broken = !status.ok() && (told || status.error().code == ErrorCode::kCanceled ||
                                       strncmp(status.error().what, "the downloading process", 23) == 0);
  if (broken) End();
  return status;
}

Result<ConfinedFetcher::Probe> ConfinedFetcher::TryToWrite(const std::string& path) {
  TILL_TRY(Send(kTryToWrite, AsBytes(path)));
  const auto frame = Receive();
  if (!frame.ok()) End();
  if (!frame.ok()) return frame.error();
  ByteReader in(frame->body);
  Probe probe;
  probe.open_error = static_cast<int>(TILL_TRY(in.U32()));
  probe.open_files = TILL_TRY(in.U32());
  probe.confined.user_dropped = TILL_TRY(in.U8()) == 1;
  probe.confined.filtered = TILL_TRY(in.U8()) == 1;
  return probe;
}

}  // namespace till::device
