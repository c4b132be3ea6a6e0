// Assignments, actions and rollouts over REST, with terminals that answer as told.
#include "server/store/writer.h"
#include "tests/server/mgmt/live_hub.h"

namespace till::mgmt {
namespace {

using server::Execution;
using server::FinishedResult;

std::string Assign(int64_t set, const std::string& more = "") {
  return "{\"id\":\"" + std::to_string(set) + "\"" + more + "}";
}

TEST(Assignment, MakesAnActionOnce) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"a", "b"});
  const Answer first = hub.Do("POST", "targets/a/assignedDS", Assign(set));
  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(first.body["assigned"].AsInteger(), 1);
  const int64_t action = first.body["assignedActions"].items()[0]["id"].AsInteger();
  EXPECT_GT(action, 0);
  const Answer again = hub.Do("POST", "targets/a/assignedDs", "[" + Assign(set) + "]");
  EXPECT_EQ(again.body["alreadyAssigned"].AsInteger(), 1);
  EXPECT_EQ(again.body["assigned"].AsInteger(), 0);
  const Answer both = hub.Do("POST", "distributionsets/1/assignedTargets", R"([{"id":"a"},{"id":"b","type":"soft"}])");
  EXPECT_EQ(both.body["total"].AsInteger(), 2);
  EXPECT_EQ(both.body["assigned"].AsInteger(), 1);
  EXPECT_EQ(hub.Do("GET", "targets/b/actions").body["content"].items()[0]["forceType"].AsString(), "soft");
  EXPECT_EQ(hub.Do("GET", "distributionsets/1/assignedTargets").body["total"].AsInteger(), 2);
  EXPECT_EQ(hub.Do("GET", "actions?q=target.controllerId%3D%3Da").body["total"].AsInteger(), 1);
  EXPECT_EQ(hub.Do("GET", "actions?q=distributionset.name%3D%3Dpos%3Bactive%3D%3Dtrue").body["total"].AsInteger(), 2);
  EXPECT_EQ(hub.Do("GET", "targets/b/actions/" + std::to_string(action)).status, 404) << "another target's action";
}

TEST(Assignment, IsRefusedWhenItCannotBe) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"a"});
  EXPECT_EQ(hub.Do("POST", "targets/nobody/assignedDS", Assign(set)).status, 404);
  EXPECT_EQ(hub.Do("POST", "targets/a/assignedDS", Assign(99)).status, 404);
  EXPECT_EQ(hub.Do("POST", "targets/a/assignedDS", R"({"id":"x"})").status, 400);
  EXPECT_EQ(hub.Do("POST", "targets/a/assignedDS", R"({})").status, 400);
  EXPECT_EQ(hub.Do("POST", "targets/a/assignedDS", Assign(set, R"(,"type":"gently")")).status, 400);
  EXPECT_EQ(hub.Do("POST", "targets/a/assignedDS", Assign(set, R"(,"weight":1001)")).status, 400);
  EXPECT_EQ(
      hub.Do("POST", "targets/a/assignedDS", Assign(set, R"(,"maintenanceWindow":{"schedule":"0 0 3 * * ?"})")).status,
      400);
  EXPECT_EQ(hub.Do("POST", "distributionsets/1/assignedTargets", R"([{"id":"a"},{"id":"nobody"}])").status, 404);
  EXPECT_EQ(hub.Do("GET", "actions").body["total"].AsInteger(), 0) << "all or nothing";
  EXPECT_EQ(hub.Do("POST", "distributionsets", R"([{"name":"empty","version":"1","type":"os"}])").status, 201);
  const Answer incomplete = hub.Do("POST", "targets/a/assignedDS", Assign(2));
  EXPECT_EQ(incomplete.status, 400);
  EXPECT_EQ(incomplete.body["errorCode"].AsString(), "hawkbit.server.error.distributionset.incomplete");
  std::string many = "[";
  for (int i = 0; i <= 5000; ++i) many += (i ? "," : "") + std::string("{\"id\":\"a\"}");
  EXPECT_EQ(hub.Do("POST", "distributionsets/1/assignedTargets", many + "]").status, 429);
}

TEST(Assignment, OfflineIsInstalledAtOnce) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"a"});
  EXPECT_EQ(hub.Do("POST", "targets/a/assignedDS?offline=true", Assign(set)).status, 200);
  EXPECT_EQ(hub.Do("GET", "targets/a/installedDS").body["version"].AsString(), "1");
  EXPECT_EQ(hub.Do("GET", "targets/a").body["updateStatus"].AsString(), "in_sync");
  EXPECT_EQ(hub.Do("GET", "distributionsets/1/installedTargets").body["total"].AsInteger(), 1);
}

