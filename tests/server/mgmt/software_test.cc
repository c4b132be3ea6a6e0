// Modules, artifacts, sets.
#include "server/rollout/ticker.h"
#include "server/store/targets.h"
#include "tests/server/mgmt/live_hub.h"

namespace till::mgmt {
namespace {

size_t FilesIn(const std::string& folder) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    files += entry.is_regular_file() ? 1 : 0;
  return files;
}

int64_t MakeModule(LiveHub& hub, const std::string& version = "1") {
  const Answer made =
      hub.Do("POST", "softwaremodules", R"([{"name":"os","version":")" + version + R"(","type":"os"}])");
  EXPECT_EQ(made.status, 201) << made.text;
  return made.body.items()[0]["id"].AsInteger();
}

TEST(Modules, AreUniqueByNameVersionAndType) {
  LiveHub hub;
  MakeModule(hub);
  EXPECT_EQ(hub.Do("POST", "softwaremodules", R"([{"name":"os","version":"1","type":"os"}])").status, 409);
  EXPECT_EQ(hub.Do("POST", "softwaremodules", R"([{"name":"os","version":"1","type":"application"}])").status, 201);
  EXPECT_EQ(hub.Do("POST", "softwaremodules", R"([{"name":"os","version":"2","type":"firmware"}])").status, 400);
  EXPECT_EQ(hub.Do("POST", "softwaremodules", R"([{"name":"os","type":"os"}])").status, 400);
  EXPECT_EQ(hub.Do("PUT", "softwaremodules/1", R"({"vendor":"ACME"})").body["vendor"].AsString(), "ACME");
  EXPECT_EQ(hub.Do("GET", "softwaremodules?q=vendor%3D%3Dacme").body["total"].AsInteger(), 1);
  EXPECT_EQ(hub.Do("DELETE", "softwaremodules/1").status, 204);
  EXPECT_EQ(hub.Do("GET", "softwaremodules/1").status, 404);
  EXPECT_EQ(hub.Do("GET", "softwaremoduletypes").body["total"].AsInteger(), 2);
  EXPECT_EQ(hub.Do("GET", "distributionsettypes?q=key%3D%3Dos_app").body["total"].AsInteger(), 1);
  EXPECT_EQ(hub.Do("GET", "targettypes").body["total"].AsInteger(), 0);
}

TEST(Artifacts, AreTakenWithTheirSumsAndServedWithRanges) {
  LiveHub hub;
  const int64_t module = MakeModule(hub);
  const std::string content(200'000, 'x');
  const Answer made = hub.Upload(module, "a.bin", content);
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.body["size"].AsInteger(), 200'000);
  EXPECT_EQ(made.body["hashes"]["sha256"].AsString().size(), 64u);
  EXPECT_EQ(made.body["hashes"]["sha1"].AsString().size(), 40u);
  EXPECT_EQ(made.body["hashes"]["md5"].AsString().size(), 32u);
  EXPECT_EQ(hub.Upload(module, "a.bin", "other").status, 409);
  const std::string path = "/rest/v1/softwaremodules/1/artifacts/1/download";
  const http::Reply whole = hub.Send("GET", path);
  EXPECT_EQ(whole.body, content);
  EXPECT_EQ(whole.header("ETag"), "\"" + made.body["hashes"]["sha1"].AsString() + "\"");
  const http::Reply part = hub.Send("GET", path, "", {{"Authorization", LiveHub::kGood}, {"Range", "bytes=199990-"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body.size(), 10u);
  EXPECT_EQ(hub.Send("GET", path, "", {{"Authorization", LiveHub::kGood}, {"Range", "bytes=200000-"}}).status, 416);
  EXPECT_EQ(hub.Send("GET", "/rest/v1/softwaremodules/1/artifacts/2/download").status, 404);
  EXPECT_EQ(hub.Send("GET", "/rest/v1/softwaremodules/x/artifacts/1/download").status, 404);
  EXPECT_EQ(hub.Do("GET", "softwaremodules/1/artifacts").body.items().size(), 1u) << "a plain array";
  EXPECT_EQ(hub.Do("GET", "softwaremodules/1/artifacts/1").body["providedFilename"].AsString(), "a.bin");
  EXPECT_EQ(hub.Do("DELETE", "softwaremodules/1/artifacts/1").status, 204);
  EXPECT_EQ(hub.Do("GET", "softwaremodules/1/artifacts/1").status, 404);
}

TEST(Artifacts, AreRefusedWhenTheyAreNotWhatWasSaid) {
  LiveHub hub;
  const int64_t module = MakeModule(hub);
  const std::string wrong(64, '0');
  const size_t before = FilesIn(hub.folder() + "/artifacts");
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?sha256sum=" + wrong).body["errorCode"].AsString(),
            "hawkbit.server.error.artifact.uploadFailed.checksum.sha256.match");
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?md5sum=" + wrong.substr(32)).status, 400);
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?sha1sum=" + wrong.substr(24)).status, 400);
  EXPECT_EQ(hub.Upload(module, "", "x").status, 400) << "no name";
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?filename=..").status, 400);
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?filename=a%2Fb").status, 400);
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?filename=a%0D%0Ab").status, 400);
  EXPECT_EQ(hub.Upload(77, "a.bin", "x").status, 404);
  EXPECT_EQ(hub.Upload(module, "a.bin", std::string(9 << 20, 'x')).status, 413) << "above the hub's limit";
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "", "Basic d3Jvbmc6d3Jvbmc=").status, 401);
  EXPECT_EQ(hub.Upload(module, "a.bin", "x", "?filename=b.bin").body["providedFilename"].AsString(), "b.bin");
  hub.StopServing();  // what was being cleared away is gone then
  EXPECT_EQ(FilesIn(hub.folder() + "/artifacts"), before + 1) << "nothing of the refused ones stays";
}

TEST(Artifacts, ComeInPiecesAndOnlyWhenInvited) {
  LiveHub hub;
  MakeModule(hub);
  const std::string head = std::string("POST /rest/v1/softwaremodules/1/artifacts HTTP/1.1\r\nHost: x\r\n") +
                           "Connection: close\r\nAuthorization: " + LiveHub::kGood +
                           "\r\nContent-Type: multipart/form-data; boundary=\"X y\"\r\n";
  const std::string form =
      "--X y\r\nContent-Disposition: form-data; name=file; filename=c.bin\r\n\r\nabc\r\n"
      "--X y\r\nContent-Disposition: form-data; name=\"md5sum\"\r\n\r\n900150983cd24fb0d6963f7d28e17f72\r\n--X y--\r\n";
  std::string chunks;
  for (const char c : form) chunks += std::string("1\r\n") + c + "\r\n";
  const std::string answer = hub.Raw(hub.port(), head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n");
  EXPECT_NE(answer.find("HTTP/1.1 201"), std::string::npos) << answer;
  EXPECT_NE(answer.find("\"md5\":\"900150983cd24fb0d6963f7d28e17f72\""), std::string::npos);
  // A stranger is told before he sends.
  const std::string refused =
      hub.Raw(hub.port(),
              "POST /rest/v1/softwaremodules/1/artifacts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
              "Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused.substr(0, 12), "HTTP/1.1 401");
  const std::string cut = hub.Raw(hub.port(), head + "Content-Length: 20\r\n\r\n--X y\r\nContent-Dispo");
  EXPECT_EQ(cut.substr(0, 12), "HTTP/1.1 400") << "a form that ends early";
}

TEST(Artifacts, HaveAQuota) {  // covers W16
  LiveHub hub;
  const int64_t module = MakeModule(hub);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(hub.Upload(module, "f" + std::to_string(i), "x").status, 201);
  const Answer above = hub.Upload(module, "f50", "x");
  EXPECT_EQ(above.status, 429);
  EXPECT_EQ(above.body["errorCode"].AsString(), "hawkbit.server.error.quota.tooManyEntries");
}

TEST(Modules, ShowMetadataToTargetsWhenTold) {
  LiveHub hub;
  MakeModule(hub);
  EXPECT_EQ(hub.Do("POST", "softwaremodules/1/metadata",
                   R"([{"key":"till.target","value":"abc","targetVisible":true},{"key":"note","value":"n"}])")
                .status,
            201);
  EXPECT_TRUE(hub.Do("GET", "softwaremodules/1/metadata/till.target").body["targetVisible"].AsBool());
  EXPECT_FALSE(hub.Do("GET", "softwaremodules/1/metadata/note").body["targetVisible"].AsBool(true));
  EXPECT_EQ(hub.Do("GET", "softwaremodules?q=metadata.till.target%3D%3Dabc").body["total"].AsInteger(), 1);
}

TEST(Sets, AreCompleteWithTheModulesTheirTypeAsksFor) {
  LiveHub hub;
  MakeModule(hub);
  const Answer empty = hub.Do("POST", "distributionsets", R"([{"name":"pos","version":"1","type":"os"}])");
  ASSERT_EQ(empty.status, 201) << empty.text;
  EXPECT_FALSE(empty.body.items()[0]["complete"].AsBool(true));
  EXPECT_EQ(hub.Do("POST", "distributionsets", R"([{"name":"pos","version":"1","type":"os"}])").status, 409);
  EXPECT_EQ(hub.Do("POST", "distributionsets/1/assignedSM", R"([{"id":1}])").status, 204);
  EXPECT_TRUE(hub.Do("GET", "distributionsets/1").body["complete"].AsBool());
  EXPECT_EQ(hub.Do("GET", "distributionsets/1/assignedSM").body["total"].AsInteger(), 1);
  EXPECT_EQ(hub.Do("POST", "distributionsets/1/assignedSM", R"([{"id":9}])").status, 404);
  EXPECT_EQ(
      hub.Do("POST", "distributionsets", R"([{"name":"p","version":"1","type":"app","modules":[{"id":1}]}])").status,
      400)
      << "an os module is no application";
  EXPECT_EQ(hub.Do("DELETE", "distributionsets/1/assignedSM/1").status, 204);
  EXPECT_EQ(hub.Do("DELETE", "distributionsets/1/assignedSM/1").status, 404);
  EXPECT_EQ(hub.Do("GET", "distributionsets?sort=id:DESC&q=version%3D%3D1").body["total"].AsInteger(), 1);
}

TEST(Sets, StopTheirRolloutsWhenTheyAreDeleted) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"pos-1"});
  const Answer made =
      hub.Do("POST", "rollouts",
             R"({"name":"r","distributionSetId":)" + std::to_string(set) + R"(,"targetFilterQuery":"id==*"})");
  ASSERT_EQ(made.status, 201) << made.text;
  ASSERT_EQ(hub.Do("POST", "rollouts/1/start").status, 204);
  ASSERT_TRUE(rollout::Tick(hub.hub()).ok());
  ASSERT_EQ(hub.Do("DELETE", "distributionsets/" + std::to_string(set)).status, 204);
  ASSERT_TRUE(rollout::Tick(hub.hub()).ok());
  EXPECT_EQ(hub.Do("GET", "rollouts/1").body["status"].AsString(), "stopped");
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/actions").body["content"].items()[0]["status"].AsString(), "canceling");
}

