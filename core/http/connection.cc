#include "core/http/connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "core/http/loop.h"

namespace till::http {
namespace {

constexpr size_t kHeadReadBytes = 16 << 10;
constexpr size_t kBodyReadBytes = 64 << 10;
constexpr size_t kSmallHeadBytes = 8 << 10;  // below it only a line's end can change what the parser says
constexpr size_t kKeptInputBytes = 1 << 10;  // of an idle connection's buffer
constexpr int kMaxTurns = 16;                // of one connection before the others have theirs
constexpr int64_t kRefusalDeadlineMs = 1'000;

// What a failed sink means for the client.
int StatusOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kCorrupt:
      return 400;
    case ErrorCode::kLimit:  // a full disk carries its errno (core/file.h)
      return error.detail == ENOSPC || error.detail == EDQUOT ? 507 : 413;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kRefused:
      return 403;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kUnsupported:
      return 415;
    default:
      return StatusOfFailure(error);
  }
}

int RefusalStatus(Entry entry) { return entry == Entry::kTooMany ? 429 : 503; }

}  // namespace

Connection::Connection(Loop& loop, Channel channel, std::string peer, std::string address, Entry entry)
    : loop_(loop), channel_(std::move(channel)), peer_(std::move(peer)), address_(std::move(address)), entry_(entry) {}

Connection::~Connection() { loop_.shared().admission->Leave(address_, entry_); }

void Connection::Start() {
  const int64_t wait_ms = refused() ? kRefusalDeadlineMs : loop_.shared().options.header_deadline_ms;
  loop_.SetDeadline(*this, loop_.now_ms() + wait_ms);
  if (!channel_.tls()) {
    state_ = State::kHead;
    head_deadline_ms_ = deadline_ms;
  }
}

void Connection::OnEvents(uint32_t events) {
  if (state_ == State::kClosed) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return Close();
  if ((events & EPOLLRDHUP) != 0) peer_closed_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) readable_ = true;
  if ((events & EPOLLOUT) != 0) writable_ = true;
  Advance();
}

void Connection::OnNews() {
  if (state_ == State::kPlanning) {
    BodyPlan plan;
    if (!exchange_->TakePlan(plan)) return;
    FollowPlan(std::move(plan));
  } else if (state_ == State::kHandler) {
    Response response;
    if (!exchange_->TakeResponse(response)) return;
    StartResponse(std::move(response));
  } else if (state_ == State::kSending && stream_waits_) {
    stream_waits_ = false;
  }
  Advance();
}

void Connection::OnServerStops() {
  if (state_ == State::kHandshake || (state_ == State::kHead && pending().empty())) Close();
}

void Connection::OnDeadline() {
  switch (state_) {
    case State::kHead:
      if (pending().empty() && !refused()) return Close();
      Refuse(refused() ? RefusalStatus(entry_) : 408);
      return Advance();
    case State::kContinue:
    case State::kBody:
      if (!RateIsTooLow(body_taken_)) return StartRateWindow();
      Refuse(408);
      return Advance();
    case State::kSending:
      if (!RateIsTooLow(BytesTakenByPeer())) return StartRateWindow();
      channel_.Abandon();  // or megabytes would wait in the kernel for a reader who takes nothing
      return Close();
    case State::kHandshake:
    case State::kLinger:
      return Close();
    case State::kPlanning:
    case State::kHandler:
    case State::kClosed:
      return;
  }
}

void Connection::Advance() {
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    if (Step() == Next::kWait) return;
  }
  if (!waits_again && state_ != State::kClosed) {
    waits_again = true;
    loop_.Again(*this);
  }
}

Connection::Next Connection::Step() {
  switch (state_) {
    case State::kHandshake:
      return StepHandshake();
    case State::kHead:
      return StepHead();
    case State::kContinue:
      return StepContinue();
    case State::kBody:
      return StepBody();
    case State::kPlanning:
    case State::kHandler:
      // Nobody waits for the answer any more: a client that closed its side is taken as gone.
      if (peer_closed_) Close();
      return Next::kWait;
    case State::kSending:
      return StepSending();
    case State::kLinger:
      return StepLinger();
    case State::kClosed:
      break;
  }
  return Next::kWait;
}

