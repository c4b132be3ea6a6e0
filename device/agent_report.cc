#include "device/agent_report.h"

#include <algorithm>

namespace till::device {
namespace {

void Queue(AgentState& s, Feedback feedback) {
  if (feedback.action.empty() || feedback.action.starts_with(kLocalAction)) return;
  if (feedback.action == s.action) {  // numbers belong to the action under way; others go without
    feedback.seq = ++s.feedback_seq;
    feedback.bytes = s.received();
  }
  // A full queue means the server was away for long: steps give way to outcomes.
  if (s.feedbacks.size() >= AgentState::kMaxFeedbacks) {
    const auto step = std::find_if(s.feedbacks.begin(), s.feedbacks.end(),
                                   [](const Feedback& f) { return f.execution == "proceeding"; });
    s.feedbacks.erase(step == s.feedbacks.end() ? s.feedbacks.begin() : step);
  }
  s.feedbacks.push_back(std::move(feedback));
}

}  // namespace

void QueueStep(AgentState& s, uint32_t code, std::string detail) {
  Feedback feedback;
  feedback.action = s.action;
  feedback.execution = "proceeding";
  feedback.finished = "none";
  feedback.code = code;
  feedback.details.push_back(std::move(detail));
  Queue(s, std::move(feedback));
}

void QueueOutcome(AgentState& s, bool success, std::string reason, const std::vector<std::string>& details) {
  Feedback feedback;
  feedback.action = s.action;
  feedback.execution = "closed";
  feedback.finished = success ? "success" : "failure";
  feedback.details.push_back(std::move(reason));
  for (const std::string& detail : details) {
    if (feedback.details.size() < AgentState::kMaxDetails) feedback.details.push_back(detail);
  }
  Queue(s, std::move(feedback));
}

void QueueCancelAnswer(AgentState& s, const std::string& action, bool stopped, std::string detail) {
  Feedback feedback;
  feedback.about_cancel = true;
  feedback.action = action;
  feedback.execution = stopped ? "closed" : "rejected";
  feedback.finished = stopped ? "success" : "none";
  feedback.details.push_back(std::move(detail));
  Queue(s, std::move(feedback));
}

}  // namespace till::device
