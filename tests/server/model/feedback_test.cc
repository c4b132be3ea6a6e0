// The tables A4 and A5 of the DDI contract, row by row, and the quotas.   covers W14 W16
#include <gtest/gtest.h>

#include "server/store/actions.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

struct Row {
  const char* name;
  const char* execution;
  const char* finished;
  ForceType force;
  ActionState entry;  // as the feedback is kept
  ActionState state;  // of the action afterwards
  bool active;
  TargetStatus target;
  bool assigned;  // the target still has the set assigned
  bool installed;
  bool asks_attributes;
};

class A4 : public testing::TestWithParam<Row> {};

TEST_P(A4, FeedbackDoesWhatTheTableSays) {
  const Row& row = GetParam();
  World world;
  world.AddTarget("pos-1");
  const auto set = world.AddSet("os", "1", {{"f", "x"}});
  world.AsTarget("pos-1", "PUT", "configData", R"({"data":{"hw":"2"}})");  // clears the wish for attributes
  Assignment assignment;
  assignment.force_type = row.force;
  const ActionId action = world.Assign("pos-1", set, assignment);
  const http::Reply reply = world.Feedback("pos-1", action, row.execution, row.finished);
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "");
  const Action after = world.ReadAction(action);
  EXPECT_EQ(after.state, row.state) << ActionStateName(after.state);
  EXPECT_EQ(after.active, row.active);
  const auto statuses = world.Statuses(action);
  EXPECT_EQ(statuses.back().state, row.entry) << ActionStateName(statuses.back().state);
  EXPECT_EQ(statuses.back().messages.at(0), "word of the device");
  const Target target = world.ReadTarget("pos-1");
  EXPECT_EQ(target.status, row.target) << TargetStatusName(target.status);
  EXPECT_EQ(target.assigned_set == set, row.assigned);
  EXPECT_EQ(target.installed_set == set, row.installed);
  EXPECT_EQ(target.request_attributes, row.asks_attributes);
  EXPECT_EQ(target.installed_at_ms != 0, row.installed);
  if (!row.active) {
    EXPECT_EQ(world.Feedback("pos-1", action, "proceeding", "none").status, 410);
  }
}

constexpr auto kRun = ActionState::kRunning;
constexpr auto kForcedType = ForceType::kForced;
constexpr auto kPend = TargetStatus::kPending;
INSTANTIATE_TEST_SUITE_P(
    Rows, A4,
    testing::Values(
        Row{"closed_failure", "closed", "failure", kForcedType, ActionState::kError, ActionState::kError, false,
            TargetStatus::kError, false, false, false},
        Row{"closed_success", "closed", "success", kForcedType, ActionState::kFinished, ActionState::kFinished, false,
            TargetStatus::kInSync, true, true, true},
        Row{"closed_none", "closed", "none", kForcedType, ActionState::kFinished, ActionState::kFinished, false,
            TargetStatus::kInSync, true, true, true},
        Row{"downloaded_when_download_only", "downloaded", "none", ForceType::kDownloadOnly, ActionState::kDownloaded,
            ActionState::kDownloaded, false, TargetStatus::kInSync, true, false, true},
        Row{"downloaded_else", "downloaded", "none", kForcedType, ActionState::kDownloaded, kRun, true, kPend, true,
            false, false},
        Row{"download", "download", "none", kForcedType, ActionState::kDownload, kRun, true, kPend, true, false, false},
        Row{"rejected", "rejected", "none", kForcedType, ActionState::kWarning, kRun, true, kPend, true, false, false},
        Row{"canceled", "canceled", "none", kForcedType, ActionState::kCanceled, kRun, true, kPend, true, false, false},
        Row{"proceeding", "proceeding", "none", kForcedType, kRun, kRun, true, kPend, true, false, false},
        Row{"scheduled", "scheduled", "none", kForcedType, kRun, kRun, true, kPend, true, false, false},
        Row{"resumed", "resumed", "none", kForcedType, kRun, kRun, true, kPend, true, false, false}),
    [](const auto& row) { return std::string(row.param.name); });

struct CancelRow {
  const char* name;
  const char* execution;
  const char* finished;
  ActionState entry;
  ActionState state;
  bool active;
};

class A5 : public testing::TestWithParam<CancelRow> {};

