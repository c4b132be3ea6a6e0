// The Management API behind the real event-driven server and the real CivetWeb plane, on loopback with a temporary
// store. For tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json/json.h"
#include "server/artifacts/artifact_store.h"
#include "server/auth/operators.h"
#include "server/choose/release_index.h"
#include "server/front/front.h"
#include "server/model/operations.h"
#include "server/rollout/ticker.h"
#include "server/store/last_seen.h"
#include "server/store/writer.h"

namespace till::mgmt {

// A status and a JSON body.
struct Answer {
  int status = 0;
  json::Value body;
  std::string text;
};

class LiveHub {
 public:
  static constexpr const char* kGood = "Basic YWRtaW46c2VjcmV0LXBhc3N3b3Jk";  // admin:secret-password

  LiveHub() {
    std::string pattern = testing::TempDir() + "mgmt-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    kv::Store::Options options;
    options.durable = false;
    options.map_bytes = uint64_t{64} << 20;
    store_ = *kv::Store::Open(folder_ + "/store", options);
    artifacts_ = *server::ArtifactStore::Open(folder_ + "/artifacts");
    operators_ = std::make_unique<server::Operators>(*store_, SystemClock());
    EXPECT_TRUE(operators_->Bootstrap("admin:secret-password", folder_ + "/admin.token").ok());
    writer_ = std::make_unique<server::Writer>(*store_, 1000);
    hub_ = std::make_unique<server::Hub>(
        server::Hub{*store_, *writer_, seen_, *artifacts_, *operators_, releases_, SystemClock(), "DEFAULT", "", {}});
    hub_->max_artifact_bytes = 8 << 20;
    front_ = *front::Front::Start(*hub_);
    http::ServerOptions server_options;
    server_options.loops = 1;
    server_ = *http::Server::Start(server_options, *front_);
  }
  ~LiveHub() {
    StopServing();
    writer_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Ends the server and the front, and with them every open upload.
  void StopServing() {
    if (server_) server_->Stop(1000);
    server_.reset();
    operators_->Stop();  // they call the front
    front_.reset();
  }

  server::Hub& hub() { return *hub_; }
  const front::Front& front() const { return *front_; }
  const std::string& folder() const { return folder_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  uint16_t port() const { return server_->port(); }

  http::Reply Send(const std::string& method, const std::string& path, const std::string& body = "",
                   std::vector<http::HeaderField> headers = {{"Authorization", kGood}}) {
    http::Call call;
    call.method = method;
    call.url = url() + path;
    call.headers = std::move(headers);
    if (!body.empty()) call.headers.push_back({"Content-Type", "application/json"});
    call.body = body;
    call.max_reply_bytes = 16 << 20;
    auto reply = client_.Send(call);
    EXPECT_TRUE(reply.ok()) << method << " " << path << ": " << reply.error().what;
    return reply.ok() ? *reply : http::Reply{};
  }
  // A call below /rest/v1/ as the admin; the answer's JSON is parsed.
  Answer Do(const std::string& method, const std::string& path, const std::string& body = "") {
    const http::Reply reply = Send(method, "/rest/v1/" + path, body);
    Answer answer{reply.status, {}, reply.body};
    if (!reply.body.empty()) {
      auto parsed = json::Parse(reply.body);
      EXPECT_TRUE(parsed.ok()) << reply.body;
      if (parsed.ok()) answer.body = std::move(*parsed);
    }
    return answer;
  }
  // Uploads one file to a module, as a form.
  Answer Upload(int64_t module, const std::string& filename, const std::string& content, const std::string& query = "",
                const std::string& authorization = kGood) {
    const std::string form = "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + filename +
                             "\"\r\n\r\n" + content + "\r\n--XyZ--\r\n";
    http::Call call;
    call.method = "POST";
    call.url = url() + "/rest/v1/softwaremodules/" + std::to_string(module) + "/artifacts" + query;
    call.headers = {{"Authorization", authorization}, {"Content-Type", "multipart/form-data; boundary=XyZ"}};
    call.body = form;
    auto reply = client_.Send(call);
    EXPECT_TRUE(reply.ok()) << reply.error().what;
    if (!reply.ok()) return {};
    auto parsed = json::Parse(reply->body);
    return {reply->status, parsed.ok() ? *parsed : json::Value(), reply->body};
  }
  // A module with one file, and a complete set of it; answers the set's id.
  int64_t MakeSet(const std::string& version) {
    const Answer module =
        Do("POST", "softwaremodules", R"([{"name":"os","version":")" + version + R"(","type":"os"}])");
    EXPECT_EQ(module.status, 201) << module.text;
    const int64_t module_id = module.body.items()[0]["id"].AsInteger();
    EXPECT_EQ(Upload(module_id, "os.bin", "content of " + version).status, 201);
    const Answer set = Do("POST", "distributionsets",
                          R"([{"name":"pos","version":")" + version + R"(","type":"os","modules":[{"id":")" +
                              std::to_string(module_id) + "\"}]}]");
    EXPECT_EQ(set.status, 201) << set.text;
    return set.body.items()[0]["id"].AsInteger();
  }
  void AddTargets(const std::vector<std::string>& names) {
    std::string body;
    for (const std::string& name : names) body += (body.empty() ? "[" : ",") + ("{\"controllerId\":\"" + name + "\"}");
    const Answer made = Do("POST", "targets", body + "]");
    EXPECT_EQ(made.status, 201) << made.text;
  }
  // The terminal's word on its oldest active action.
  void Feedback(const std::string& controller_id, server::Execution execution, server::FinishedResult finished,
                std::vector<std::string> details = {}, bool cancel = false);

  // Sends bytes as they are and answers what comes until the peer closes (or falls silent after a whole answer).
  std::string Raw(uint16_t port, const std::string& bytes) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval patience{5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    std::string answer;
    if (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) {
      char buffer[4096];
      for (ssize_t got = 0; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
        answer.append(buffer, static_cast<size_t>(got));
      }
    }
    close(fd);
    return answer;
  }

 private:
  std::string folder_;
  std::unique_ptr<kv::Store> store_;
  std::unique_ptr<server::ArtifactStore> artifacts_;
  std::unique_ptr<server::Operators> operators_;
  server::ReleaseBook releases_;
  server::LastSeen seen_;
  std::unique_ptr<server::Writer> writer_;
  std::unique_ptr<server::Hub> hub_;
  std::unique_ptr<front::Front> front_;
  std::unique_ptr<http::Server> server_;
  http::Client client_{{}};
};

}  // namespace till::mgmt
