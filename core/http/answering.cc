#include <array>
#include <charconv>

#include "core/http/connection.h"
#include "core/http/loop.h"

namespace till::http {
namespace {

constexpr int64_t kLingerMs = 2'000;
constexpr uint64_t kMaxLingerBytes = 1 << 20;
constexpr size_t kLingerReadBytes = 64 << 10;

std::string ChunkHead(uint64_t size) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
  return std::string(digits.data(), end) + "\r\n";
}

}  // namespace

// Answers without asking the handler, and ends the connection: what follows on it cannot be trusted.
void Connection::Refuse(int status) {
  loop_.shared().refused.fetch_add(1, std::memory_order_relaxed);
  EndExchange(false);
  keep_alive_ = false;
  unread_body_ = true;
  head_ = {};
  Response response = TextResponse(status, std::to_string(status) + " " + std::string(ReasonPhrase(status)) + "\n");
  AddRetryAfter(response);
  StartResponse(std::move(response));
}

void Connection::StartResponse(Response response) {
  HeadContext context;
  context.is_head = exchange_ != nullptr && exchange_->request.method == "HEAD";
  context.http_1_0 = head_.http_1_0;
  context.keep_alive = keep_alive_ && !loop_.stopping();
  context.date = loop_.date();
  ResponseHead head;
  bool fit = WriteResponseHead(response, context, head);
  const bool in_memory = response.stream == nullptr && head.framing == Framing::kLength;
  if (in_memory && head.length != response.body.size()) fit = false;
  if (!fit) {
    if (response.stream) response.stream->OnDone(0, false);
    response = TextResponse(500, "500 Internal Server Error\n");
    head = {};
    WriteResponseHead(response, context, head);
  }
  loop_.SetDeadline(*this, DeadlineEntry::kNever);
  keep_alive_ = head.keep_alive;
  framing_ = head.framing;
  run_ = {};
  run_lead_.clear();
  body_sent_ = 0;
  stream_ended_ = true;
  stream_waits_ = false;
  rate_window_open_ = false;
  state_ = State::kSending;
  stream_ = std::move(response.stream);
  if (stream_ == nullptr || framing_ == Framing::kNone) {
    run_.prefix = std::move(head.text);
    if (framing_ != Framing::kNone) run_.data = std::move(response.body);
    return;
  }
  stream_left_ = head.length;
  stream_ended_ = framing_ == Framing::kLength && head.length == 0;
  (stream_ended_ ? run_.prefix : run_lead_) = std::move(head.text);
}

// False: the body cannot be completed as it was announced.
bool Connection::TakePiece(Piece piece) {
  const uint64_t size = piece.size();
  switch (piece.kind) {
    case Piece::Kind::kAbort:
      return false;
    case Piece::Kind::kWait:
      stream_waits_ = true;
      run_.prefix = std::exchange(run_lead_, {});
      return true;
    case Piece::Kind::kEnd:
      if (framing_ == Framing::kLength && stream_left_ > 0) return false;
      stream_ended_ = true;
      run_.prefix = std::exchange(run_lead_, {});
      if (framing_ == Framing::kChunked) run_.prefix += "0\r\n\r\n";
      return true;
    case Piece::Kind::kBytes:
    case Piece::Kind::kMemory:
    case Piece::Kind::kFile:
      break;
  }
  if (size == 0) return true;
  if (framing_ == Framing::kLength) {
    if (size > stream_left_) return false;
    stream_left_ -= size;
    stream_ended_ = stream_left_ == 0;
  }
  run_.prefix = std::exchange(run_lead_, {});
  if (framing_ == Framing::kChunked) {
    run_.prefix += ChunkHead(size);
    run_.suffix = "\r\n";
  }
  if (piece.kind == Piece::Kind::kMemory) {
    run_.memory = piece.memory;
  } else if (piece.kind == Piece::Kind::kFile) {
    run_.fd = piece.fd;
    run_.file_offset = piece.offset;
    run_.file_length = size;
  } else {
    run_.data = std::move(piece.bytes);
  }
  return true;
}

Connection::Next Connection::SendRun() {
  if (!writable_) {
    if (!rate_window_open_) {
      rate_window_open_ = true;
      StartRateWindow();
    }
    return Next::kWait;
  }
  const uint64_t before = run_.body_sent();
  const IoResult result = channel_.Send(run_, loop_.scratch());
  if (result.io == Io::kWait) {
    writable_ = false;
    return Next::kGo;
  }
  if (result.io != Io::kDone) {
    Close();
    return Next::kWait;
  }
  sent_total_ += result.bytes;
  if (state_ == State::kSending) {
    loop_.shared().body_bytes_sent.fetch_add(run_.body_sent() - before, std::memory_order_relaxed);
  }
  return Next::kGo;
}

Connection::Next Connection::StepSending() {
  if (!run_.done()) return SendRun();
  body_sent_ += run_.body_length();
  run_ = {};
  if (stream_ended_) {
    FinishResponse();
    return Next::kGo;
  }
  if (!stream_waits_) {
    if (TakePiece(stream_->Next())) return Next::kGo;
    Close();
    return Next::kWait;
  }
  // It is we who are slow: no rate is asked of the client meanwhile, but a client that has gone is noticed.
  rate_window_open_ = false;
  loop_.SetDeadline(*this, DeadlineEntry::kNever);
  if (peer_closed_) Close();
  return Next::kWait;
}

void Connection::EndExchange(bool complete) {
  if (exchange_ != nullptr) exchange_->Detach();
  exchange_.reset();
  if (stream_ == nullptr) return;
  const std::unique_ptr<BodyStream> stream = std::move(stream_);
  stream->OnDone(body_sent_ + run_.body_sent(), complete);
}

void Connection::FinishResponse() {
  EndExchange(true);
  if (!keep_alive_ || framing_ == Framing::kUntilClose) return BeginClose(unread_body_ || !pending().empty());
  state_ = State::kHead;
  unread_body_ = false;
  head_deadline_ms_ = 0;
  input_is_news_ = !pending().empty();
  loop_.SetDeadline(*this, loop_.now_ms() + loop_.shared().options.idle_timeout_ms);
}

// Closing a socket that holds unread bytes resets the connection, and the client may lose the answer that explains
// it: then we end our side and read on for a moment.
void Connection::BeginClose(bool linger) {
  channel_.ShutDown();
  if (!linger) return Close();
  state_ = State::kLinger;
  linger_bytes_ = 0;
  Consume(pending().size());
  loop_.SetDeadline(*this, loop_.now_ms() + kLingerMs);
}

Connection::Next Connection::StepLinger() {
  if (!readable_) return Next::kWait;
  const IoResult result = Read(kLingerReadBytes);
  linger_bytes_ += result.bytes;
  if (result.io == Io::kWait) return Next::kGo;
  if (result.io == Io::kDone && linger_bytes_ <= kMaxLingerBytes) return Next::kGo;
  Close();
  return Next::kWait;
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  EndExchange(false);
  loop_.Bury(*this);
}

}  // namespace till::http
