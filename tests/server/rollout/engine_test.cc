#include "server/rollout/engine.h"

#include "tests/server/rollout/fleet.h"

namespace till::rollout {
namespace {

using server::GroupConditions;
using server::GroupCount;

GroupConditions Conditions(uint32_t success, uint32_t error) {
  GroupConditions conditions;
  conditions.success_percent = success;
  conditions.error_percent = error;
  return conditions;
}

GroupPlan Share(double percent, const GroupConditions& conditions = Conditions(100, 20)) {
  GroupPlan group;
  group.name = "wave";
  group.target_millipercent = static_cast<uint32_t>(percent * 1000);
  group.conditions = conditions;
  return group;
}

TEST(Rollout, CutsTheFleetIntoGroups) {
  struct Case {
    const char* name;
    size_t targets;
    std::vector<GroupPlan> groups;
    std::vector<uint64_t> sizes;
  };
  GroupPlan odd = Share(100);
  odd.target_filter = "name==odd";
  odd.filter = *mgmt::rsql::Filter::Parse(odd.target_filter, mgmt::TargetFields());
  const Case cases[] = {
      {"one", 10, EqualGroups(1, {}), {10}},
      {"equal", 10, EqualGroups(5, {}), {2, 2, 2, 2, 2}},
      {"uneven", 10, EqualGroups(3, {}), {3, 4, 3}},
      {"more groups than targets", 2, EqualGroups(4, {}), {1, 1, 0, 0}},
      {"waves of the rest", 20, {Share(5), Share(21.053), Share(100)}, {1, 4, 15}},
      {"a group's own filter", 10, {odd, Share(100)}, {5, 5}},
  };
  for (const Case& c : cases) {
    Fleet fleet;
    fleet.AddTargets(c.targets);
    const auto id = fleet.MustCreate(fleet.MakePlan(c.groups));
    std::vector<uint64_t> sizes;
    for (const auto& group : fleet.GroupsOf(id)) sizes.push_back(TotalOf(group));
    EXPECT_EQ(sizes, c.sizes) << c.name;
    EXPECT_EQ(fleet.StateOf(id), "ready") << c.name;
    EXPECT_EQ(fleet.Get(id).total_targets, c.targets) << c.name;
  }
}

TEST(Rollout, RefusesAPlanThatCannotBe) {
  Fleet fleet;
  fleet.AddTargets(4);
  EXPECT_EQ(fleet.TryCreate(fleet.MakePlan(EqualGroups(1, {}), "id==nobody")).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(fleet.TryCreate(fleet.MakePlan({Share(50)})).error().code, ErrorCode::kInvalid);  // who gets the rest?
  EXPECT_EQ(fleet.TryCreate(fleet.MakePlan({})).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(fleet.TryCreate(fleet.MakePlan(EqualGroups(kMaxGroups + 1, {}))).error().code, ErrorCode::kLimit);
  Plan unnamed = fleet.MakePlan(EqualGroups(1, {}));
  unnamed.rollout.name = "";
  EXPECT_EQ(fleet.TryCreate(unnamed).error().code, ErrorCode::kInvalid);
  Plan no_set = fleet.MakePlan(EqualGroups(1, {}));
  no_set.rollout.set = static_cast<server::DistributionSetId>(99);
  EXPECT_EQ(fleet.TryCreate(no_set).error().code, ErrorCode::kNotFound);
  const Plan plan = fleet.MakePlan(EqualGroups(1, {}));
  EXPECT_TRUE(fleet.TryCreate(plan).ok());
  EXPECT_EQ(fleet.TryCreate(plan).error().code, ErrorCode::kConflict);
}

TEST(Rollout, TouchesNobodyBeforeItStarts) {
  Fleet fleet;
  fleet.AddTargets(4);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(2, Conditions(100, 50))));
  fleet.Tick(id);
  for (size_t i = 0; i < 4; ++i) EXPECT_FALSE(fleet.HasWork(Fleet::Name(i)));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  EXPECT_EQ(fleet.Say(Start, id).error().code, ErrorCode::kRefused);
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "running");
  EXPECT_EQ(fleet.GroupStates(id), "running,ready");
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(0)));
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(1)));
  EXPECT_FALSE(fleet.HasWork(Fleet::Name(2)));
}