TEST(Names, ThatNoUrlCanCarryAreRefusedWhereTheyAreMade) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"pos-1"});
  for (const std::string& name : {std::string("."), std::string(".."), std::string("a\\\\b"), std::string("%2e%2E"),
                                  std::string("a%2Fb"), std::string("%5c"), std::string("\\u009b")}) {
    const auto made = [&](const std::string& path, const std::string& body) {
      EXPECT_EQ(hub.Do("POST", path, body).status, 400) << path << ' ' << body;
    };
    made("targets", R"([{"controllerId":")" + name + "\"}]");
    made("softwaremodules", R"([{"name":")" + name + R"(","version":"1","type":"os"}])");
    made("softwaremodules", R"([{"name":"m","version":")" + name + R"(","type":"os"}])");
    made("distributionsets", R"([{"name":")" + name + R"(","version":"1","type":"os"}])");
    made("distributionsets", R"([{"name":"d","version":")" + name + R"(","type":"os"}])");
    made("targets/pos-1/metadata", R"([{"key":")" + name + R"(","value":"v"}])");
    const std::string rollout = R"(,"distributionSetId":)" + std::to_string(set) + R"(,"targetFilterQuery":"id==*")";
    made("rollouts", R"({"name":")" + name + "\"" + rollout + "}");
    made("rollouts", R"({"name":"r")" + rollout + R"(,"groups":[{"name":")" + name + "\"}]}");
    EXPECT_EQ(hub.Do("PUT", "distributionsets/" + std::to_string(set), R"({"name":")" + name + "\"}").status, 400);
  }
  const Answer fresh = hub.Do("POST", "softwaremodules", R"([{"name":"n","version":"1","type":"os"}])");
  const int64_t module = fresh.body.items()[0]["id"].AsInteger();
  for (const char* file : {".", "..", "%2e%2e", "a%2fb"}) EXPECT_EQ(hub.Upload(module, file, "x").status, 400) << file;
}

