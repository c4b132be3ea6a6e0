#include "tests/server/support/world.h"

#include "core/crypto/hash.h"
#include "server/model/tenant_config.h"
#include "server/store/actions.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::server {

std::string HexOf(std::string_view bytes) { return ToHex(crypto::Sha256Of(AsBytes(bytes))); }

World::World() {
  kv::Store::Options options;
  options.durable = false;
  options.map_bytes = uint64_t{256} << 20;
  store = std::move(kv::Store::Open(folder.path() + "/store", options).value());
  artifacts = std::move(ArtifactStore::Open(folder.path() + "/artifacts").value());
  access_log = std::move(AccessLog::Open(folder.path() + "/access.log", clock).value());
  operators = std::make_unique<Operators>(*store, clock);
  writer = std::make_unique<Writer>(*store, 1000);
  hub = std::make_unique<Hub>(
      Hub{*store, *writer, last_seen, *artifacts, *operators, releases, clock, "DEFAULT", "", {}, 30});
  ddi = std::make_unique<DdiHandler>(*hub, *access_log);
  http::ServerOptions server_options;
  server_options.loops = 1;
  server = std::move(http::Server::Start(server_options, *ddi).value());
  client = std::make_unique<http::Client>(http::ClientOptions{});
}

World::~World() {
  server->Stop(1000);
  writer.reset();
}

void World::Update(const std::function<Status(kv::WriteTxn&)>& write) {
  const Status done = store->Update(write);
  ASSERT_TRUE(done.ok()) << done.error().what;
}

void World::Config(std::string_view key, const json::Value& value) {
  Update([&](kv::WriteTxn& txn) { return SetConfig(txn, key, value); });
}

void World::AddTarget(const std::string& id, const std::string& token) {
  Update([&](kv::WriteTxn& txn) -> Status {
    Target target;
    target.controller_id = id;
    target.security_token = token.empty() ? "token-of-" + id : token;
    TILL_TRY(CreateTarget(txn, target, {"tester", clock.UnixMs()}));
    return Ok();
  });
}

void World::SetAttributes(const std::string& id, const Attributes& attributes) {
  Update([&](kv::WriteTxn& txn) { return PutAttributes(txn, id, attributes); });
}

Blob World::AddBlob(std::string_view bytes) {
  auto upload = std::move(artifacts->Begin(uint64_t{1} << 30).value());
  EXPECT_TRUE(upload->Write(AsBytes(bytes)).ok());
  Blob blob = upload->Finish().value();
  EXPECT_TRUE(upload->Commit().ok());
  Update([&](kv::WriteTxn& txn) { return PutBlob(txn, blob); });
  return blob;
}

DistributionSetId World::AddSet(const std::string& name, const std::string& version,
                                const std::vector<std::pair<std::string, std::string>>& files,
                                const std::vector<Metadata>& metadata) {
  DistributionSet set;
  std::vector<Blob> blobs;
  for (const auto& file : files) blobs.push_back(AddBlob(file.second));
  Update([&](kv::WriteTxn& txn) -> Status {
    SoftwareModule module;
    module.name = name;
    module.version = version;
    module.type = "os";
    module.metadata = metadata;
    for (size_t i = 0; i < files.size(); ++i) {
      Artifact artifact;
      artifact.id = TILL_TRY(NextArtifactId(txn));
      artifact.filename = files[i].first;
      artifact.sha256 = blobs[i].sha256;
      artifact.sha1 = blobs[i].sha1;
      artifact.md5 = blobs[i].md5;
      artifact.size = blobs[i].size;
      artifact.audit.created_at_ms = clock.UnixMs();
      module.artifacts.push_back(artifact);
    }
    TILL_TRY(PutModule(txn, module));
    set.name = name;
    set.version = version;
    set.type = "os";
    set.modules = {module.id};
    return PutSet(txn, set);
  });
  return set.id;
}

ActionId World::Assign(const std::string& id, DistributionSetId set, Assignment assignment) {
  assignment.controller_id = id;
  assignment.set = set;
  ActionId action{};
  Update([&](kv::WriteTxn& txn) -> Status {
    action = TILL_TRY(AssignDistributionSet(txn, assignment, {"tester", clock.UnixMs()})).action;
    return Ok();
  });
  return action;
}

Action World::ReadAction(ActionId id) {
  Action action;
  EXPECT_TRUE(store
                  ->View([&](kv::ReadTxn& txn) -> Status {
                    action = TILL_TRY(GetAction(txn, id));
                    return Ok();
                  })
                  .ok());
  return action;
}

Target World::ReadTarget(const std::string& id) {
  Target target;
  EXPECT_TRUE(store
                  ->View([&](kv::ReadTxn& txn) -> Status {
                    target = TILL_TRY(GetTarget(txn, id));
                    return Ok();
                  })
                  .ok());
  return target;
}

std::vector<ActionStatus> World::Statuses(ActionId id) {
  WaitForWrites();
  std::vector<ActionStatus> statuses;
  EXPECT_TRUE(store
                  ->View([&](kv::ReadTxn& txn) {
                    return ForEachStatus(txn, id, [&](const ActionStatus& status) {
                      statuses.push_back(status);
                      return true;
                    });
                  })
                  .ok());
  return statuses;
}

// Jobs run in order, so that one more at the end means that the others are over.
void World::WaitForWrites() {
  EXPECT_TRUE(writer->Run([](kv::WriteTxn&) { return Ok(); }).ok());
}

http::Reply World::Send(const std::string& method, const std::string& path, const std::string& body,
                        std::vector<http::HeaderField> headers) {
  http::Call call;
  call.method = method;
  call.url = path.starts_with("http") ? path : url() + path;
  call.headers = std::move(headers);
  call.body = body;
  call.max_reply_bytes = 16 << 20;
  auto reply = client->Send(call);
  EXPECT_TRUE(reply.ok()) << method << ' ' << path << ": " << (reply.ok() ? "" : reply.error().what);
  return reply.ok() ? std::move(*reply) : http::Reply{};
}

http::Reply World::AsTarget(const std::string& id, const std::string& method, const std::string& rest,
                            const std::string& body, std::vector<http::HeaderField> headers) {
  headers.push_back({"Authorization", "TargetToken token-of-" + id});
  if (!body.empty()) headers.push_back({"Content-Type", "application/json"});
  return Send(method, "/DEFAULT/controller/v1/" + UrlSegment(id) + (rest.empty() ? "" : "/" + rest), body,
              std::move(headers));
}

http::Reply World::Feedback(const std::string& id, ActionId action, const std::string& execution,
                            const std::string& finished, const std::string& resource) {
  return AsTarget(id, "POST", resource + "/" + IdText(action) + "/feedback",
                  R"({"id":"1","time":"20261122T062959","status":{"execution":")" + execution +
                      R"(","result":{"finished":")" + finished + R"("},"details":["word of the device"]}})");
}

json::Value World::Poll(const std::string& id) {
  const http::Reply reply = AsTarget(id, "GET", "");
  EXPECT_EQ(reply.status, 200) << reply.body;
  auto value = json::Parse(reply.body);
  EXPECT_TRUE(value.ok()) << reply.body;
  return value.ok() ? *value : json::Value();
}

std::string World::LinkOf(const json::Value& poll, const std::string& rel) {
  const std::string& href = poll["_links"][rel]["href"].AsString();
  const size_t at = href.find("/controller/v1/");
  if (at == std::string::npos) return "";
  const size_t end = href.find('/', at + 15);
  return end == std::string::npos ? "" : href.substr(end + 1);
}

}  // namespace till::server
