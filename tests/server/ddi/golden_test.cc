// Request and reply pairs of the DDI contract (tests/golden/ddi, written from it), against the real server.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "server/ddi/deployment.h"
#include "server/model/mirrors.h"
#include "tests/server/support/release.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

constexpr char kId[] = "pos-17";

void AssignStock(World& world) {
  world.Assign(kId, world.AddSet("pos-rootfs", "2.4.1", {{"rootfs.swu", "hello firmware"}},
                                 {{"color", "red", true}, {"secret", "x", false}}));
}

void AssignDelta(World& world) {
  const std::string payload = "the delta payload", image = HexOf("image 2"), base = HexOf("image 1");
  Release release;
  release.AddImage("pos", "2", "rootfs", image, {});
  release.AddPayload(payload, image, base, payload.size(), 1 << 20, 1, payload);
  world.releases.Replace(std::make_shared<const ReleaseIndex>(release.Index()));
  world.AddBlob(payload);
  world.Config("till.mirrors", json::Value::Array({"http://edge-a:1", "http://edge-b:2"}));
  world.SetAttributes(kId, {{"till.format", "1"}, {"till.image.rootfs", base}});
  world.Assign(kId, world.AddSet("pos-rootfs", "2", {{"stock.swu", "not for terminals that take deltas"}},
                                 {{"till.target", image, true}}));
}

void Given(World& world, const std::string& given) {
  world.AddTarget(kId);
  world.AsTarget(kId, "GET", "");
  if (given == "new") return;
  world.AsTarget(kId, "PUT", "configData", R"({"data":{"hw":"2"}})");
  if (given == "told") return;
  if (given == "assigned-delta") return AssignDelta(world);
  AssignStock(world);
  const auto action = static_cast<ActionId>(1);
  if (given == "canceling") {
    world.Update([&](kv::WriteTxn& txn) { return RequestCancel(txn, action, {"tester", 1}); });
  } else if (given == "finished") {
    world.AsTarget(kId, "GET", "deploymentBase/1");
    world.Feedback(kId, action, "closed", "success");
  } else if (given == "assigned-and-told") {
    world.AsTarget(kId, "GET", "deploymentBase/1");
    for (const char* word : {"older", "newest"}) {
      world.AsTarget(kId, "POST", "deploymentBase/1/feedback",
                     R"({"status":{"execution":"proceeding","result":{"finished":"none"},"details":[")" +
                         std::string(word) + R"("]}})");
    }
  } else {
    ASSERT_EQ(given, "assigned");
  }
}

void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// The number behind "?c=" is free: any int that changes when the way of taking the action does.
void HideC(std::string& text) {
  const size_t at = text.find("?c=");
  if (at == std::string::npos) return;
  const size_t end = text.find_first_not_of("-0123456789", at + 3);
  text.replace(at + 3, end - at - 3, "{c}");
}

TEST(Golden, EveryPairOfTheContractIsAnsweredSo) {
  size_t pairs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TILL_SOURCE_DIR) + "/tests/golden/ddi")) {
    SCOPED_TRACE(entry.path().filename().string());
    const json::Value pair = json::Parse(ReadTextFile(entry.path()).value()).value();
    World world;
    Given(world, pair["given"].AsString());
    std::vector<http::HeaderField> headers;
    for (const auto& [name, value] : pair["request"]["headers"].members()) headers.push_back({name, value.AsString()});
    const json::Value& body = pair["request"]["body"];
    const http::Reply reply =
        world.AsTarget(kId, pair["request"]["method"].AsString(), pair["request"]["rest"].AsString(),
                       body.is_null() ? "" : json::Write(body), headers);
    EXPECT_EQ(reply.status, pair["reply"]["status"].AsInteger());
    std::string got = reply.body;
    HideC(got);
    std::string wanted = pair["reply"]["body"].is_null() ? "" : json::Write(pair["reply"]["body"]);
    ReplaceAll(wanted, "{origin}", world.url());
    ReplaceAll(wanted, "{mirrors}", MirrorsFor(kId, {"http://edge-a:1", "http://edge-b:2"}));
    EXPECT_EQ(got, wanted);
    EXPECT_EQ(reply.header("Content-Type"), pair["reply"]["type"].AsString());  // none where the pair says none
    ++pairs;
  }
  EXPECT_GE(pairs, 15u);
}

}  // namespace
}  // namespace till::server
