// One connection's life: handshake, then request by request: head, body, handler, answer.
//   Edge-triggered: readable_ and writable_ remember what epoll said until the kernel says EAGAIN. Advance() goes from
//   state to state until one must wait. All on the loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/http/admission.h"
#include "core/http/channel.h"
#include "core/http/chunked.h"
#include "core/http/deadline_wheel.h"
#include "core/http/exchange.h"
#include "core/http/response_head.h"

namespace till::http {

class Loop;

class Connection : public DeadlineEntry {
 public:
  // `entry` other than kServe: it is let in only to be told so.
  Connection(Loop& loop, Channel channel, std::string peer, std::string address, Entry entry);
  ~Connection();

  void Start();
  void OnEvents(uint32_t events);
  void OnDeadline();
  void OnNews();         // its exchange was answered or woken
  void OnServerStops();  // leaves when nothing is under way
  void Advance();
  void Close();

  int fd() const { return channel_.fd(); }
  const std::string& address() const { return address_; }
  size_t index = 0;          // in the loop's list
  bool waits_again = false;  // in the loop's list of those with more to do

 private:
  enum class State : uint8_t { kHandshake, kHead, kPlanning, kContinue, kBody, kHandler, kSending, kLinger, kClosed };
  enum class Next : uint8_t { kGo, kWait };

  Next Step();
  Next StepHandshake();
  Next StepHead();
  Next StepContinue();
  Next StepBody();
  Next StepSending();
  Next StepLinger();

  // connection.cc: requests
  void WaitForHead();
  void BeginRequest(RequestHead head);
  void FollowPlan(BodyPlan plan);
  Result<bool> TakeBody(std::string_view bytes, size_t& used);  // true: the body is complete
  Status StoreBody(std::string_view bytes);
  void Dispatch();
  IoResult Read(size_t capacity);
  bool refused() const { return entry_ != Entry::kServe; }
  std::string_view pending() const { return std::string_view(input_).substr(input_used_); }
  void Consume(size_t bytes);

  // answering.cc: responses
  void Refuse(int status);
  void StartResponse(Response response);
  bool TakePiece(Piece piece);
  Next SendRun();
  void FinishResponse();
  void EndExchange(bool complete);
  void BeginClose(bool linger);

  // Minimum rate: bytes moved in the current window.
  void StartRateWindow();
  bool RateIsTooLow(uint64_t moved_bytes) const;
  uint64_t BytesTakenByPeer() const;

  Loop& loop_;
  Channel channel_;
  std::string peer_;
  std::string address_;
  State state_ = State::kHandshake;
  Entry entry_;
  bool readable_ = false;
  bool writable_ = true;
  bool peer_closed_ = false;  // its FIN came
  bool unread_body_ = false;  // of a request that is answered before its body was read
  bool rate_window_open_ = false;
  bool input_is_news_ = false;  // something in pending() that the head parser has not seen
  int64_t head_deadline_ms_ = 0;
  std::string input_;
  size_t input_used_ = 0;

  // The request under way.
  std::shared_ptr<ExchangeState> exchange_;  // shared with the handler's handle
  RequestHead head_;                         // its request has been moved into the exchange
  uint64_t max_body_bytes_ = 0;
  uint64_t body_left_ = 0;  // with a Content-Length
  uint64_t body_taken_ = 0;
  ChunkedDecoder chunked_;

  // The answer under way.
  Run run_;
  std::string run_lead_;  // goes before the next body bytes: the head, at first
  std::unique_ptr<BodyStream> stream_;
  Framing framing_ = Framing::kNone;
  bool keep_alive_ = true;
  bool stream_ended_ = true;
  bool stream_waits_ = false;
  uint64_t stream_left_ = 0;  // with a Content-Length
  uint64_t body_sent_ = 0;    // of the runs before this one
  uint64_t sent_total_ = 0;   // of the connection's life, for the rate
  uint64_t linger_bytes_ = 0;

  uint64_t window_base_ = 0;
};

}  // namespace till::http
