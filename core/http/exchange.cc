#include "core/http/exchange.h"

#include <unistd.h>

namespace till::http {
namespace {

class Handle final : public Exchange {
 public:
  explicit Handle(std::shared_ptr<ExchangeState> state) : state_(std::move(state)) {}
  ~Handle() override {
    if (!state_->answered()) state_->Respond(TextResponse(500, "no answer\n"));
  }
  const Request& request() const override { return state_->request; }
  BodySink* body_sink() override { return state_->sink.get(); }
  void Respond(Response response) override { state_->Respond(std::move(response)); }
  void Wake() override { state_->Wake(); }
  bool gone() const override { return state_->gone(); }

 private:
  std::shared_ptr<ExchangeState> state_;
};

class PlanHandle final : public PendingPlan {
 public:
  explicit PlanHandle(std::shared_ptr<ExchangeState> state) : state_(std::move(state)) {}
  ~PlanHandle() override {
    BodyPlan none;
    none.refuse = TextResponse(500, "no answer\n");
    state_->Decide(std::move(none));  // does nothing after a first plan
  }
  const Request& request() const override { return state_->request; }
  void Decide(BodyPlan plan) override { state_->Decide(std::move(plan)); }
  bool gone() const override { return state_->gone(); }

 private:
  std::shared_ptr<ExchangeState> state_;
};

void DropStream(Response& response) {
  if (response.stream) response.stream->OnDone(0, false);
  response.stream.reset();
}

}  // namespace

bool Mailbox::Post(std::shared_ptr<ExchangeState> state) {
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return false;
    first = posted_.empty();
    posted_.push_back(std::move(state));
  }
  if (first) Ring();
  return true;
}

void Mailbox::Ring() const {
  const uint64_t one = 1;
  // The only way to fail is a counter that is full, and then the loop is woken anyway.
  (void)!write(event_.get(), &one, sizeof(one));
}

std::vector<std::shared_ptr<ExchangeState>> Mailbox::TakeAll() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(posted_, {});
}

std::vector<std::shared_ptr<ExchangeState>> Mailbox::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  return std::exchange(posted_, {});
}

void ExchangeState::Respond(Response response) {
  Phase open = Phase::kOpen;
  if (!phase_.compare_exchange_strong(open, Phase::kTaken)) {
    DropStream(response);
    return;
  }
  response_ = std::move(response);
  phase_.store(Phase::kWritten, std::memory_order_release);
  if (mailbox_->on_loop_thread() && dispatching) return;
  if (!mailbox_->Post(shared_from_this())) Discard();
}

void ExchangeState::Decide(BodyPlan plan) {
  Phase open = Phase::kOpen;
  if (!plan_phase_.compare_exchange_strong(open, Phase::kTaken)) return;
  plan_ = std::move(plan);
  plan_phase_.store(Phase::kWritten, std::memory_order_release);
  if (mailbox_->on_loop_thread() && dispatching) return;
  (void)mailbox_->Post(shared_from_this());  // a loop that has ended needs no plan
}

void ExchangeState::Wake() {
  if (wake_posted_.exchange(true, std::memory_order_acq_rel)) return;
  (void)mailbox_->Post(shared_from_this());
}

void ExchangeState::Detach() {
  connection = nullptr;
  gone_.store(true, std::memory_order_release);
}

bool ExchangeState::TakeResponse(Response& response) {
  Phase written = Phase::kWritten;
  if (!phase_.compare_exchange_strong(written, Phase::kDelivered)) return false;
  response = std::move(response_);
  return true;
}

bool ExchangeState::TakePlan(BodyPlan& plan) {
  Phase written = Phase::kWritten;
  if (!plan_phase_.compare_exchange_strong(written, Phase::kDelivered)) return false;
  plan = std::move(plan_);
  return true;
}

bool ExchangeState::AppendBody(std::string_view bytes, const std::shared_ptr<BodyBudget>& budget) {
  if (!budget->Take(bytes.size())) return false;
  budget_ = budget;
  request.body.append(bytes);
  return true;
}

ExchangeState::~ExchangeState() {
  if (budget_ != nullptr) budget_->Give(request.body.size());
}

void ExchangeState::Discard() {
  Response response;
  if (TakeResponse(response)) DropStream(response);
}

std::shared_ptr<Exchange> MakeHandle(std::shared_ptr<ExchangeState> state) {
  return std::make_shared<Handle>(std::move(state));
}

std::shared_ptr<PendingPlan> MakePendingPlan(std::shared_ptr<ExchangeState> state) {
  return std::make_shared<PlanHandle>(std::move(state));
}

}  // namespace till::http