// A target that an older version let in under such a name.
TEST(Names, OfOldCanBeReadAndDeleted) {
  LiveHub hub;
  const Status put = hub.hub().writer.Run([](kv::WriteTxn& txn) {
    server::Target target;
    target.controller_id = "..";
    target.name = "old";
    return server::PutTarget(txn, target);
  });
  ASSERT_TRUE(put.ok());
  const Answer list = hub.Do("GET", "targets?q=controllerid%3D%3D..");
  ASSERT_EQ(list.body["total"].AsInteger(), 1) << list.text;
  EXPECT_EQ(hub.Do("DELETE", "targets").status, 400);
  EXPECT_EQ(hub.Do("DELETE", "targets?q=name%3D%3Dold").status, 400) << "by its id alone";
  EXPECT_EQ(hub.Do("DELETE", "targets?q=controllerid%3D%3D..").status, 204);
  EXPECT_EQ(hub.Do("GET", "targets").body["total"].AsInteger(), 0);
}

TEST(Sets, AreLockedOnceAssignedAndDeletedSoftly) {
  LiveHub hub;
  const int64_t set = hub.MakeSet("1");
  hub.AddTargets({"pos-1"});
  const std::string path = "distributionsets/" + std::to_string(set);
  EXPECT_EQ(hub.Do("POST", path + "/assignedTargets", R"([{"id":"pos-1"}])").status, 200);
  EXPECT_EQ(hub.Do("POST", path + "/assignedSM", R"([{"id":1}])").status, 423);
  EXPECT_EQ(hub.Do("DELETE", path + "/assignedSM/1").status, 423);
  EXPECT_EQ(hub.Upload(1, "more.bin", "x").status, 423);
  EXPECT_EQ(hub.Do("DELETE", "softwaremodules/1/artifacts/1").status, 423);
  EXPECT_EQ(hub.Do("POST", "softwaremodules/1/metadata", R"([{"key":"a","value":"b"}])").status, 423);
  EXPECT_EQ(hub.Do("DELETE", "softwaremodules/1").status, 204);
  EXPECT_EQ(hub.Do("DELETE", "softwaremodules/1").status, 204) << "clients delete twice";
  EXPECT_EQ(hub.Do("GET", "softwaremodules").body["total"].AsInteger(), 0);
  EXPECT_EQ(hub.Do("DELETE", path).status, 204);
  EXPECT_EQ(hub.Do("GET", "distributionsets").body["total"].AsInteger(), 0);
  EXPECT_EQ(hub.Do("GET", "targets/pos-1/assignedDS").body["name"].AsString(), "pos") << "its action still names it";
  const Answer action = hub.Do("GET", "targets/pos-1/actions");
  EXPECT_EQ(action.body["content"].items()[0]["status"].AsString(), "canceling")
      << "deleting is no weaker than stopping";
  EXPECT_EQ(hub.Do("DELETE", "targets/pos-1").status, 204) << "a target with a running action can go";
}

}  // namespace
}  // namespace till::mgmt