// covers L5: only a confirmed boot opens the next wave; n % exactly is enough for success, not for an error.
TEST(Rollout, OpensTheNextGroupAtExactlyTheSuccessThreshold) {
  Fleet fleet;
  fleet.AddTargets(20);
  const auto id = fleet.MustCreate(fleet.MakePlan({Share(50, Conditions(50, 100)), Share(100)}));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  for (size_t i = 0; i < 4; ++i) ASSERT_TRUE(fleet.Answer(Fleet::Name(i), true));
  fleet.Tick(id);
  EXPECT_EQ(fleet.GroupStates(id), "running,ready") << "40 % of 50 %";
  ASSERT_TRUE(fleet.Answer(Fleet::Name(4), true));
  fleet.Tick(id);
  EXPECT_EQ(fleet.GroupStates(id), "running,running") << "50 % of 50 %";
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(19)));
}

TEST(Rollout, PausesOnlyAboveTheErrorThreshold) {
  Fleet fleet;
  fleet.AddTargets(20);
  const auto id = fleet.MustCreate(fleet.MakePlan({Share(50, Conditions(90, 20)), Share(100)}));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), false));
  ASSERT_TRUE(fleet.Answer(Fleet::Name(1), false));
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "running") << "20 % of 20 %";
  ASSERT_TRUE(fleet.Answer(Fleet::Name(2), false));
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "paused");
  EXPECT_EQ(fleet.GroupStates(id), "error,ready");
  fleet.Tick(id);
  EXPECT_FALSE(fleet.HasWork(Fleet::Name(15)));
  // A person says go on: the next group, once.
  ASSERT_TRUE(fleet.Say(Resume, id).ok());
  fleet.Tick(id);
  EXPECT_EQ(fleet.GroupStates(id), "error,running");
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(15)));
}

TEST(Rollout, FinishesWhenEveryGroupIsOver) {
  Fleet fleet;
  fleet.AddTargets(6);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(3, Conditions(50, 50))));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  for (int round = 0; round < 6 && fleet.StateOf(id) != "finished"; ++round) {
    fleet.Tick(id);
    for (size_t i = 0; i < 6; ++i) fleet.Answer(Fleet::Name(i), i != 3);
  }
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "finished");
  EXPECT_EQ(fleet.GroupStates(id), "finished,finished,finished");
  uint64_t confirmed = 0, failed = 0;
  for (const auto& group : fleet.GroupsOf(id)) {
    confirmed += group.count(GroupCount::kFinished);
    failed += group.count(GroupCount::kError);
  }
  EXPECT_EQ(confirmed, 5u);
  EXPECT_EQ(failed, 1u);
}

TEST(Rollout, HoldsWhenAGroupEndsBelowItsSuccessThreshold) {
  Fleet fleet;
  fleet.AddTargets(4);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(2, Conditions(100, 50))));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  ASSERT_TRUE(fleet.Answer(Fleet::Name(1), false));  // 50 % of 50 %: no error, but no success either
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "paused");
  EXPECT_EQ(fleet.GroupStates(id), "finished,ready");
  ASSERT_TRUE(fleet.Say(Resume, id).ok());
  fleet.Tick(id);
  EXPECT_EQ(fleet.GroupStates(id), "finished,running");
}

TEST(Rollout, PausesAtSuccessWhenToldAndResumesOnce) {
  Fleet fleet;
  fleet.AddTargets(6);
  GroupConditions pausing = Conditions(50, 50);
  pausing.success_pauses = true;
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(3, pausing)));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "paused");
  ASSERT_TRUE(fleet.Say(Resume, id).ok());
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "running");
  EXPECT_EQ(fleet.GroupStates(id), "running,running,ready");
}

TEST(Rollout, StaysPutWhilePaused) {
  Fleet fleet;
  fleet.AddTargets(4);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(2, Conditions(50, 50))));
  EXPECT_EQ(fleet.Say(Pause, id).error().code, ErrorCode::kRefused);
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  ASSERT_TRUE(fleet.Say(Pause, id).ok());
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  ASSERT_TRUE(fleet.Answer(Fleet::Name(1), true));
  fleet.Tick(id);
  EXPECT_FALSE(fleet.HasWork(Fleet::Name(2)));
  ASSERT_TRUE(fleet.Say(Resume, id).ok());
  fleet.Tick(id);
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(2)));
}

