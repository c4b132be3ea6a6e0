#include <gtest/gtest.h>

#include "server/store/actions.h"
#include "server/store/rollouts.h"
#include "server/store/software.h"
#include "server/store/targets.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

template <typename T>
T Read(World& world, const std::function<Result<T>(kv::ReadTxn&)>& read) {
  T value{};
  const Status done = world.store->View([&](kv::ReadTxn& txn) -> Status {
    value = TILL_TRY(read(txn));
    return Ok();
  });
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().what);
  return value;
}

TEST(Store, ATerminalTakesAtMost350Bytes) {
  World world;
  world.AddTarget("0a1b2c3d4e5f");                 // a MAC as id
  world.Update([&](kv::WriteTxn& txn) -> Status {  // as plug and play leaves it
    Target target = TILL_TRY(GetTarget(txn, "0a1b2c3d4e5f"));
    target.description = "Plug and Play target: 0a1b2c3d4e5f";
    target.security_token = NewSecurityToken();
    target.assigned_set = target.installed_set = static_cast<DistributionSetId>(1234);
    target.installed_action = static_cast<ActionId>(1'000'000);
    target.installed_at_ms = world.clock.UnixMs();
    return PutTarget(txn, target);
  });
  world.SetAttributes("0a1b2c3d4e5f", {{"till.board", "acme,pos-100"},
                                       {"till.slot", "A"},
                                       {"till.version.rootfs", "1.4.2"},
                                       {"till.image.rootfs", HexOf("x")},
                                       {"till.format", "1"},
                                       {"till.arena_kib", "6656"},
                                       {"till.profile", "mt7688-64m"},
                                       {"till.link", "lte"}});
  world.last_seen.Touch("0a1b2c3d4e5f", "10.123.123.123", world.clock.UnixMs());
  ASSERT_TRUE(world.last_seen.Flush(*world.store).ok());
  size_t bytes = 0;
  ASSERT_TRUE(world.store
                  ->View([&](kv::ReadTxn& txn) {
                    return txn.Scan("", "", [&](std::string_view key, std::string_view value) {
                      if (key.find("0a1b2c3d4e5f") != std::string_view::npos) bytes += key.size() + value.size();
                      return true;
                    });
                  })
                  .ok());
  EXPECT_GT(bytes, 100u);
  EXPECT_LE(bytes, 350u);
}

TEST(Store, AttributesComeBackAsTheyWere) {
  World world;
  const Attributes attributes = {{"", "x"},
                                 {"till.image.", HexOf("a")},
                                 {"till.boardx", "y"},
                                 {"till.format", ""},
                                 {"hash", HexOf("b")},
                                 {"upper", std::string(64, 'A')},
                                 {"till", "till.board"}};
  world.SetAttributes("t", attributes);
  EXPECT_EQ(Read<Attributes>(world, [](kv::ReadTxn& txn) { return GetAttributes(txn, "t"); }), attributes);
}

TEST(Store, NamesAreUniqueUntilSoftDeleted) {
  World world;
  const auto first = world.AddSet("os", "1", {});
  const auto put = [&](DistributionSet set) {
    Status answer;
    (void)world.store->Update([&](kv::WriteTxn& txn) { return answer = PutSet(txn, set); });
    return answer;
  };
  DistributionSet twin;
  twin.name = "os";
  twin.version = "1";
  EXPECT_EQ(put(twin).error().code, ErrorCode::kConflict);
  DistributionSet gone = Read<DistributionSet>(world, [&](kv::ReadTxn& txn) { return GetSet(txn, first); });
  gone.deleted = true;
  ASSERT_TRUE(put(gone).ok());
  EXPECT_TRUE(put(twin).ok());
  EXPECT_TRUE(Read<bool>(world, [](kv::ReadTxn& txn) { return IsModuleUsed(txn, static_cast<SoftwareModuleId>(1)); }));
}

