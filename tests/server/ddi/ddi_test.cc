// The DDI over HTTP: what unmodified clients rely on, line by line.
#include <gtest/gtest.h>

#include <map>

#include "server/ddi/deployment.h"
#include "server/model/mirrors.h"
#include "server/model/tenant_config.h"
#include "server/store/targets.h"
#include "tests/core/http/raw_socket.h"
#include "tests/server/support/release.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

// --- who may ask (covers W06 W22) ---
TEST(DeviceAuth, EveryEndpointRefusesEveryWrongCaller) {
  World world;
  world.AddTarget("pos-1");
  world.AddTarget("pos-2");
  world.Config(config::kGatewayTokenKey, "gate");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f.bin", "secret bytes"}}));
  const std::string id = IdText(action);
  const std::pair<const char*, std::string> endpoints[] = {
      {"GET", ""},
      {"GET", "/deploymentBase/" + id},
      {"POST", "/deploymentBase/" + id + "/feedback"},
      {"GET", "/cancelAction/" + id},
      {"POST", "/cancelAction/" + id + "/feedback"},
      {"GET", "/installedBase/" + id},
      {"PUT", "/installedBase"},
      {"PUT", "/configData"},
      {"GET", "/softwaremodules/1/artifacts"},
      {"GET", "/softwaremodules/1/artifacts/f.bin"},
      {"HEAD", "/softwaremodules/1/artifacts/f.bin"},
      {"GET", "/softwaremodules/1/artifacts/f.bin.MD5SUM"},
      {"GET", "/no/such/thing"},
  };
  const std::pair<const char*, const char*> callers[] = {
      {"none", ""},
      {"empty token", "TargetToken "},
      {"wrong token", "TargetToken token-of-pos-3"},
      {"other target's token", "TargetToken token-of-pos-2"},
      {"token with more", "TargetToken token-of-pos-1x"},
      {"token with less", "TargetToken token-of-pos-"},
      {"scheme in small letters", "targettoken token-of-pos-1"},
      {"gateway while it is off", "GatewayToken gate"},
      {"empty gateway", "GatewayToken "},
      {"basic", "Basic YTpi"},
      {"operator's bearer form", "Bearer till_admin_0"},
  };
  for (const auto& [method, rest] : endpoints) {
    for (const auto& [who, authorization] : callers) {
      std::vector<http::HeaderField> headers{{"Content-Type", "application/json"}};
      if (*authorization) headers.push_back({"Authorization", authorization});
      const http::Reply reply = world.Send(method, "/DEFAULT/controller/v1/pos-1" + rest,
                                           *method == 'P' ? R"({"data":{"a":"b"}})" : "", headers);
      EXPECT_EQ(reply.status, 401) << method << ' ' << rest << ": " << who;
      EXPECT_EQ(reply.body, "") << who;
    }
    for (const char* path : {"/OTHER/controller/v1/pos-1", "/DEFAULT/controller/v1/unknown"}) {
      EXPECT_EQ(world.Send(method, path + rest, "", {{"Authorization", "TargetToken token-of-pos-1"}}).status, 401);
    }
    const http::Reply foreign = world.AsTarget("pos-2", method, rest.empty() ? "" : rest.substr(1),
                                               *method == 'P' ? R"({"data":{"a":"b"},"name":"n","version":"v",
                                                 "status":{"execution":"closed","result":{"finished":"success"}}})"
                                                              : "");
    const bool own = rest.empty() || rest == "/configData";
    EXPECT_EQ(foreign.status, own ? 200 : 404) << method << ' ' << rest << ": its own token on a foreign action";
    EXPECT_EQ(foreign.body.find("secret bytes"), std::string::npos);
  }
  EXPECT_TRUE(world.ReadAction(action).active) << "nobody's feedback counted";
}

TEST(DeviceAuth, EachWayIsSwitchedByConfiguration) {
  World world;
  world.AddTarget("pos-1");
  const auto ask = [&](const std::string& id, const std::string& authorization) {
    return world.Send("GET", "/default/controller/v1/" + id, "", {{"Authorization", authorization}}).status;
  };
  EXPECT_EQ(ask("pos-1", "TargetToken token-of-pos-1"), 200) << "tenant names have no case";
  world.Config(config::kTargetTokenEnabled, false);
  EXPECT_EQ(ask("pos-1", "TargetToken token-of-pos-1"), 401);
  world.Config(config::kGatewayTokenEnabled, true);
  EXPECT_EQ(ask("pos-1", "GatewayToken "), 401) << "an empty key opens nothing";
  world.Config(config::kGatewayTokenKey, "gate");
  EXPECT_EQ(ask("pos-1", "GatewayToken gate"), 200);
  EXPECT_EQ(ask("pos-1", "GatewayToken gatf"), 401);
}