TEST_P(A5, CancelFeedbackDoesWhatTheTableSays) {
  const CancelRow& row = GetParam();
  World world;
  world.AddTarget("pos-1");
  const auto first = world.AddSet("os", "1", {{"f", "x"}});
  const auto second = world.AddSet("os", "2", {{"f", "y"}});
  ASSERT_EQ(world.Feedback("pos-1", world.Assign("pos-1", first), "closed", "success").status, 200);
  const ActionId action = world.Assign("pos-1", second);
  EXPECT_EQ(world.Feedback("pos-1", action, "closed", "success", "cancelAction").status, 405) << "not canceling yet";
  EXPECT_EQ(world.AsTarget("pos-1", "GET", "cancelAction/" + IdText(action)).status, 404);
  world.Update([&](kv::WriteTxn& txn) { return RequestCancel(txn, action, {"tester", 1}); });
  EXPECT_EQ(world.LinkOf(world.Poll("pos-1"), "cancelAction"), "cancelAction/" + IdText(action));
  EXPECT_EQ(world.AsTarget("pos-1", "GET", "deploymentBase/" + IdText(action)).status, 404);
  EXPECT_EQ(world.AsTarget("pos-1", "GET", "cancelAction/" + IdText(action)).status, 200);
  ASSERT_EQ(world.Feedback("pos-1", action, row.execution, row.finished, "cancelAction").status, 200);
  const Action after = world.ReadAction(action);
  EXPECT_EQ(after.state, row.state) << ActionStateName(after.state);
  EXPECT_EQ(after.active, row.active);
  EXPECT_EQ(world.Statuses(action).back().state, row.entry);
  const Target target = world.ReadTarget("pos-1");
  EXPECT_EQ(target.assigned_set, row.active ? second : first);
  if (!row.active) {
    EXPECT_EQ(target.status, TargetStatus::kInSync);
    EXPECT_STREQ(after.type(), "cancel");
  }
  if (row.active && row.state == ActionState::kRunning) {  // rejected: it goes on, and may finish
    EXPECT_STREQ(after.type(), "update");
    EXPECT_EQ(world.Feedback("pos-1", action, "closed", "success").status, 200);
    EXPECT_EQ(world.ReadAction(action).state, ActionState::kFinished);
    EXPECT_STREQ(world.ReadAction(action).type(), "update");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, A5,
    testing::Values(CancelRow{"closed_success", "closed", "success", ActionState::kCanceled, ActionState::kCanceled,
                              false},
                    CancelRow{"closed_none", "closed", "none", ActionState::kCanceled, ActionState::kCanceled, false},
                    CancelRow{"closed_failure", "closed", "failure", ActionState::kError, kRun, true},
                    CancelRow{"rejected", "rejected", "none", ActionState::kCancelRejected, kRun, true},
                    CancelRow{"canceled", "canceled", "none", ActionState::kWarning, ActionState::kCanceling, true},
                    CancelRow{"proceeding", "proceeding", "none", kRun, ActionState::kCanceling, true},
                    CancelRow{"scheduled", "scheduled", "none", kRun, ActionState::kCanceling, true}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Feedback, SuccessWinsWhileCanceling) {
  World world;
  world.AddTarget("pos-1");
  const auto set = world.AddSet("os", "1", {{"f", "x"}});
  const ActionId action = world.Assign("pos-1", set);
  world.Update([&](kv::WriteTxn& txn) { return RequestCancel(txn, action, {"tester", 1}); });
  EXPECT_EQ(world.Feedback("pos-1", action, "closed", "success").status, 200);
  EXPECT_EQ(world.ReadAction(action).state, ActionState::kFinished);
  EXPECT_EQ(world.ReadTarget("pos-1").status, TargetStatus::kInSync);
}

TEST(Feedback, ANewAssignmentIsServedAfterTheCancelOfTheOld) {
  World world;
  world.AddTarget("pos-1");
  const ActionId old = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const ActionId next = world.Assign("pos-1", world.AddSet("os", "2", {{"f", "y"}}));
  json::Value poll = world.Poll("pos-1");
  EXPECT_EQ(world.LinkOf(poll, "cancelAction"), "cancelAction/" + IdText(old));
  EXPECT_EQ(world.LinkOf(poll, "deploymentBase"), "");
  world.Feedback("pos-1", old, "closed", "success", "cancelAction");
  poll = world.Poll("pos-1");
  EXPECT_TRUE(world.LinkOf(poll, "deploymentBase").starts_with("deploymentBase/" + IdText(next) + "?c="));
  EXPECT_EQ(world.ReadTarget("pos-1").assigned_set, world.ReadAction(next).set);
}

TEST(Feedback, ARepeatedSequenceNumberIsKeptOnce) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const auto tell = [&](int seq, const std::string& execution) {
    return world
        .AsTarget("pos-1", "POST", "deploymentBase/" + IdText(action) + "/feedback",
                  R"({"status":{"execution":")" + execution + R"(","result":{"finished":"success"},"details":"s)" +
                      std::to_string(seq) + R"("},"till":{"seq":)" + std::to_string(seq) + R"(,"bytes":)" +
                      std::to_string(seq * 100) + "}}")
        .status;
  };
  const size_t before = world.Statuses(action).size();
  for (const int seq : {1, 1, 3, 2, 3, 2, 1}) EXPECT_EQ(tell(seq, "proceeding"), 200);
  EXPECT_EQ(world.Statuses(action).size(), before + 3);
  EXPECT_EQ(world.ReadAction(action).payload_bytes, 300u);
  EXPECT_EQ(tell(4, "closed"), 200);
  EXPECT_EQ(tell(4, "closed"), 200) << "repeated after the action closed: still 200, not 410";
  EXPECT_EQ(tell(5, "proceeding"), 410);
}

