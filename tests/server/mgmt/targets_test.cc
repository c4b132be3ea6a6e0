// Targets, their parts, lists with paging, sorting and filters, configuration.
#include <algorithm>

#include "server/store/actions.h"
#include "tests/server/mgmt/live_hub.h"

namespace till::mgmt {
namespace {

std::string Names(const Answer& list) {
  std::string names;
  for (const json::Value& item : list.body["content"].items()) {
    names += (names.empty() ? "" : ",") + item["controllerId"].AsString();
  }
  return names;
}

TEST(Targets, AreMadeChangedAndDeleted) {
  LiveHub hub;
  const Answer made =
      hub.Do("POST", "targets",
             R"([{"controllerId":"pos-1","name":"Till 1","description":"d","securityToken":"tok","x":1},)"
             R"({"controllerId":"pos 2/é"}])");
  EXPECT_EQ(made.status, 400) << "a slash cannot be part of a controller id";
  EXPECT_EQ(hub.Do("GET", "targets/pos-1").status, 404) << "all or nothing";
  const Answer two =
      hub.Do("POST", "targets",
             R"([{"controllerId":"pos-1","name":"Till 1","description":"d","securityToken":"tok","x":1},)"
             R"({"controllerId":"pos 2é"}])");
  ASSERT_EQ(two.status, 201) << two.text;
  ASSERT_EQ(two.body.items().size(), 2u);
  EXPECT_EQ(two.body.items()[1]["name"].AsString(), "pos 2é");
  EXPECT_EQ(two.body.items()[1]["securityToken"].AsString().size(), 32u);
  EXPECT_EQ(hub.Do("GET", "targets/pos%202%C3%A9").body["controllerId"].AsString(), "pos 2é");
  const Answer again = hub.Do("POST", "targets", R"([{"controllerId":"pos-1"}])");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.body["errorCode"].AsString(), "hawkbit.server.error.repo.entitiyAlreayExists");
  EXPECT_FALSE(again.body["exceptionClass"].AsString().empty());

  const Answer got = hub.Do("GET", "targets/pos-1");
  EXPECT_EQ(got.body["securityToken"].AsString(), "tok");
  EXPECT_EQ(got.body["updateStatus"].AsString(), "unknown");
  EXPECT_TRUE(got.body["requestAttributes"].AsBool());
  EXPECT_TRUE(got.body["createdAt"].is_integer());
  EXPECT_TRUE(got.body["till"].is_object());
  EXPECT_EQ(hub.Do("PUT", "targets/pos-1", R"({"name":"New","securityToken":"tok2"})").status, 200);
  const Answer changed = hub.Do("GET", "targets/pos-1");
  EXPECT_EQ(changed.body["name"].AsString(), "New");
  EXPECT_EQ(changed.body["description"].AsString(), "d") << "what is not given stays";
  EXPECT_EQ(hub.Do("PUT", "targets/pos-1", R"({"name":""})").status, 400);
  EXPECT_EQ(hub.Do("PUT", "targets/pos-1", R"({"name":7})").status, 400);
  EXPECT_EQ(hub.Do("PUT", "targets/pos-1", "{\"name\":\"" + std::string(200, 'x') + "\"}").status, 400);
  EXPECT_EQ(hub.Do("PUT", "targets/nobody", R"({"name":"a"})").status, 404);