TEST(DeviceAuth, AGatewayRegistersUnknownTargets) {
  World world;
  world.Config(config::kGatewayTokenEnabled, true);
  world.Config(config::kGatewayTokenKey, "gate");
  const std::vector<http::HeaderField> gate{{"Authorization", "GatewayToken gate"}};
  EXPECT_EQ(world.Send("GET", "/DEFAULT/controller/v1/new%20one/deploymentBase/1", "", gate).status, 404);
  const http::Reply reply = world.Send("GET", "/DEFAULT/controller/v1/new%20one", "", gate);
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("/new%20one/configData"), std::string::npos) << reply.body;
  const Target target = world.ReadTarget("new one");
  EXPECT_EQ(target.description, "Plug and Play target: new one");
  EXPECT_EQ(target.status, TargetStatus::kRegistered);
  EXPECT_EQ(target.security_token.size(), 32u);
  EXPECT_EQ(world.last_seen.Get("new one").address, "127.0.0.1");
}

// What no URL can carry could never be asked for again; the request parser refuses the plainest of them.
TEST(DeviceAuth, AGatewayRegistersNoNameThatAUrlCannotCarry) {
  World world;
  world.Config(config::kGatewayTokenEnabled, true);
  world.Config(config::kGatewayTokenKey, "gate");
  const std::vector<http::HeaderField> gate{{"Authorization", "GatewayToken gate"}};
  for (const char* name : {"%2e", "%2E%2e", "a%5Cb", "%252e", "a%252Fb", "%C2%9B"}) {
    EXPECT_EQ(world.Send("GET", std::string("/DEFAULT/controller/v1/") + name, "", gate).status, 400) << name;
  }
  world.Update([&](kv::WriteTxn& txn) -> Status {
    for (const char* name : {".", "..", "a\\b", "%2e", "a%2Fb", "\xc2\x9b"}) {
      bool created = false;
      EXPECT_EQ(RegisterTarget(txn, name, {"tester", 1}, &created).error().code, ErrorCode::kInvalid) << name;
    }
    return Ok();
  });
}

TEST(DeviceAuth, NothingOfAStrangersBodyIsRead) {
  World world;
  world.AddTarget("pos-1");
  for (const char* sent : {"", "Authorization: TargetToken wrong\r\n"}) {
    http::RawConnection client(world.server->port());
    ASSERT_TRUE(client.Send(std::string("PUT /DEFAULT/controller/v1/pos-1/configData HTTP/1.1\r\nHost: h\r\n") + sent +
                            "Content-Type: application/json\r\nContent-Length: 50000\r\n\r\n"));
    EXPECT_EQ(http::StatusOf(client.ReadHead()), 401);  // with not a byte of the body sent
  }
}

TEST(DeviceAuth, AnotherSitesPageIsRefused) {
  World world;
  world.AddTarget("pos-1");
  const std::string word = R"({"data":{"a":"b"}})";
  const auto put = [&](std::vector<http::HeaderField> headers) {
    return world.AsTarget("pos-1", "PUT", "configData", word, std::move(headers)).status;
  };
  EXPECT_EQ(put({{"Origin", "https://evil.example"}}), 401);
  EXPECT_EQ(put({{"Sec-Fetch-Site", "cross-site"}}), 401);
  EXPECT_EQ(put({{"Origin", world.url()}}), 200);
}

