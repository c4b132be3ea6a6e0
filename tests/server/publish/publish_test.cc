// Publishing: blobs, signed metadata, edges; over the whole hub as main() starts it.   covers W06 W08
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "core/file.h"
#include "core/text.h"
#include "core/tuf/repository.h"
#include "server/running_hub.h"
#include "tests/core/http/raw_socket.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

class Publishing : public testing::Test {
 protected:
  Publishing() {
    options_.data_folder = folder_.path() + "/data";
    options_.port = 0;
    options_.loops = 1;
    options_.durable = false;
    options_.store_bytes = uint64_t{64} << 20;
    options_.bootstrap_admin = "admin:correct horse";
    options_.access_log = folder_.path() + "/access.log";
    Start();
  }
  void Start() {
    StartFailure failure;
    hub_ = RunningHub::Start(options_, SystemClock(), &failure);
    ASSERT_TRUE(hub_) << failure.fault->code << ' ' << failure.context << ' ' << failure.error.what;
    client_ = std::make_unique<http::Client>(http::ClientOptions{});
  }
  http::Reply Send(const std::string& method, const std::string& path, const std::string& body = "",
                   const std::string& authorization = "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==") {
    http::Call call;
    call.method = method;
    call.url = hub_->url() + path;
    call.body = body;
    call.max_reply_bytes = 16 << 20;
    if (!authorization.empty()) call.headers.push_back({"Authorization", authorization});
    auto reply = client_->Send(call);
    EXPECT_TRUE(reply.ok()) << method << ' ' << path << ": " << (reply.ok() ? "" : reply.error().what);
    return reply.ok() ? std::move(*reply) : http::Reply{};
  }
  size_t FilesUnder(const std::string& path) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) count += entry.is_regular_file();
    return count;
  }

  TempFolder folder_;
  ServeOptions options_;
  std::unique_ptr<RunningHub> hub_;
  std::unique_ptr<http::Client> client_;
};

TEST_F(Publishing, ABlobIsKeptUnderItsHashOnly) {
  const std::string bytes(2'000'000, 'b');
  const std::string path = "/api/v1/blobs/" + HexOf(bytes), artifacts = options_.data_folder + "/artifacts";
  EXPECT_EQ(Send("HEAD", path).status, 404);
  const http::Reply wrong = Send("PUT", "/api/v1/blobs/" + HexOf("else"), bytes);
  EXPECT_EQ(wrong.status, 400);
  EXPECT_NE(wrong.body.find("T3012"), std::string::npos) << wrong.body;
  EXPECT_EQ(FilesUnder(artifacts), 0u) << "nothing of a refused upload is left";
  EXPECT_EQ(Send("PUT", path, bytes).status, 201);
  EXPECT_EQ(Send("PUT", path, bytes).status, 200);
  EXPECT_EQ(Send("HEAD", path).status, 200);
  EXPECT_EQ(FilesUnder(artifacts), 1u);
  EXPECT_EQ(Send("PUT", "/api/v1/blobs/nonsense", "x").status, 400);
  hub_.reset();
  Start();
  EXPECT_EQ(Send("HEAD", path).status, 200) << "after a restart too";
}

TEST_F(Publishing, WantsAnOperator) {
  const std::string bytes = "payload";
  for (const char* authorization : {"", "Basic eDp5", "Basic !", "Bearer till_admin_00", "Bearer ", "TargetToken x",
                                    "Basic YWRtaW46Y29ycmVjdCBob3JzZXM="}) {
    EXPECT_EQ(Send("PUT", "/api/v1/blobs/" + HexOf(bytes), bytes, authorization).status, 401) << authorization;
    EXPECT_EQ(Send("HEAD", "/api/v1/blobs/" + HexOf(bytes), "", authorization).status, 401) << authorization;
    EXPECT_EQ(Send("PUT", "/api/v1/tuf/1.root.json", "{}", authorization).status, 401) << authorization;
  }
  EXPECT_EQ(FilesUnder(options_.data_folder + "/artifacts"), 0u);
}