TEST(Store, CountsAreKept) {
  World world;
  for (int i = 0; i < 5; ++i) world.AddTarget("t" + std::to_string(i));
  const auto set = world.AddSet("os", "1", {{"f", "x"}});
  const ActionId action = world.Assign("t1", set);
  const auto count = [&](TargetStatus status) {
    return Read<uint64_t>(world, [&](kv::ReadTxn& txn) { return CountTargets(txn, status); });
  };
  EXPECT_EQ(count(TargetStatus::kUnknown), 4u);
  EXPECT_EQ(count(TargetStatus::kPending), 1u);
  world.Feedback("t1", action, "closed", "failure");
  EXPECT_EQ(count(TargetStatus::kPending), 0u);
  EXPECT_EQ(count(TargetStatus::kError), 1u);
  world.Update([](kv::WriteTxn& txn) { return DeleteTarget(txn, "t1"); });
  EXPECT_EQ(count(TargetStatus::kError), 0u);
  EXPECT_EQ(Read<uint64_t>(world, [](kv::ReadTxn& txn) { return CountTargets(txn); }), 4u);
  EXPECT_EQ(Read<uint64_t>(world, [](kv::ReadTxn& txn) { return CountActions(txn); }), 0u);
}

TEST(Store, GroupCountsFollowTheirActions) {
  World world;
  world.AddTarget("t1");
  const auto set = world.AddSet("os", "1", {{"f", "x"}});
  DeployGroup group;
  Assignment assignment;
  assignment.controller_id = "t1";
  assignment.set = set;
  assignment.rollout = static_cast<RolloutId>(1);
  ActionId action{};
  world.Update([&](kv::WriteTxn& txn) -> Status {
    TILL_TRY(PutGroup(txn, group));
    assignment.group = group.id;
    action = TILL_TRY(ScheduleAction(txn, assignment, {"tester", 1}));
    return Ok();
  });
  const auto counts = [&] {
    return Read<DeployGroup>(world, [&](kv::ReadTxn& txn) { return GetGroup(txn, group.id); }).counts;
  };
  using Counts = std::array<uint64_t, kGroupCountCount>;  // not started, scheduled, running, error, finished, cancelled
  EXPECT_EQ(counts(), (Counts{0, 1, 0, 0, 0, 0}));
  world.Update([&](kv::WriteTxn& txn) -> Status {
    TILL_TRY(StartScheduledAction(txn, action, {"tester", 1}));
    return Ok();
  });
  EXPECT_EQ(counts(), (Counts{0, 0, 1, 0, 0, 0}));
  world.Feedback("t1", action, "closed", "success");
  EXPECT_EQ(counts(), (Counts{0, 0, 0, 0, 1, 0}));
  world.Update([](kv::WriteTxn& txn) { return DeleteTarget(txn, "t1"); });
  EXPECT_EQ(counts(), (Counts{0, 0, 0, 0, 0, 0}));
}

TEST(Writer, AFailingJobTakesNoOtherWithIt) {
  World world;
  std::atomic<int> good = 0, bad = 0;
  // Holds the writer's thread so that the others wait and become one batch.
  std::mutex gate;
  gate.lock();
  world.writer->Post(
      [&](kv::WriteTxn&) {
        const std::lock_guard wait(gate);
        return Ok();
      },
      [](Status) {});
  for (int i = 0; i < 20; ++i) {
    world.writer->Post(
        [i](kv::WriteTxn& txn) -> Status {
          TILL_TRY(txn.Put("zz" + std::to_string(i), "v"));
          if (i == 7) return Error{ErrorCode::kIo, "no", 0};
          return Ok();
        },
        [&](Status status) { status.ok() ? ++good : ++bad; });
  }
  gate.unlock();
  world.WaitForWrites();
  EXPECT_EQ(good, 19);
  EXPECT_EQ(bad, 1);
  int kept = 0;
  ASSERT_TRUE(world.store
                  ->View([&](kv::ReadTxn& txn) {
                    return txn.Scan("zz", "", [&](std::string_view key, std::string_view) {
                      EXPECT_NE(key, "zz7");
                      ++kept;
                      return true;
                    });
                  })
                  .ok());
  EXPECT_EQ(kept, 19);
}

TEST(LastSeen, IsWrittenInBatchesAndReadBack) {
  World world;
  for (int i = 0; i < 2500; ++i) world.last_seen.Touch("t" + std::to_string(i), "::1", 1000 + i);
  ASSERT_TRUE(world.last_seen.Flush(*world.store).ok());
  LastSeen again;
  ASSERT_TRUE(again.Load(*world.store).ok());
  EXPECT_EQ(again.Get("t2499").at_ms, 3499);
  EXPECT_EQ(again.Get("t0").address, "::1");
  EXPECT_EQ(again.Get("nobody").at_ms, 0);
}

}  // namespace
}  // namespace till::server