TEST(DeviceAuth, TheProxyHeaderCountsFromATrustedProxyOnly) {
  World world;
  world.Config(config::kHeaderEnabled, true);
  world.Config(config::kHeaderAuthority, "CAFE01; beef");
  const std::vector<http::HeaderField> headers{{"X-Controller-Id", "pos-9"}, {"X-Authority-1", "Cafe01"}};
  EXPECT_EQ(world.Send("GET", "/DEFAULT/controller/v1/pos-9", "", headers).status, 401);
  world.hub->trusted_proxies = {"127.0.0.1"};
  EXPECT_EQ(world.Send("GET", "/DEFAULT/controller/v1/pos-9", "", headers).status, 200);
  EXPECT_EQ(world.Send("GET", "/DEFAULT/controller/v1/pos-8", "", headers).status, 401);
  EXPECT_EQ(world
                .Send("GET", "/DEFAULT/controller/v1/pos-9", "",
                      {{"X-Ssl-Client-Cn", "pos-9"}, {"X-Ssl-Issuer-Hash-0", "dead"}})
                .status,
            401);
  EXPECT_EQ(world
                .Send("GET", "/DEFAULT/controller/v1/pos-9", "",
                      {{"X-Ssl-Client-Cn", "pos-9"}, {"X-Ssl-Issuer-Hash-0", "beef"}})
                .status,
            200);
}

// --- polls ---
TEST(Poll, AnswersNotModifiedToWhoHasIt) {
  World world;
  world.AddTarget("pos-1");
  const http::Reply first = world.AsTarget("pos-1", "GET", "");
  const std::string etag(first.header("ETag"));
  ASSERT_EQ(etag.size(), 34u) << etag;
  const http::Reply again = world.AsTarget("pos-1", "GET", "", "", {{"If-None-Match", etag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  EXPECT_EQ(world.AsTarget("pos-1", "GET", "", "", {{"If-None-Match", etag}}).status, 200);
}

TEST(Poll, MakesTheTypeTheClientAccepts) {
  World world;
  world.AddTarget("pos-1");
  const auto type = [&](const char* accept) {
    const http::Reply reply = world.AsTarget("pos-1", "GET", "", "", {{"Accept", accept}});
    return reply.status == 200 ? std::string(reply.header("Content-Type")) : std::to_string(reply.status);
  };
  EXPECT_EQ(type("*/*"), "application/hal+json");
  EXPECT_EQ(type("application/json"), "application/json");
  EXPECT_EQ(type("text/html, application/json;q=0.5"), "application/json");
  EXPECT_EQ(type("application/cbor"), "406");
}

TEST(Poll, SleepFollowsTheConfigurationAtOnce) {
  World world;
  world.AddTarget("pos-1");
  const auto sleep_time = [&] { return world.Poll("pos-1")["config"]["polling"]["sleep"].AsString(); };
  EXPECT_EQ(sleep_time(), "00:05:00");
  world.Config(config::kPollingTime, "01:02:03");
  EXPECT_EQ(sleep_time(), "01:02:03");
  world.Config(config::kPollingTime, "PT10M");
  EXPECT_EQ(sleep_time(), "00:10:00");
  world.Config(config::kPollingTime, "5");
  EXPECT_EQ(sleep_time(), "00:00:30") << "never below the least";
  world.Config(config::kPollingTime, "10:00~10%");
  for (int i = 0; i < 20; ++i) {
    const int64_t seconds = ParseInterval(sleep_time()).value();
    EXPECT_GE(seconds, 540);
    EXPECT_LE(seconds, 660);
  }
}

TEST(Poll, WritesNothingWhenThereIsNothingToDo) {
  World world;
  world.AddTarget("pos-1");
  world.Poll("pos-1");
  const Target before = world.ReadTarget("pos-1");
  world.clock.unix_ms += 60'000;
  world.Poll("pos-1");
  EXPECT_EQ(world.ReadTarget("pos-1").audit.last_modified_at_ms, before.audit.last_modified_at_ms);
  EXPECT_EQ(world.last_seen.Get("pos-1").at_ms, world.clock.unix_ms);
}

TEST(Poll, ChangesCWhenTheActionTurnsForced) {
  World world;
  world.AddTarget("pos-1");
  Assignment assignment;
  assignment.force_type = ForceType::kTimeForced;
  assignment.force_time_ms = world.clock.unix_ms + 10'000;
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}), assignment);
  const std::string soft = world.LinkOf(world.Poll("pos-1"), "deploymentBase");
  EXPECT_LE(soft.size(), 49u);
  EXPECT_EQ(soft, world.LinkOf(world.Poll("pos-1"), "deploymentBase")) << "it stays the same else";
  const auto modes = [&] {
    const json::Value body =
        json::Parse(world.AsTarget("pos-1", "GET", "deploymentBase/" + IdText(action)).body).value();
    return body["deployment"]["download"].AsString() + " " + body["deployment"]["update"].AsString();
  };
  EXPECT_EQ(modes(), "attempt attempt");
  world.clock.unix_ms += 20'000;
  EXPECT_NE(world.LinkOf(world.Poll("pos-1"), "deploymentBase"), soft);
  EXPECT_EQ(modes(), "forced forced");
}