TEST_F(Publishing, WrongSignInsBackOffForTheirUserFromThereAlone) {
  const std::string path = "/api/v1/blobs/" + HexOf("x");
  const std::string guess = "Basic YWRtaW46Z3Vlc3M=";  // admin:guess
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Send("HEAD", path, "", guess).status, 401) << i;
  const http::Reply later = Send("HEAD", path, "", guess);
  EXPECT_EQ(later.status, 429);
  EXPECT_FALSE(later.header("Retry-After").empty());
  // The right password from there waits too; from elsewhere it does not, nor does another user.
  EXPECT_EQ(Send("HEAD", path).status, 429);
  http::RawConnection elsewhere(hub_->port(), "127.0.0.2");
  ASSERT_TRUE(elsewhere.Send("HEAD " + path +
                             " HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRtaW46Y29ycmVjdCBob3JzZQ==\r\n\r\n"));
  EXPECT_EQ(http::StatusOf(elsewhere.ReadHead()), 404);
  EXPECT_EQ(Send("HEAD", path, "", "Basic Ym9iOmd1ZXNz").status, 401);
  EXPECT_EQ(Send("HEAD", path).status, 404) << "who is known by now is not asked again";
}

TEST_F(Publishing, NothingOfAStrangersBodyIsRead) {
  for (const std::string path : {"/api/v1/tuf/1.root.json", "/api/v1/deltas/lease"}) {
    for (const char* sent : {"", "Authorization: Basic YTpi\r\n"}) {
      http::RawConnection client(hub_->port());
      ASSERT_TRUE(client.Send((path.ends_with("lease") ? "POST " : "PUT ") + path + " HTTP/1.1\r\nHost: h\r\n" + sent +
                              "Content-Length: 4000\r\n\r\n"));
      EXPECT_EQ(http::StatusOf(client.ReadHead()), 401) << path;  // with not a byte of the body sent
    }
  }
  http::RawConnection nowhere(hub_->port());
  ASSERT_TRUE(nowhere.Send("PUT /nobodys/path HTTP/1.1\r\nHost: h\r\nContent-Length: 4000\r\n\r\n"));
  EXPECT_EQ(http::StatusOf(nowhere.ReadHead()), 413);
}

TEST_F(Publishing, AnotherSitesPageIsRefused) {
  const std::string path = "/api/v1/blobs/" + HexOf("x");
  for (const char* header : {"Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"}) {
    http::RawConnection client(hub_->port());
    ASSERT_TRUE(client.Send("PUT " + path + " HTTP/1.1\r\nHost: h\r\nAuthorization: " +
                            "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==\r\nContent-Length: 1\r\n" + header + "\r\n"));
    EXPECT_EQ(http::StatusOf(client.ReadHead()), 403) << header;
  }
}

TEST_F(Publishing, WithoutADescriptorAnEdgeIsToldLaterAndNotNever) {
  const std::string bytes = "a payload";
  ASSERT_EQ(Send("PUT", "/api/v1/blobs/" + HexOf(bytes), bytes).status, 201);
  const std::string token(Trim(ReadTextFile(options_.data_folder + "/edge.token").value()));
  ASSERT_EQ(Send("GET", "/a/" + HexOf(bytes), "", "EdgeToken " + token).status, 200);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  const http::Reply edge = Send("GET", "/a/" + HexOf(bytes), "", "EdgeToken " + token);
  const http::Reply upload = Send("PUT", "/api/v1/blobs/" + HexOf("more"), "more");
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(edge.status, 503);
  EXPECT_FALSE(edge.header("Retry-After").empty());
  EXPECT_EQ(upload.status, 503);
  EXPECT_EQ(Send("GET", "/a/" + HexOf("none"), "", "EdgeToken " + token).status, 404);
}

