// A real hub on loopback, with terminals that say what they run.
#pragma once

#include <gtest/gtest.h>

#include "core/clock.h"
#include "core/json/json.h"
#include "core/text.h"
#include "packer/hub_connection.h"
#include "server/running_hub.h"
#include "tests/packer/scratch.h"

namespace till::packer {

class HubForTests {
 public:
  HubForTests() {
    server::ServeOptions options;
    options.data_folder = scratch_.Path("hub");
    options.port = 0;
    options.loops = 1;
    options.durable = false;
    options.store_bytes = uint64_t{64} << 20;
    server::StartFailure failure;
    hub_ = server::RunningHub::Start(options, SystemClock(), &failure);
    EXPECT_TRUE(hub_) << failure.context;
  }
  std::string url() const { return hub_->url(); }
  std::string token_file() const { return scratch_.Path("hub/admin.token"); }
  HubAccess access() const { return {url(), std::string(Trim(ReadTextFile(token_file()).value())), ""}; }
  HubConnection Connect() const { return HubConnection(access()); }

  // What a terminal sends; answers the reply's body.
  std::string AsTerminal(const std::string& id, const std::string& method, const std::string& rest,
                         const std::string& body = "") {
    http::Client client{http::ClientOptions{}};
    http::Call call;
    call.method = method;
    call.url = url() + "/DEFAULT/controller/v1/" + id + rest;
    call.body = body;
    call.headers = {{"Authorization", "TargetToken secret"}, {"Content-Type", "application/json"}};
    const Result<http::Reply> reply = client.Send(call);
    EXPECT_TRUE(reply.ok());
    EXPECT_EQ(reply.ok() ? reply->status : 0, 200);
    return reply.ok() ? reply->body : "";
  }
  void AddTerminal(const std::string& id, const std::string& image_sha256) {
    json::Value target = json::Value::Object();
    target.Set("controllerId", id).Set("securityToken", "secret");
    HubConnection hub = Connect();
    EXPECT_TRUE(hub.SendJson("POST", "/rest/v1/targets", json::Value::Array({target})).ok()) << hub.error_context();
    json::Value data = json::Value::Object();
    data.Set("till.format", "2").Set("till.image.rootfs", image_sha256);
    json::Value said = json::Value::Object();
    said.Set("mode", "replace").Set("data", data);
    AsTerminal(id, "PUT", "/configData", json::Write(said));
  }

 private:
  const Scratch scratch_;
  std::unique_ptr<server::RunningHub> hub_;
};

}  // namespace till::packer