TEST(Poll, PrefersTheHighestWeight) {
  World world;
  world.AddTarget("pos-1");
  world.Config(config::kAutoClose, false);
  Assignment light, heavy;
  light.weight = 10;
  heavy.weight = 900;
  world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}), light);
  const ActionId second = world.Assign("pos-1", world.AddSet("os", "2", {{"f", "x"}}), heavy);
  EXPECT_NE(world.LinkOf(world.Poll("pos-1"), "deploymentBase").find("/" + IdText(second) + "?"), std::string::npos);
}

TEST(Links, HonourTheHostAndTrustedProxiesOnly) {
  World world;
  world.AddTarget("pos-1");
  const std::vector<http::HeaderField> forwarded{{"Host", "hub.local:81"},
                                                 {"X-Forwarded-Proto", "https"},
                                                 {"X-Forwarded-Host", "u.example"},
                                                 {"X-Forwarded-Port", "8443"}};
  const auto link = [&](std::vector<http::HeaderField> headers) {
    const http::Reply reply = world.AsTarget("pos-1", "GET", "", "", std::move(headers));
    return reply.status == 200 ? json::Parse(reply.body).value()["_links"]["configData"]["href"].AsString()
                               : std::to_string(reply.status);
  };
  const std::string path = "/DEFAULT/controller/v1/pos-1/configData";
  EXPECT_EQ(link(forwarded), "http://hub.local:81" + path);
  EXPECT_EQ(link({{"Host", "[::1]:8080"}}), "http://[::1]:8080" + path);
  world.hub->trusted_proxies = {"127.0.0.1"};
  EXPECT_EQ(link(forwarded), "https://u.example:8443" + path);
  EXPECT_EQ(link({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "u.example"}, {"X-Forwarded-Port", "443"}}),
            "https://u.example" + path);
  EXPECT_EQ(link({{"X-Forwarded-Host", "a\"b"}}), "400");
  world.hub->base_url = "https://fixed.example";
  EXPECT_EQ(link(forwarded), "https://fixed.example" + path);
}

TEST(DeploymentBase, KeepsOneRetrievedPerRetrieval) {
  World world;
  world.AddTarget("pos-1");
  const ActionId action = world.Assign("pos-1", world.AddSet("os", "1", {{"f", "x"}}));
  const std::string rest = "deploymentBase/" + IdText(action);
  const auto retrieved = [&] {
    int count = 0;
    for (const ActionStatus& status : world.Statuses(action)) count += status.state == ActionState::kRetrieved;
    return count;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.AsTarget("pos-1", "GET", rest).status, 200);
  EXPECT_EQ(retrieved(), 1);
  world.Feedback("pos-1", action, "proceeding", "none");
  world.AsTarget("pos-1", "GET", rest);
  EXPECT_EQ(retrieved(), 2);
  EXPECT_EQ(world.AsTarget("pos-1", "GET", rest + "?actionHistory=x").status, 400);
  EXPECT_EQ(world.AsTarget("pos-1", "POST", rest).status, 405);
  EXPECT_EQ(world.AsTarget("pos-1", "GET", "deploymentBase/99").status, 404);
  EXPECT_EQ(world.AsTarget("pos-1", "GET", "deploymentBase/1x").status, 404);
}