TEST_F(Publishing, EdgesFetchWithTheirToken) {
  const std::string bytes = "a payload for edges";
  ASSERT_EQ(Send("PUT", "/api/v1/blobs/" + HexOf(bytes), bytes).status, 201);
  std::string token = ReadTextFile(options_.data_folder + "/edge.token").value();
  token.pop_back();
  const std::string path = "/a/" + HexOf(bytes);
  const http::Reply reply = Send("GET", path, "", "EdgeToken " + token);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, bytes);
  EXPECT_EQ(reply.header("ETag"), "\"" + HexOf(bytes) + "\"");
  for (const std::string& authorization : {std::string(), "EdgeToken " + token + "0", std::string("EdgeToken "),
                                           std::string("Basic YWRtaW46Y29ycmVjdCBob3JzZQ==")}) {
    EXPECT_EQ(Send("GET", path, "", authorization).status, 401) << authorization;
  }
  EXPECT_EQ(Send("GET", "/a/" + HexOf("none"), "", "EdgeToken " + token).status, 404);
  EXPECT_EQ(Send("GET", "/a/..%2f..%2fadmin.token", "", "EdgeToken " + token).status / 100, 4);
}

// --- signed metadata ---
struct Keys {
  tuf::RoleSet roles;
  Keys() {
    for (tuf::RoleKeys* role : {&roles.root, &roles.targets, &roles.deltas, &roles.snapshot, &roles.timestamp}) {
      role->keys.push_back(crypto::PrivateKey::Generate());
    }
  }
};

class Metadata : public Publishing {
 protected:
  int64_t Now() { return SystemClock().UnixMs() / 1000; }
  std::string Repo(const std::string& name, const Keys& keys) {
    std::string path = folder_.path() + "/" + name;
    EXPECT_TRUE(tuf::Repository::Create(path, keys.roles, {}, Now()).ok());
    return path;
  }
  void AddImage(const std::string& repo, const Keys& keys, const std::string& version) {
    auto opened = tuf::Repository::Open(repo);
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    tuf::TargetEntry entry;
    entry.path = "images/pos/" + version + "/rootfs";
    entry.role = "targets";
    entry.length = 7;
    entry.sha256 = crypto::Sha256Of(AsBytes(version));
    entry.custom = json::Value::Object({{"version", version}});
    opened->Put(entry);
    const Status published = opened->Publish(keys.roles, {}, Now());
    ASSERT_TRUE(published.ok()) << published.error().what;
  }
  // Puts every file; the answer to timestamp.json, which goes last.
  http::Reply Publish(const std::string& repo) {
    http::Reply last;
    const auto names = tuf::Repository::Open(repo).value().FileNames().value();
    EXPECT_EQ(names.back(), "timestamp.json");
    for (const std::string& name : names) {
      const std::string file = std::string(repo).append("/").append(name);
      last = Send("PUT", std::string("/api/v1/tuf/").append(name), ReadTextFile(file).value());
      EXPECT_TRUE(last.status == 200 || name == "timestamp.json") << name << last.body;
    }
    return last;
  }
  std::string Timestamp() { return Send("GET", "/default/tuf/timestamp.json", "", "").body; }
};

TEST_F(Metadata, IsServedWhenTheWholeSetIsVerified) {
  Keys keys;
  const std::string repo = Repo("repo", keys);
  AddImage(repo, keys, "1.0");
  EXPECT_EQ(Send("PUT", "/api/v1/tuf/1.root.json", ReadTextFile(repo + "/1.root.json").value()).status, 200);
  EXPECT_EQ(Send("GET", "/DEFAULT/tuf/1.root.json", "", "").status, 404) << "not before it is verified";
  const http::Reply done = Publish(repo);
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(Timestamp(), ReadTextFile(repo + "/timestamp.json").value());
  const http::Reply root = Send("GET", "/DEFAULT/tuf/1.root.json", "", "");
  EXPECT_EQ(root.status, 200);
  EXPECT_TRUE(root.header("Cache-Control").find("immutable") != std::string_view::npos);
  EXPECT_EQ(Send("GET", "/OTHER/tuf/1.root.json", "", "").status, 404);
  hub_.reset();
  Start();
  EXPECT_EQ(Timestamp(), ReadTextFile(repo + "/timestamp.json").value()) << "after a restart too";
}