  EXPECT_EQ(hub.Do("GET", "targets/pos-1/attributes").status, 204);
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/installedDS").status, 204);
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/assignedDs").status, 204);
  EXPECT_EQ(hub.Do("DELETE", "targets/pos-1").status, 204);
  EXPECT_EQ(hub.Do("DELETE", "targets/pos-1").status, 404);
}

TEST(Targets, ArePagedSortedAndFiltered) {
  LiveHub hub;
  EXPECT_EQ(hub.Do("POST", "targets",
                   R"([{"controllerId":"a","name":"3"},{"controllerId":"b","name":"1"},)"
                   R"({"controllerId":"c","name":"2"},{"controllerId":"d","name":"1"}])")
                .status,
            201);
  const struct {
    const char* query;
    const char* names;
    int64_t total;
  } cases[] = {
      {"", "a,b,c,d", 4},
      {"?limit=2", "a,b", 4},
      {"?limit=2&offset=3", "d", 4},
      {"?offset=9", "", 4},
      {"?limit=0", "", 4},
      {"?limit=9999", "a,b,c,d", 4},
      {"?sort=controllerId:DESC", "d,c,b,a", 4},
      {"?sort=name:ASC,id:DESC", "d,b,c,a", 4},
      {"?sort=name:asc&limit=2&offset=1", "d,c", 4},
      {"?q=name%3D%3D1", "b,d", 2},
      {"?q=name%3D%3D1&limit=1", "b", 2},
      {"?q=controllerId%3D%3Dc", "c", 1},
      {"?q=id%3D%3DC", "c", 1},
      {"?q=id%3D%3D*", "a,b,c,d", 4},
      {"?q=updatestatus%3D%3Dunknown%3Bname!%3D1", "a,c", 2},
      {"?q=attribute.x%3D%3D1", "", 0},
      {"?q=lastcontrollerrequestat%3Dgt%3D5", "", 0},
  };
  for (const auto& c : cases) {
    const Answer list = hub.Do("GET", std::string("targets") + c.query);
    ASSERT_EQ(list.status, 200) << c.query << list.text;
    EXPECT_EQ(Names(list), c.names) << c.query;
    EXPECT_EQ(list.body["total"].AsInteger(), c.total) << c.query;
    EXPECT_EQ(list.body["size"].AsInteger(), static_cast<int64_t>(list.body["content"].items().size())) << c.query;
  }
  const struct {
    const char* query;
    const char* code;
  } refusals[] = {
      {"?q=colour%3D%3Dred", "rest.param.rsqlInvalidField"},
      {"?q=name%3D%3D", "rest.param.rsqlParamSyntax"},
      {"?q=(((", "rest.param.rsqlParamSyntax"},
      {"?sort=name", "rest.param.sortParamSyntax"},
      {"?sort=name:UP", "rest.param.invalidDirection"},
      {"?sort=colour:ASC", "rest.param.invalidField"},
      {"?limit=x", "repo.constraintViolation"},
      {"?offset=-1", "repo.constraintViolation"},
  };
  for (const auto& c : refusals) {
    const Answer list = hub.Do("GET", std::string("targets") + c.query);
    EXPECT_EQ(list.status, 400) << c.query;
    EXPECT_EQ(list.body["errorCode"].AsString(), std::string("hawkbit.server.error.") + c.code) << c.query;
  }
}

TEST(Targets, ShowWhatRuns) {
  LiveHub hub;
  hub.AddTargets({"pos-1"});
  const Status stored = hub.hub().writer.Run([&](kv::WriteTxn& txn) {
    server::AttributeChange change;
    change.data = {{"till.slot", "B"}, {"till.image.rootfs", std::string(64, 'a')}, {"till.version.rootfs", "1.4.0"}};
    return server::UpdateAttributes(txn, "pos-1", change, {"device", 1});
  });
  ASSERT_TRUE(stored.ok());
  hub.hub().last_seen.Touch("pos-1", "10.1.2.3", hub.hub().clock.UnixMs());
  const Answer got = hub.Do("GET", "targets/pos-1");
  EXPECT_EQ(got.body["till"]["slot"].AsString(), "B");
  EXPECT_EQ(got.body["till"]["version"].AsString(), "1.4.0");
  EXPECT_EQ(got.body["till"]["images"]["rootfs"].AsString(), std::string(64, 'a'));
  EXPECT_EQ(got.body["ipAddress"].AsString(), "10.1.2.3");
  EXPECT_FALSE(got.body["pollStatus"]["overdue"].AsBool(true));
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/attributes").body["till.slot"].AsString(), "B");
  EXPECT_EQ(Names(hub.Do("GET", "targets?q=attribute.till.slot%3D%3Db")), "pos-1");
}

TEST(Targets, KeepMetadata) {
  LiveHub hub;
  hub.AddTargets({"pos-1"});
  EXPECT_EQ(
      hub.Do("POST", "targets/pos-1/metadata", R"([{"key":"site","value":"Hall 3"},{"key":"k","value":"v"}])").status,
      201);
  EXPECT_EQ(hub.Do("POST", "targets/pos-1/metadata", R"([{"key":"site","value":"again"}])").status, 409);
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/metadata").body["total"].AsInteger(), 2);
  EXPECT_EQ(hub.Do("PUT", "targets/pos-1/metadata/site", R"({"value":"Hall 4"})").status, 204);
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/metadata/site").body["value"].AsString(), "Hall 4");
  EXPECT_EQ(Names(hub.Do("GET", "targets?q=metadata.site%3D%3D%27hall%204%27")), "pos-1");
  EXPECT_EQ(hub.Do("DELETE", "targets/pos-1/metadata/site").status, 204);
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/metadata/site").status, 404);
  std::string many = "[";  // covers W16: at the limit, and one above it
  for (int i = 0; i < 99; ++i) many += (i ? "," : "") + ("{\"key\":\"m" + std::to_string(i) + "\",\"value\":\"\"}");
  EXPECT_EQ(hub.Do("POST", "targets/pos-1/metadata", many + "]").status, 201);
  EXPECT_EQ(hub.Do("POST", "targets/pos-1/metadata", R"([{"key":"one-more","value":""}])").status, 429);
}

TEST(Configs, TakeEffectAtOnce) {
  LiveHub hub;
  const Answer all = hub.Do("GET", "system/configs");
  EXPECT_TRUE(all.body["pollingTime"]["global"].AsBool());
  EXPECT_TRUE(all.body.Has("authentication.targettoken.enabled"));
  EXPECT_EQ(hub.Do("PUT", "system/configs/pollingTime", R"({"value":"00:02:00"})").status, 204);
  const Answer changed = hub.Do("GET", "system/configs/pollingTime");
  EXPECT_EQ(changed.body["value"].AsString(), "00:02:00");
  EXPECT_FALSE(changed.body["global"].AsBool(true));
  EXPECT_EQ(hub.Do("DELETE", "system/configs/pollingTime").status, 204);
  EXPECT_TRUE(hub.Do("GET", "system/configs/pollingTime").body["global"].AsBool());
  EXPECT_EQ(
      hub.Do("PUT", "system/configs", R"({"authentication.targettoken.enabled":true,"pollingTime":"00:03:00"})").status,
      204);
  EXPECT_TRUE(hub.Do("GET", "system/configs/authentication.targettoken.enabled").body["value"].AsBool());
  EXPECT_EQ(hub.Do("GET", "system/configs/no.such.key").status, 400);
  EXPECT_EQ(hub.Do("PUT", "system/configs/no.such.key", R"({"value":1})").status, 400);
  EXPECT_EQ(hub.Do("PUT", "system/configs", R"({"pollingTime":"00:04:00","no.such.key":1})").status, 400);
  EXPECT_EQ(hub.Do("GET", "system/configs/pollingTime").body["value"].AsString(), "00:03:00") << "all or nothing";
  EXPECT_EQ(hub.Do("PUT", "system/configs/pollingTime", R"({"value":true})").status, 400);
  EXPECT_EQ(hub.Do("PUT", "system/configs/pollingTime", "{}").status, 400);
}

// Stock clients ask for them; what nothing acts on takes its default alone.
TEST(Configs, ThatNothingActsOnCannotBeSet) {
  LiveHub hub;
  const struct {
    const char* key;
    const char* value;
  } rows[] = {{"user.confirmation.flow.enabled", "true"},
              {"maintenanceWindowPollCount", "5"},
              {"auto.assignment.approval.enabled", "true"},
              {"action.cleanup.auto.expiry", "1000"},
              {"action.cleanup.auto.status", "\"ERROR\""},
              {"action.cleanup.onQuotaHit.percent", "10"},
              {"action.delete.allowed.statuses", "\"ERROR\""},
              {"batch.assignments.enabled", "true"},
              {"default.ds.type", "2"}};
  for (const auto& row : rows) {
    const std::string path = std::string("system/configs/") + row.key;
    const Answer set = hub.Do("PUT", path, std::string("{\"value\":") + row.value + "}");
    EXPECT_EQ(set.status, 400) << row.key;
    EXPECT_NE(set.text.find("unsupported"), std::string::npos) << set.text;
    const Answer now = hub.Do("GET", path);
    EXPECT_TRUE(now.body["global"].AsBool()) << row.key;
    const std::string same = "{\"value\":" + json::Write(now.body["value"]) + "}";
    EXPECT_EQ(hub.Do("PUT", path, same).status, 204) << row.key << ": the default";
  }
  hub.AddTargets({"pos-1"});
  const int64_t set = hub.MakeSet("1");
  const std::string id = std::to_string(set);
  EXPECT_EQ(hub.Do("POST", "targets/pos-1/assignedDS", R"({"id":)" + id + R"(,"confirmationRequired":true})").status,
            400);
  EXPECT_EQ(hub.Do("POST", "rollouts",
                   R"({"name":"r","distributionSetId":)" + id +
                       R"(,"targetFilterQuery":"id==*","confirmationRequired":true})")
                .status,
            400);
}

// covers W16
TEST(Lists, AreBoundedInBytesAndSortedOnesHoldAPageOnly) {
  LiveHub hub;
  hub.AddTargets({"pos-1"});
  const int64_t set = hub.MakeSet("1");
  ASSERT_EQ(hub.Do("POST", "targets/pos-1/assignedDS", R"({"id":)" + std::to_string(set) + "}").status, 200);
  // As an older version kept them: 20 entries of 500 KiB.
  const Status put = hub.hub().writer.Run([](kv::WriteTxn& txn) -> Status {
    server::Action action = TILL_TRY(server::GetAction(txn, server::ActionId{1}));
    for (int i = 0; i < 20; ++i) {
      server::ActionStatus status;
      status.messages.assign(1000, std::string(500, 'm'));
      TILL_TRY(server::AppendStatus(txn, action, status, 1));
    }
    return server::PutAction(txn, action);
  });
  ASSERT_TRUE(put.ok());
  for (const std::string sort : {"", "&sort=id%3ADESC", "&sort=id%3AASC"}) {
    std::vector<int64_t> ids;
    for (int64_t total = 21; static_cast<int64_t>(ids.size()) < total;) {
      const http::Reply reply = hub.Send(
          "GET", "/rest/v1/targets/pos-1/actions/1/status?limit=500&offset=" + std::to_string(ids.size()) + sort);
      ASSERT_EQ(reply.status, 200);
      ASSERT_LT(reply.body.size(), 6u << 20);
      json::Limits limits;
      limits.max_bytes = 8 << 20;
      const auto page = json::Parse(reply.body, limits);
      ASSERT_TRUE(page.ok()) << page.error().what;
      ASSERT_GT((*page)["size"].AsInteger(), 0);
      EXPECT_EQ((*page)["total"].AsInteger(), total);
      for (const json::Value& entry : (*page)["content"].items()) ids.push_back(entry["id"].AsInteger());
    }
    EXPECT_EQ(ids.size(), 21u);
    const bool descending = sort.ends_with("DESC");
    EXPECT_TRUE(descending ? std::is_sorted(ids.rbegin(), ids.rend()) : std::is_sorted(ids.begin(), ids.end())) << sort;
  }
}

TEST(UserInfo, NamesTheOperator) {
  LiveHub hub;
  const Answer info = hub.Do("GET", "userinfo");
  EXPECT_EQ(info.body["tenant"].AsString(), "DEFAULT");
  EXPECT_EQ(info.body["username"].AsString(), "admin");
}

}  // namespace
}  // namespace till::mgmt
