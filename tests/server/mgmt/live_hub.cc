#include "tests/server/mgmt/live_hub.h"

#include "server/store/actions.h"

namespace till::mgmt {

void LiveHub::Feedback(const std::string& controller_id, server::Execution execution, server::FinishedResult finished,
                       std::vector<std::string> details, bool cancel) {
  const Status done = hub_->writer.Run([&](kv::WriteTxn& txn) -> Status {
    const auto active = TILL_TRY(server::ActiveActionsOf(txn, controller_id));
    if (active.empty()) return Error{ErrorCode::kNotFound, "no active action", 0};
    server::Feedback feedback;
    feedback.execution = execution;
    feedback.finished = finished;
    feedback.details = details;
    const int64_t now_ms = hub_->clock.UnixMs();
    const auto verdict =
        TILL_TRY(cancel ? server::ApplyCancelFeedback(txn, controller_id, active[0].id, feedback, now_ms)
                        : server::ApplyFeedback(txn, controller_id, active[0].id, feedback, now_ms));
    EXPECT_EQ(verdict, server::FeedbackVerdict::kApplied);
    return Ok();
  });
  EXPECT_TRUE(done.ok()) << done.error().what;
}

}  // namespace till::mgmt