TEST(Feedback, AThousandIntermediateStatusesAreTheLimit) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  world.Update([&](kv::WriteTxn& txn) -> Status {
    for (uint32_t i = 0; i < kMaxIntermediateStatuses; ++i) {
      if (TILL_TRY(ApplyFeedback(txn, "pos-1", action, {}, 1)) != FeedbackVerdict::kApplied) ADD_FAILURE() << i;
    }
    return Ok();
  });
  EXPECT_EQ(world.Feedback("pos-1", action, "proceeding", "none").status, 429);
  EXPECT_EQ(world.Feedback("pos-1", action, "closed", "success").status, 200) << "the end is always heard";
}

TEST(Feedback, FiftyMessagesAreTheLimit) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const auto tell = [&](int count) {
    std::string details;
    for (int i = 0; i < count; ++i) details += (i ? ",\"m\"" : "\"m\"");
    return world
        .AsTarget("pos-1", "POST", "deploymentBase/" + IdText(action) + "/feedback",
                  R"({"status":{"execution":"proceeding","result":{"finished":"none"},"details":[)" + details + "]}}")
        .status;
  };
  EXPECT_EQ(tell(50), 200);
  EXPECT_EQ(tell(51), 429);
}

// Quotas count what is kept: a message of 16 KiB is 32 messages.
TEST(Feedback, MessagesAreCountedAsTheyAreKept) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const std::string longest = "\"" + std::string(16 << 10, 'm') + "\"";
  const auto tell = [&](const std::string& details) {
    return world
        .AsTarget("pos-1", "POST", "deploymentBase/" + IdText(action) + "/feedback",
                  R"({"status":{"execution":"proceeding","result":{"finished":"none"},"details":[)" + details + "]}}")
        .status;
  };
  EXPECT_EQ(tell(longest), 200);
  EXPECT_EQ(tell(longest + "," + longest), 429);
}

Feedback LongWord(Execution execution, FinishedResult finished) {
  Feedback feedback;
  feedback.execution = execution;
  feedback.finished = finished;
  feedback.details.assign(40, std::string(kMaxMessageBytes, 'm'));
  return feedback;
}

// Tells long words until a quota says no; how many were kept.
int TellUntilFull(World& world, ActionId action) {
  int kept = 0;
  world.Update([&](kv::WriteTxn& txn) -> Status {
    kept = 0;
    const Feedback word = LongWord(Execution::kProceeding, FinishedResult::kNone);
    while (kept < 1000 && TILL_TRY(ApplyFeedback(txn, "pos-1", action, word, 1)) == FeedbackVerdict::kApplied) ++kept;
    return Ok();
  });
  return kept;
}