// --- attributes (covers W16) ---
TEST(ConfigData, MergesReplacesAndRemoves) {
  World world;
  world.AddTarget("pos-1");
  const auto put = [&](const std::string& body) { return world.AsTarget("pos-1", "PUT", "configData", body).status; };
  const auto attributes = [&] {
    Attributes found;
    EXPECT_TRUE(world.store
                    ->View([&](kv::ReadTxn& txn) -> Status {
                      found = TILL_TRY(GetAttributes(txn, "pos-1"));
                      return Ok();
                    })
                    .ok());
    return found;
  };
  EXPECT_TRUE(world.ReadTarget("pos-1").request_attributes);
  EXPECT_EQ(put(R"({"data":{"a":"1","b":"2","n":7,"t":true}})"), 200);
  EXPECT_EQ(attributes(), (Attributes{{"a", "1"}, {"b", "2"}, {"n", "7"}, {"t", "true"}}));
  EXPECT_FALSE(world.ReadTarget("pos-1").request_attributes);
  EXPECT_EQ(put(R"({"mode":"merge","data":{"a":null,"c":"3"}})"), 200);
  EXPECT_EQ(attributes(), (Attributes{{"b", "2"}, {"c", "3"}, {"n", "7"}, {"t", "true"}}));
  EXPECT_EQ(put(R"({"mode":"remove","data":{"c":"whatever"}})"), 200);
  EXPECT_EQ(put(R"({"mode":"replace","data":{"x":"ü"}})"), 200);
  EXPECT_EQ(attributes(), (Attributes{{"x", "ü"}}));
}

TEST(ConfigData, RefusesWhatIsOutOfBounds) {
  World world;
  world.AddTarget("pos-1");
  const auto put = [&](const std::string& body) { return world.AsTarget("pos-1", "PUT", "configData", body).status; };
  const std::string long128(128, 'k'), long129(129, 'k');
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":\"v\"";
  const std::pair<int, std::string> table[] = {
      {200, R"({"data":{")" + long128 + R"(":")" + long128 + R"("}})"},
      {400, R"({"data":{")" + long129 + R"(":"v"}})"},
      {400, R"({"data":{"k":")" + long129 + R"("}})"},
      {400, R"({"data":{}})"},
      {400, R"({"mode":"merge"})"},
      {400, R"({"mode":"eat","data":{"a":"b"}})"},
      {400, R"({"data":{"":"b"}})"},
      {400, R"({"data":{"a":"line\nbreak"}})"},
      {400, R"({"data":{"a":["b"]}})"},
      {400, R"([1])"},
      {400, R"({"data":)"},
      {200, R"({"mode":"replace","data":{)" + hundred + "}}"},
      {200, R"({"mode":"merge","data":{"k7":"again"}})"},
      {429, R"({"mode":"merge","data":{"one more":"v"}})"},
  };
  for (const auto& [status, body] : table) EXPECT_EQ(put(body), status) << body.substr(0, 60);
  EXPECT_EQ(world
                .Send("PUT", "/DEFAULT/controller/v1/pos-1/configData", "a=b",
                      {{"Authorization", "TargetToken token-of-pos-1"}, {"Content-Type", "application/cbor"}})
                .status,
            415);
}

TEST(InstalledBase, TheFactorySetIsTold) {
  World world;
  world.AddTarget("pos-1");
  const auto set = world.AddSet("pos-os", "2.4.1", {{"f", "x"}});
  const auto put = [&](const char* body) { return world.AsTarget("pos-1", "PUT", "installedBase", body).status; };
  EXPECT_EQ(put(R"({"name":"pos-os","version":"2.4.1"})"), 201);
  EXPECT_EQ(put(R"({"name":"pos-os","version":"2.4.1"})"), 200);
  EXPECT_EQ(put(R"({"name":"pos-os","version":"9"})"), 404);
  EXPECT_EQ(put(R"({"name":"pos-os"})"), 400);
  EXPECT_EQ(world.ReadTarget("pos-1").installed_set, set);
}

// --- payloads chosen (covers feature 3 and 7) ---
struct DeltaWorld {
  World world;
  const std::string base = HexOf("image 1"), target = HexOf("image 2");
  const std::string delta = std::string(300'000, 'd'), full = std::string(900'000, 'f');
  ActionId action{};
  DeltaWorld() {
    Release release;
    release.AddImage("pos", "2", "rootfs", target, {});
    release.AddPayload(delta, target, base, delta.size(), 1 << 20, 1, delta);
    release.AddPayload(full, target, "", full.size(), 1 << 20, 1, full);
    world.releases.Replace(std::make_shared<const ReleaseIndex>(release.Index()));
    world.AddBlob(delta);
    world.AddBlob(full);
    world.AddTarget("pos-1");
  }
  void Run(const std::string& image) {
    world.SetAttributes("pos-1", {{"till.format", "1"}, {"till.image.rootfs", image}});
  }
  void Assign(FullFallback fallback = FullFallback::kByConfig) {
    Assignment assignment;
    assignment.full_fallback = fallback;
    const auto set = world.AddSet("os", "2", {{"stock.swu", "stock"}}, {{"till.target", target, true}});
    action = world.Assign("pos-1", set, assignment);
  }
  std::string Offered() {
    if (world.LinkOf(world.Poll("pos-1"), "deploymentBase").empty()) return "nothing";
    const json::Value body =
        json::Parse(world.AsTarget("pos-1", "GET", "deploymentBase/" + IdText(action)).body).value();
    const auto& artifacts = body["deployment"]["chunks"].items().at(0)["artifacts"].items();
    if (artifacts.size() != 1) return std::to_string(artifacts.size()) + " artifacts";
    const std::string sha256 = artifacts[0]["hashes"]["sha256"].AsString();
    return sha256 == HexOf(delta) ? "delta" : sha256 == HexOf(full) ? "full" : artifacts[0]["filename"].AsString();
  }
};