TEST(Actions, AreForcedCanceledAndQuit) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"a"});
  ASSERT_EQ(hub.Do("POST", "targets/a/assignedDS", Assign(set, R"(,"type":"soft")")).status, 200);
  const std::string path = "targets/a/actions/1";
  EXPECT_EQ(hub.Do("GET", path).body["forceType"].AsString(), "soft");
  EXPECT_EQ(hub.Do("PUT", path, R"({"forceType":"soft"})").status, 400);
  EXPECT_EQ(hub.Do("PUT", path, R"({"forceType":"forced"})").body["forceType"].AsString(), "forced");
  EXPECT_EQ(hub.Do("DELETE", path + "?force=true").status, 405) << "only a canceling one is quit";
  EXPECT_EQ(hub.Do("DELETE", path).status, 204);
  EXPECT_EQ(hub.Do("GET", path).body["type"].AsString(), "cancel");
  EXPECT_EQ(hub.Do("GET", path).body["status"].AsString(), "canceling");
  EXPECT_EQ(hub.Do("DELETE", path).body["errorCode"].AsString(), "hawkbit.server.error.action.notcancelable");
  hub.Feedback("a", Execution::kRejected, FinishedResult::kNone, {"busy"}, true);
  EXPECT_EQ(hub.Do("GET", path).body["type"].AsString(), "update");
  EXPECT_EQ(hub.Do("DELETE", path).status, 204);
  EXPECT_EQ(hub.Do("DELETE", "actions/1").status, 405) << "it is not over";
  EXPECT_EQ(hub.Do("DELETE", path + "?force=true").status, 204);
  EXPECT_EQ(hub.Do("GET", path).body["status"].AsString(), "canceled");
  EXPECT_FALSE(hub.Do("GET", path).body["active"].AsBool(true));
  const Answer statuses = hub.Do("GET", path + "/status?sort=id:DESC");
  EXPECT_EQ(statuses.body["content"].items()[0]["type"].AsString(), "canceled");
  EXPECT_GT(statuses.body["content"].items()[0]["id"].AsInteger(),
            statuses.body["content"].items()[1]["id"].AsInteger());
  EXPECT_EQ(hub.Do("DELETE", "actions/1").status, 204);
  EXPECT_EQ(hub.Do("GET", "actions/1").status, 404);
}

TEST(Actions, ShowTheTerminalsOwnWordFirst) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"a"});
  ASSERT_EQ(hub.Do("POST", "targets/a/assignedDS", Assign(set)).status, 200);
  hub.Feedback("a", Execution::kClosed, FinishedResult::kFailure, {"health check failed: receipt printer", "more"});
  const Answer newest = hub.Do("GET", "targets/a/actions/1/status?sort=id:DESC&limit=1");
  EXPECT_EQ(newest.body["content"].items()[0]["type"].AsString(), "error");
  EXPECT_EQ(newest.body["content"].items()[0]["messages"].items()[0].AsString(),
            "health check failed: receipt printer");
  EXPECT_EQ(hub.Do("GET", "targets/a").body["till"]["action"]["outcome"].AsString(), "rolled_back");
  EXPECT_EQ(hub.Do("GET", "targets/a").body["till"]["action"]["reason"].AsString(),
            "health check failed: receipt printer");
}