TEST(Rollout, TriggersTheNextGroupWhenTold) {
  Fleet fleet;
  fleet.AddTargets(4);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(2, Conditions(100, 50))));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  ASSERT_TRUE(fleet.Say(TriggerNextGroup, id).ok());
  fleet.Tick(id);
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(3)));
  EXPECT_EQ(fleet.Say(TriggerNextGroup, id).error().code, ErrorCode::kRefused);
}

TEST(Rollout, StopCancelsWhatIsOpen) {
  Fleet fleet;
  fleet.AddTargets(500);  // more than one batch
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(1, Conditions(100, 50))));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  ASSERT_TRUE(fleet.Say(Stop, id).ok());
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "stopped");
  size_t canceling = 0;
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    canceling = 0;
    return server::ForEachAction(txn, server::ActionId{}, [&](const server::Action& action) {
      canceling += action.canceling() ? 1 : 0;
      return true;
    });
  });
  EXPECT_EQ(canceling, 499u);
}

TEST(Rollout, DeletesWhatNeverStartedAndHidesTheRest) {
  Fleet fleet;
  fleet.AddTargets(300);
  const auto fresh = fleet.MustCreate(fleet.MakePlan(EqualGroups(2, {})));
  const auto groups = fleet.Get(fresh).groups;
  ASSERT_TRUE(fleet.Say(Delete, fresh).ok());
  EXPECT_EQ(fleet.Say(Delete, fresh).error().code, ErrorCode::kNotFound);
  fleet.Tick(fresh);
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    EXPECT_EQ(server::GetRollout(txn, fresh).error().code, ErrorCode::kNotFound);
    for (const auto group : groups) {
      EXPECT_EQ(server::GetGroup(txn, group).error().code, ErrorCode::kNotFound);
      TILL_TRY(server::ForEachMember(txn, group, "", [](std::string_view, server::ActionId) {
        ADD_FAILURE() << "a member stayed";
        return false;
      }));
    }
    return Ok();
  });
  const auto begun = fleet.MustCreate(fleet.MakePlan(EqualGroups(2, Conditions(100, 100))));
  ASSERT_TRUE(fleet.Say(Start, begun).ok());
  fleet.Tick(begun);
  ASSERT_TRUE(fleet.Say(Delete, begun).ok());
  fleet.Tick(begun);
  EXPECT_TRUE(fleet.Get(begun).deleted);
  EXPECT_EQ(fleet.StateOf(begun), "deleted");
  size_t open = 0, canceling = 0;
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    open = canceling = 0;
    return server::ForEachAction(txn, server::ActionId{}, [&](const server::Action& action) {
      open += action.active && !action.canceling() ? 1 : 0;
      canceling += action.canceling() ? 1 : 0;
      return true;
    });
  });
  EXPECT_EQ(open, 0u) << "deleting is no weaker than stopping";
  EXPECT_EQ(canceling, 150u);
  EXPECT_FALSE(fleet.HasWork(Fleet::Name(299)));
}

TEST(Rollout, LeavesOutTargetsDeletedMeanwhile) {
  Fleet fleet;
  fleet.AddTargets(4);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(1, Conditions(100, 50))));
  fleet.Must([](kv::WriteTxn& txn) { return server::DeleteTarget(txn, Fleet::Name(3)); });
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  EXPECT_EQ(TotalOf(fleet.GroupsOf(id)[0]), 3u);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  ASSERT_TRUE(fleet.Answer(Fleet::Name(1), true));
  fleet.Must([](kv::WriteTxn& txn) { return server::DeleteTarget(txn, Fleet::Name(2)); });
  fleet.Tick(id);
  EXPECT_EQ(fleet.StateOf(id), "finished") << "nobody is left to wait for";
}

TEST(Rollout, StartsByTheClock) {
  Fleet fleet;
  fleet.AddTargets(2);
  Plan plan = fleet.MakePlan(EqualGroups(1, {}));
  plan.rollout.start_at_ms = Fleet::kNow + 1000;
  const auto id = fleet.MustCreate(plan);
  fleet.Tick(id, Fleet::kNow + 999);
  EXPECT_EQ(fleet.StateOf(id), "ready");
  fleet.Tick(id, Fleet::kNow + 1000);
  EXPECT_EQ(fleet.StateOf(id), "running");
}