TEST(Offer, TheDeltaForWhatRuns) {
  DeltaWorld w;
  w.Run(w.base);
  w.Assign();
  EXPECT_EQ(w.Offered(), "delta");
}

TEST(Offer, AStockClientGetsTheUploadAndNothingBesideIt) {
  DeltaWorld w;
  w.Assign();
  EXPECT_EQ(w.Offered(), "stock.swu");
}

TEST(Offer, NothingBeforeAFullThatNobodyAllowed) {
  DeltaWorld w;
  w.Run(HexOf("image 0"));
  w.Assign();
  EXPECT_EQ(w.Offered(), "nothing");
  EXPECT_EQ(w.Offered(), "nothing");
  const auto statuses = w.world.Statuses(w.action);
  ASSERT_EQ(statuses.size(), 2u) << "the reason is told once";
  EXPECT_NE(statuses.back().messages.at(0).find("not allowed"), std::string::npos) << statuses.back().messages.at(0);
  EXPECT_EQ(w.world.AsTarget("pos-1", "GET", "deploymentBase/" + IdText(w.action)).status, 404);
  w.world.Config(config::kFullFallback, "allowed");
  EXPECT_EQ(w.Offered(), "full") << "the operator's word counts at the next poll";
}

TEST(Offer, TheActionsOwnPolicyGoesBeforeTheConfiguration) {
  DeltaWorld allowed;
  allowed.Run(HexOf("image 0"));
  allowed.Assign(FullFallback::kAllowed);
  EXPECT_EQ(allowed.Offered(), "full");
  DeltaWorld never;
  never.world.Config(config::kFullFallback, "allowed");
  never.Run(HexOf("image 0"));
  never.Assign(FullFallback::kNever);
  EXPECT_EQ(never.Offered(), "nothing");
}

TEST(Offer, AFailedDeltaDoesNotTurnIntoAFull) {
  DeltaWorld w;
  w.Run(w.base);
  w.Assign();
  EXPECT_EQ(w.Offered(), "delta");
  w.Run(HexOf("image 0"));  // somebody reflashed it in the middle
  EXPECT_EQ(w.Offered(), "nothing");
}