Connection::Next Connection::StepHandshake() {
  const IoResult result = channel_.Handshake();
  if (result.io == Io::kWait) return Next::kWait;
  if (result.io != Io::kDone) {
    Close();
    return Next::kWait;
  }
  state_ = State::kHead;
  head_deadline_ms_ = refused() ? deadline_ms : loop_.now_ms() + loop_.shared().options.header_deadline_ms;
  loop_.SetDeadline(*this, head_deadline_ms_);
  readable_ = true;  // the first request may have come with the handshake's last bytes
  return Next::kGo;
}

IoResult Connection::Read(size_t capacity) {
  std::string& buffer = loop_.read_buffer();
  if (buffer.size() < capacity) buffer.resize(capacity);
  const IoResult result = channel_.Read(buffer.data(), capacity);
  // A short read of a plain socket has emptied it; epoll tells of what comes later. TLS may hold more inside.
  const bool emptied = result.io == Io::kDone && result.bytes < capacity && !channel_.tls() && !peer_closed_;
  if (result.io == Io::kWait || emptied) readable_ = false;
  return result;
}

void Connection::Consume(size_t bytes) {
  input_used_ += bytes;
  if (input_used_ < input_.size()) return;
  input_used_ = 0;
  input_.clear();
  if (input_.capacity() > kKeptInputBytes) input_.shrink_to_fit();
}

// Only what has begun is on the clock of the header deadline; silence before that is idling.
void Connection::WaitForHead() {
  if (pending().empty()) return;
  if (head_deadline_ms_ == 0) head_deadline_ms_ = loop_.now_ms() + loop_.shared().options.header_deadline_ms;
  loop_.SetDeadline(*this, std::min(deadline_ms, head_deadline_ms_));
}

Connection::Next Connection::StepHead() {
  if (input_is_news_) {
    input_is_news_ = false;
    Result<std::optional<RequestHead>> parsed = ParseRequestHead(pending());
    if (!parsed.ok() || (*parsed && refused())) {
      Refuse(refused() ? RefusalStatus(entry_) : static_cast<int>(parsed.error().detail));
      return Next::kGo;
    }
    if (*parsed) {
      Consume((*parsed)->head_bytes);
      BeginRequest(std::move(**parsed));
      return Next::kGo;
    }
  }
  if (!readable_) {
    if (loop_.stopping() && pending().empty()) Close();
    WaitForHead();
    return Next::kWait;
  }
  const IoResult result = Read(kHeadReadBytes);
  if (result.io == Io::kWait) return Next::kGo;
  if (result.io != Io::kDone) {
    Close();
    return Next::kWait;
  }
  const std::string_view bytes(loop_.read_buffer().data(), result.bytes);
  input_.append(bytes);
  input_is_news_ = bytes.find('\n') != std::string_view::npos || pending().size() > kSmallHeadBytes;
  return Next::kGo;
}

void Connection::BeginRequest(RequestHead head) {
  loop_.shared().requests.fetch_add(1, std::memory_order_relaxed);
  loop_.SetDeadline(*this, DeadlineEntry::kNever);
  exchange_ = std::make_shared<ExchangeState>(loop_.mailbox(), this);
  exchange_->request = std::move(head.request);
  Request& request = exchange_->request;
  request.peer = peer_;
  request.over_tls = channel_.tls();
  if (request.over_tls && !loop_.shared().options.tls_client_ca_file.empty()) {
    request.client_cert_name = channel_.ClientCertName();
    request.client_cert_sha256 = channel_.ClientCertSha256();
  }
  head_ = std::move(head);
  keep_alive_ = head_.keep_alive;
  body_taken_ = 0;
  body_left_ = head_.content_length.value_or(0);

  BodyPlan plan = loop_.shared().handler->OnHead(request);
  if (plan.later) {
    state_ = State::kPlanning;
    exchange_->dispatching = true;
    plan.later(MakePendingPlan(exchange_));
    exchange_->dispatching = false;
    if (BodyPlan made; exchange_->TakePlan(made)) FollowPlan(std::move(made));
    return;
  }
  FollowPlan(std::move(plan));
}