TEST(Rollouts, RunInWavesAndSayWhyTerminalsRolledBack) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"p1", "p2", "p3", "p4", "x"});
  const std::string body = R"({"name":"spring","distributionSetId":")" + std::to_string(set) +
                           R"(","targetFilterQuery":"id==p*","fullFallback":"never",)"
                           R"("groups":[{"name":"first","targetPercentage":25.5},{"name":"rest"}],)"
                           R"("successCondition":{"condition":"THRESHOLD","expression":"50"},)"
                           R"("errorCondition":{"condition":"THRESHOLD","expression":"60"}})";
  const Answer made = hub.Do("POST", "rollouts", body);
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.body["status"].AsString(), "ready");
  EXPECT_EQ(made.body["totalTargets"].AsInteger(), 4);
  EXPECT_EQ(made.body["totalTargetsPerStatus"]["notstarted"].AsInteger(), 4);
  EXPECT_EQ(made.body["fullFallback"].AsString(), "never");
  EXPECT_EQ(hub.Do("POST", "rollouts", body).status, 409);
  EXPECT_EQ(hub.Do("POST", "rollouts/1/pause").status, 400) << "it does not run";
  EXPECT_EQ(hub.Do("POST", "rollouts/1/start", "{}").status, 204);
  ASSERT_TRUE(rollout::Tick(hub.hub()).ok());
  EXPECT_EQ(hub.Do("GET", "rollouts/1").body["status"].AsString(), "running");
  const Answer groups = hub.Do("GET", "rollouts/1/deploygroups");
  ASSERT_EQ(groups.body["total"].AsInteger(), 2);
  EXPECT_EQ(groups.body["content"].items()[0]["totalTargets"].AsInteger(), 1);
  EXPECT_EQ(groups.body["content"].items()[1]["status"].AsString(), "ready");
  hub.Feedback("p1", Execution::kClosed, FinishedResult::kSuccess);
  ASSERT_TRUE(rollout::Tick(hub.hub()).ok());
  hub.Feedback("p2", Execution::kClosed, FinishedResult::kFailure, {"health check failed"});
  hub.Feedback("p3", Execution::kClosed, FinishedResult::kSuccess);
  hub.Feedback("p4", Execution::kClosed, FinishedResult::kSuccess);
  ASSERT_TRUE(rollout::Tick(hub.hub()).ok());
  const Answer end = hub.Do("GET", "rollouts/1");
  EXPECT_EQ(end.body["status"].AsString(), "finished");
  EXPECT_EQ(end.body["till"]["confirmed"].AsInteger(), 3);
  EXPECT_EQ(end.body["till"]["rolledBack"].AsInteger(), 1);
  EXPECT_EQ(end.body["till"]["reasons"].items()[0]["reason"].AsString(), "health check failed");
  const Answer members = hub.Do("GET", "rollouts/1/deploygroups/2/targets?sort=id:ASC");
  ASSERT_EQ(members.body["total"].AsInteger(), 3) << members.text;
  EXPECT_EQ(members.body["content"].items()[0]["till"]["outcome"].AsString(), "rolled_back");
  EXPECT_EQ(members.body["content"].items()[1]["till"]["outcome"].AsString(), "confirmed");
  EXPECT_EQ(hub.Do("GET", "actions?q=rollout.name%3D%3Dspring").body["total"].AsInteger(), 4);
  EXPECT_EQ(hub.Do("GET", "targets/x/actions").body["total"].AsInteger(), 0);
  EXPECT_EQ(hub.Do("GET", "rollouts?q=status%3D%3Dfinished").body["total"].AsInteger(), 1);
  EXPECT_EQ(hub.Do("DELETE", "rollouts/1").status, 204);
  EXPECT_EQ(hub.Do("GET", "rollouts/1").status, 404);
  EXPECT_EQ(hub.Do("GET", "rollouts").body["total"].AsInteger(), 0);
}

TEST(Rollouts, RefuseABodyThatCannotBe) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"a"});
  const std::string start = "{\"name\":\"r\",\"distributionSetId\":" + std::to_string(set);
  const struct {
    std::string body;
    int status;
  } cases[] = {
      {start + "}", 400},
      {start + R"(,"targetFilterQuery":"colour==red"})", 400},
      {start + R"(,"targetFilterQuery":"id==("})", 400},
      {start + R"(,"targetFilterQuery":"id==nobody"})", 400},
      {start + R"(,"targetFilterQuery":"id==*","amountGroups":0})", 400},
      {start + R"(,"targetFilterQuery":"id==*","amountGroups":501})", 400},
      {start + R"(,"targetFilterQuery":"id==*","groups":[{"targetPercentage":0}]})", 400},
      {start + R"(,"targetFilterQuery":"id==*","groups":[{"targetPercentage":101}]})", 400},
      {start + R"(,"targetFilterQuery":"id==*","groups":[{"targetFilterQuery":"id==nobody"}]})", 400},
      {start + R"(,"targetFilterQuery":"id==*","successCondition":{"expression":"101"}})", 400},
      {start + R"(,"targetFilterQuery":"id==*","successCondition":{"condition":"MOON"}})", 400},
      {start + R"(,"targetFilterQuery":"id==*","errorAction":{"action":"SHRUG"}})", 400},
      {start + R"(,"targetFilterQuery":"id==*","fullFallback":"perhaps"})", 400},
      {start + R"(,"targetFilterQuery":"id==*","dynamic":true})", 400},
      {R"({"name":"r","distributionSetId":99,"targetFilterQuery":"id==*"})", 404},
      {R"({"distributionSetId":1,"targetFilterQuery":"id==*"})", 400},
      {"[]", 400},
  };
  for (const auto& c : cases) EXPECT_EQ(hub.Do("POST", "rollouts", c.body).status, c.status) << c.body;
  EXPECT_EQ(hub.Do("GET", "rollouts").body["total"].AsInteger(), 0);
  EXPECT_EQ(hub.Do("POST", "rollouts", start + R"(,"targetFilterQuery":"id==*","amountGroups":1})").status, 201);
}

}  // namespace
}  // namespace till::mgmt