TEST(Offer, ChunksForATerminalOfAnUnknownBaseAndWhy) {
  DeltaWorld w;
  const std::string chunks(1'000'000, 'c');
  Release release;
  release.AddImage("pos", "2", "rootfs", w.target, {});
  release.AddPayload(w.full, w.target, "", w.full.size(), 1 << 20, 1, w.full);
  release.AddChunks(w.target, 5'000, chunks.size(), 1 << 20, chunks);
  w.world.releases.Replace(std::make_shared<const ReleaseIndex>(release.Index()));
  w.world.AddBlob(chunks);
  w.Run("unknown");
  w.Assign();
  EXPECT_EQ(w.Offered(), "rootfs-2-chunks.till");
  const json::Value body =
      json::Parse(w.world.AsTarget("pos-1", "GET", "deploymentBase/" + IdText(w.action)).body).value();
  const json::Value& chunk = body["deployment"]["chunks"].items().at(0);
  const std::string metadata = json::Write(chunk["metadata"]);
  EXPECT_NE(metadata.find(R"({"key":"till.kind","value":"chunks"})"), std::string::npos) << metadata;
  EXPECT_EQ(metadata.find("till.fallback"), std::string::npos) << "a full image was not allowed";
  const auto statuses = w.world.Statuses(w.action);
  const std::string& told = statuses.back().messages.at(0);
  EXPECT_NE(told.find("chunks of"), std::string::npos) << told;
  EXPECT_NE(told.find("not allowed"), std::string::npos) << told;

  DeltaWorld allowed;
  allowed.world.releases.Replace(std::make_shared<const ReleaseIndex>(release.Index()));
  allowed.world.AddBlob(chunks);
  allowed.Run("unknown");
  allowed.Assign(FullFallback::kAllowed);
  EXPECT_EQ(allowed.Offered(), "rootfs-2-chunks.till") << "half of an image is expected to be cheaper than 900 KB";
  const json::Value with =
      json::Parse(allowed.world.AsTarget("pos-1", "GET", "deploymentBase/" + IdText(allowed.action)).body).value();
  EXPECT_NE(json::Write(with["deployment"]["chunks"]).find(R"({"key":"till.fallback","value":"full"})"),
            std::string::npos);
}

TEST(Offer, WhatRunsAlreadyIsFinishedAtOnceButNotWhatRunsOnTrial) {
  DeltaWorld w;
  w.Run(w.target);
  w.Assign();
  EXPECT_EQ(w.Offered(), "nothing");
  EXPECT_EQ(w.world.ReadAction(w.action).state, ActionState::kFinished);
  EXPECT_EQ(w.world.ReadTarget("pos-1").status, TargetStatus::kInSync);

  DeltaWorld trial;
  trial.Run(trial.base);
  trial.Assign();
  EXPECT_EQ(trial.Offered(), "delta");
  trial.world.Feedback("pos-1", trial.action, "proceeding", "none");
  trial.Run(trial.target);
  EXPECT_EQ(trial.Offered(), "delta") << "the offer stays while the new image is on trial";
  EXPECT_TRUE(trial.world.ReadAction(trial.action).active);
  trial.world.Feedback("pos-1", trial.action, "closed", "success");
  EXPECT_EQ(trial.world.ReadAction(trial.action).state, ActionState::kFinished);
}

TEST(Offer, OnTrialOnlyTheTerminalEndsTheActionEvenWhenTheOfferIsGone) {
  DeltaWorld w;
  w.Run(w.base);
  w.Assign();
  EXPECT_EQ(w.Offered(), "delta");
  w.world.Feedback("pos-1", w.action, "proceeding", "none");
  Release without;
  without.AddImage("pos", "2", "rootfs", w.target, {});
  w.world.releases.Replace(std::make_shared<const ReleaseIndex>(without.Index()));
  w.Run(w.target);
  EXPECT_EQ(w.Offered(), "nothing");
  EXPECT_TRUE(w.world.ReadAction(w.action).active);
}

TEST(Offer, ThePayloadIsServedToItsTerminalOnly) {
  DeltaWorld w;
  w.Run(w.base);
  w.Assign();
  ASSERT_EQ(w.Offered(), "delta");
  const std::string folder = "softwaremodules/1/artifacts/";
  const json::Value list = json::Parse(w.world.AsTarget("pos-1", "GET", "softwaremodules/1/artifacts").body).value();
  const std::string href = list.items().at(0)["_links"]["download-http"]["href"].AsString();
  const http::Reply reply = w.world.Send("GET", href, "", {{"Authorization", "TargetToken token-of-pos-1"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.body == w.delta);
  EXPECT_EQ(w.world.AsTarget("pos-1", "GET", folder + "rootfs-2-full.till").status, 404) << "not what was offered";
}

TEST(Mirrors, SpreadTerminalsAndKeepTheirOrder) {
  const std::vector<std::string> mirrors{"http://a", "http://b", "http://c"};
  std::map<std::string, int> first;
  for (int i = 0; i < 300; ++i) ++first[MirrorsFor("pos-" + std::to_string(i), mirrors).substr(0, 8)];
  ASSERT_EQ(first.size(), 3u);
  for (const auto& [mirror, count] : first) EXPECT_GT(count, 60) << mirror;
  const std::string order = MirrorsFor("pos-1", mirrors);
  EXPECT_EQ(order, MirrorsFor("pos-1", mirrors));
  EXPECT_TRUE(order == "http://a http://b http://c" || order == "http://b http://c http://a" ||
              order == "http://c http://a http://b");
  EXPECT_EQ(MirrorsFor("x", {}), "");
}

}  // namespace
}  // namespace till::server