uint64_t KeptBytes(World& world, ActionId action) {
  uint64_t bytes = 0;
  for (const ActionStatus& status : world.Statuses(action)) {
    for (const std::string& message : status.messages) bytes += message.size();
  }
  return bytes;
}

TEST(Feedback, TheBytesOfAnActionAreBoundedAndItsEndIsHeard) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const int kept = TellUntilFull(world, action);
  EXPECT_GT(kept, 5);
  EXPECT_LT(kept, 14);
  EXPECT_LE(KeptBytes(world, action), kMaxActionStatusBytes);
  world.Update([&](kv::WriteTxn& txn) -> Status {
    const Feedback end = LongWord(Execution::kClosed, FinishedResult::kSuccess);
    EXPECT_EQ(TILL_TRY(ApplyFeedback(txn, "pos-1", action, end, 1)), FeedbackVerdict::kApplied);
    return Ok();
  });
  EXPECT_EQ(world.ReadAction(action).state, ActionState::kFinished);
  EXPECT_LE(KeptBytes(world, action), kMaxActionStatusBytes + 200);
}

TEST(Feedback, TheBytesOfATargetAreBoundedAndComeBackWithWhatIsErased) {
  World world;
  world.AddTarget("pos-1");
  uint64_t all = 0;
  ActionId last{};
  int kept = 1;
  for (int i = 0; i < 30 && kept > 0; ++i) {
    last = world.Assign("pos-1", world.AddSet("os", std::to_string(i), {{"f", "x"}}));
    kept = TellUntilFull(world, last);
    all += KeptBytes(world, last);
  }
  EXPECT_EQ(kept, 0) << "every action got its own share";
  EXPECT_LE(all, kMaxTargetStatusBytes);
  world.Update([&](kv::WriteTxn& txn) { return EraseAction(txn, ActionId{1}); });
  EXPECT_GT(TellUntilFull(world, last), 0);
  world.Update([&](kv::WriteTxn& txn) { return DeleteTarget(txn, "pos-1"); });
  world.AddTarget("pos-1");
  EXPECT_GT(TellUntilFull(world, world.Assign("pos-1", world.AddSet("os", "new", {{"f", "x"}}))), 0);
}

TEST(Feedback, CodeIsKeptAndTold) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  world.AsTarget("pos-1", "POST", "deploymentBase/" + IdText(action) + "/feedback",
                 R"({"status":{"execution":"proceeding","result":{"finished":"none"},"code":210,"details":["a"]}})");
  EXPECT_EQ(world.ReadAction(action).last_code, 210);
  const auto messages = world.Statuses(action).back().messages;
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0], "a");
  EXPECT_EQ(messages[1], "Device reported status code: 210");
  world.Feedback("pos-1", action, "proceeding", "none");
  EXPECT_FALSE(world.ReadAction(action).last_code.has_value()) << "a feedback without code takes it back";
}

TEST(Cancel, IsRefusedTwiceAndForcedOnlyWhileCanceling) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const Actor actor{"tester", 1};
  const auto code = [&](const std::function<Status(kv::WriteTxn&)>& job) {
    Status answer;
    (void)world.store->Update([&](kv::WriteTxn& txn) {
      answer = job(txn);
      return answer;
    });
    return answer.ok() ? "ok" : ErrorCodeName(answer.error().code);
  };
  EXPECT_STREQ(code([&](kv::WriteTxn& txn) { return ForceQuit(txn, action, actor); }), "refused");
  EXPECT_STREQ(code([&](kv::WriteTxn& txn) { return RequestCancel(txn, action, actor); }), "ok");
  EXPECT_STREQ(code([&](kv::WriteTxn& txn) { return RequestCancel(txn, action, actor); }), "refused");
  EXPECT_STREQ(code([&](kv::WriteTxn& txn) { return ForceQuit(txn, action, actor); }), "ok");
  EXPECT_STREQ(code([&](kv::WriteTxn& txn) { return RequestCancel(txn, action, actor); }), "refused");
  EXPECT_EQ(world.ReadAction(action).state, ActionState::kCanceled);
  EXPECT_FALSE(IsSet(world.ReadTarget("pos-1").current_action));
}

}  // namespace
}  // namespace till::server