TEST(Rollout, WaitsForApproval) {
  Fleet fleet;
  fleet.AddTargets(2);
  const Plan plan = fleet.MakePlan(EqualGroups(1, {}));
  server::RolloutId id{};
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    id = TILL_TRY(Create(txn, fleet.seen(), plan, true, fleet.actor)).id;
    return Ok();
  });
  EXPECT_EQ(fleet.StateOf(id), "waiting_for_approval");
  EXPECT_EQ(fleet.Say(Start, id).error().code, ErrorCode::kRefused);
  fleet.Must([&](kv::WriteTxn& txn) { return Decide(txn, id, true, "looks good", fleet.actor); });
  EXPECT_EQ(fleet.StateOf(id), "ready");
  EXPECT_EQ(fleet.Get(id).approval_remark, "looks good");
}

// A terminal that runs the release already is confirmed without work.
TEST(Rollout, CountsWhoRunsItAlready) {
  Fleet fleet;
  fleet.AddTargets(2);
  const auto first = fleet.MustCreate(fleet.MakePlan(EqualGroups(1, Conditions(100, 50)), "id==pos-0000"));
  ASSERT_TRUE(fleet.Say(Start, first).ok());
  fleet.Tick(first);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  const auto second = fleet.MustCreate(fleet.MakePlan(EqualGroups(1, Conditions(100, 50))));
  ASSERT_TRUE(fleet.Say(Start, second).ok());
  fleet.Tick(second);
  EXPECT_FALSE(fleet.HasWork(Fleet::Name(0)));
  EXPECT_TRUE(fleet.HasWork(Fleet::Name(1)));
  EXPECT_EQ(fleet.GroupsOf(second)[0].count(GroupCount::kFinished), 1u);
}

// hawkBit's words have no name for it, so it is counted beside: a running member to whom nothing can be offered.
TEST(Rollout, CountsWhomNothingCanBeOfferedUntilTheyMoveOn) {
  Fleet fleet;
  fleet.AddTargets(2);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(1, Conditions(100, 50))));
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    const server::Target target = TILL_TRY(server::GetTarget(txn, Fleet::Name(0)));
    server::Action action = TILL_TRY(server::GetAction(txn, target.current_action));
    action.blocked = "no delta from what it runs";
    return server::NoteOnAction(txn, action, server::ActionState::kWarning, "nothing is offered", Fleet::kNow);
  });
  EXPECT_EQ(fleet.GroupsOf(id)[0].blocked_targets, 1u);
  EXPECT_EQ(fleet.GroupsOf(id)[0].count(GroupCount::kRunning), 2u);
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  EXPECT_EQ(fleet.GroupsOf(id)[0].blocked_targets, 0u);
}

// A terminal that is switched off, or was never seen at all, runs nothing, whatever hawkBit calls it.
TEST(Rollout, CountsWhoHasNotFetchedItUntilTheyDo) {
  Fleet fleet;
  fleet.AddTargets(3);
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(1, Conditions(100, 50))));
  EXPECT_EQ(fleet.GroupsOf(id)[0].waiting_targets, 0u) << "not begun";
  ASSERT_TRUE(fleet.Say(Start, id).ok());
  fleet.Tick(id);
  const auto expect = [&](uint64_t waiting, uint64_t running) {
    EXPECT_EQ(fleet.GroupsOf(id)[0].waiting_targets, waiting);
    EXPECT_EQ(fleet.GroupsOf(id)[0].count(GroupCount::kRunning), running);
  };
  expect(3, 3);
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    const server::Target target = TILL_TRY(server::GetTarget(txn, Fleet::Name(0)));
    return server::NoteRetrieved(txn, target.current_action, "fetched", Fleet::kNow);
  });
  expect(2, 3);
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    const server::Target target = TILL_TRY(server::GetTarget(txn, Fleet::Name(1)));
    server::Action action = TILL_TRY(server::GetAction(txn, target.current_action));
    action.blocked = "no delta from what it runs";
    return server::NoteOnAction(txn, action, server::ActionState::kWarning, "nothing is offered", Fleet::kNow);
  });
  expect(1, 3);
  EXPECT_EQ(fleet.GroupsOf(id)[0].blocked_targets, 1u) << "one or the other, not both";
  ASSERT_TRUE(fleet.Answer(Fleet::Name(2), true));
  ASSERT_TRUE(fleet.Answer(Fleet::Name(1), true));
  ASSERT_TRUE(fleet.Answer(Fleet::Name(0), true));
  expect(0, 0);
}

}  // namespace
}  // namespace till::rollout