TEST_F(Metadata, OfOtherKeysOrOfYesterdayIsRefusedAndTheOldSetStays) {
  Keys keys, strangers;
  const std::string repo = Repo("repo", keys), alien = Repo("alien", strangers);
  AddImage(repo, keys, "1.0");
  std::filesystem::copy(repo, folder_.path() + "/old", std::filesystem::copy_options::recursive);
  AddImage(repo, keys, "1.1");
  ASSERT_EQ(Publish(repo).status, 200);
  const std::string good = Timestamp();
  for (int i = 0; i < 3; ++i) AddImage(alien, strangers, "6." + std::to_string(i));
  const http::Reply foreign = Publish(alien);
  EXPECT_EQ(foreign.status, 400) << foreign.body;
  EXPECT_NE(foreign.body.find("T3013"), std::string::npos) << foreign.body;
  const http::Reply old = Publish(folder_.path() + "/old");
  EXPECT_EQ(old.status, 400) << old.body;
  EXPECT_EQ(Timestamp(), good);
  AddImage(repo, keys, "1.2");
  EXPECT_EQ(Publish(repo).status, 200) << "what was refused stands in nobody's way";
  EXPECT_NE(Timestamp(), good);
}

TEST_F(Metadata, WhatTheVerifiedSetDoesNotNameIsDroppedAndTold) {
  Keys keys;
  const std::string repo = Repo("repo", keys);
  AddImage(repo, keys, "1.0");
  ASSERT_EQ(Publish(repo).status, 200);
  const std::string root = ReadTextFile(repo + "/1.root.json").value();
  AddImage(repo, keys, "1.1");
  for (const char* name : {"1.root.json", "77.snapshot.json", "2.root.json.json", "9.deltas.json"}) {
    Send("PUT", std::string("/api/v1/tuf/") + name, "{\"evil\":true}");
  }
  // Beside the good set, but for the root, which stays the evil one.
  http::Reply last;
  const auto names = tuf::Repository::Open(repo).value().FileNames().value();
  for (const std::string& name : names) {
    if (name == "1.root.json") continue;
    last = Send("PUT", "/api/v1/tuf/" + name, ReadTextFile(std::string(repo).append("/").append(name)).value());
  }
  ASSERT_EQ(last.status, 200) << last.body;
  EXPECT_EQ(Timestamp(), ReadTextFile(repo + "/timestamp.json").value());
  EXPECT_EQ(Send("GET", "/DEFAULT/tuf/77.snapshot.json", "", "").status, 404);
  EXPECT_EQ(Send("GET", "/DEFAULT/tuf/9.deltas.json", "", "").status, 404);
  EXPECT_EQ(Send("GET", "/DEFAULT/tuf/1.root.json", "", "").body, root);
  for (const char* name : {"\"1.root.json\"", "\"77.snapshot.json\"", "\"9.deltas.json\""}) {
    EXPECT_NE(last.body.find(name), std::string::npos) << last.body;
  }
  hub_.reset();
  Start();
  EXPECT_EQ(Send("GET", "/DEFAULT/tuf/77.snapshot.json", "", "").status, 404) << "after a restart too";
}

TEST_F(Metadata, OnlyNamesOfTheRepositoryAreTaken) {
  for (const char* name :
       {"..%2fx.json", "0.root.json", "01.root.json", "root.json", "1.mirror.json", "x", "1.root.json%00"}) {
    EXPECT_EQ(Send("PUT", std::string("/api/v1/tuf/") + name, "{}").status, 400) << name;
  }
}

TEST_F(Metadata, ATrustedRootGivenAtTheStartLeavesNoChoice) {
  Keys keys, strangers;
  const std::string repo = Repo("repo", keys), alien = Repo("alien", strangers);
  hub_.reset();
  options_.trusted_root_file = repo + "/1.root.json";
  Start();
  EXPECT_EQ(Publish(alien).status, 400);
  EXPECT_EQ(Publish(repo).status, 200);
}

}  // namespace
}  // namespace till::server