void Connection::FollowPlan(BodyPlan plan) {
  const bool has_body = head_.chunked || body_left_ > 0;
  if (plan.refuse || body_left_ > plan.max_bytes) {
    if (has_body) keep_alive_ = false;  // what follows is a body that nobody reads
    unread_body_ = has_body;
    return StartResponse(plan.refuse ? std::move(*plan.refuse) : TextResponse(413, "413 Content Too Large\n"));
  }
  max_body_bytes_ = plan.max_bytes;
  exchange_->sink = std::move(plan.sink);
  if (!has_body) return Dispatch();
  unread_body_ = true;
  chunked_ = {};
  state_ = State::kBody;
  if (head_.expects_continue && pending().empty()) {
    run_ = {};
    run_.prefix = "HTTP/1.1 100 Continue\r\n\r\n";
    state_ = State::kContinue;
  }
  StartRateWindow();
}

Connection::Next Connection::StepContinue() {
  if (!run_.done()) return SendRun();
  state_ = State::kBody;
  return Next::kGo;
}

Status Connection::StoreBody(std::string_view bytes) {
  if (bytes.size() > max_body_bytes_ - body_taken_) return Error{ErrorCode::kLimit, "the body is too large"};
  body_taken_ += bytes.size();
  if (exchange_->sink != nullptr) return exchange_->sink->Write(AsBytes(bytes));
  if (exchange_->AppendBody(bytes, loop_.shared().bodies)) return Ok();
  return Error{ErrorCode::kUnavailable, "too many bodies are being read"};
}

Result<bool> Connection::TakeBody(std::string_view bytes, size_t& used) {
  if (!head_.chunked) {
    used = std::min<uint64_t>(bytes.size(), body_left_);
    body_left_ -= used;
    TILL_TRY(StoreBody(bytes.substr(0, used)));
    return body_left_ == 0;
  }
  while (used < bytes.size() && !chunked_.done()) {
    const ChunkedDecoder::Step step = TILL_TRY(chunked_.Feed(bytes.substr(used)));
    used += step.used;
    if (!step.data.empty()) TILL_TRY(StoreBody(step.data));
    // No need to wait for the bytes of a chunk that cannot fit.
    if (chunked_.announced() > max_body_bytes_ - body_taken_) return Error{ErrorCode::kLimit, "the body is too large"};
  }
  return chunked_.done();
}

Connection::Next Connection::StepBody() {
  size_t used = 0;
  Result<bool> complete = false;
  if (!pending().empty()) {
    complete = TakeBody(pending(), used);
    Consume(used);
  } else {
    if (!readable_) return Next::kWait;
    const IoResult result = Read(kBodyReadBytes);
    if (result.io == Io::kWait) return Next::kGo;
    if (result.io != Io::kDone) {
      Close();
      return Next::kWait;
    }
    const std::string_view bytes(loop_.read_buffer().data(), result.bytes);
    complete = TakeBody(bytes, used);
    input_.append(bytes.substr(used));
  }
  if (!complete.ok()) {
    Refuse(StatusOf(complete.error()));
  } else if (*complete) {
    unread_body_ = false;
    Dispatch();
  }
  return Next::kGo;
}

void Connection::Dispatch() {
  loop_.SetDeadline(*this, DeadlineEntry::kNever);
  state_ = State::kHandler;
  exchange_->dispatching = true;
  loop_.shared().handler->OnRequest(MakeHandle(exchange_));
  exchange_->dispatching = false;
  Response response;
  if (exchange_->TakeResponse(response)) StartResponse(std::move(response));
}

void Connection::StartRateWindow() {
  window_base_ = state_ == State::kSending ? BytesTakenByPeer() : body_taken_;
  loop_.SetDeadline(*this, loop_.now_ms() + loop_.shared().options.min_body_rate_window_ms);
}

bool Connection::RateIsTooLow(uint64_t moved_bytes) const {
  const ServerOptions& options = loop_.shared().options;
  const int64_t wanted = options.min_body_rate_bytes_per_s * options.min_body_rate_window_ms / 1000;
  return static_cast<int64_t>(moved_bytes - window_base_) < wanted;
}

// What lies in the socket's buffer has not reached a slow reader: counting it would let him hold on for ever, and
// not counting what drains from it would cut honest slow links.
uint64_t Connection::BytesTakenByPeer() const {
  const uint64_t waiting = channel_.Unacknowledged();
  return sent_total_ > waiting ? sent_total_ - waiting : 0;
}

}  // namespace till::http
