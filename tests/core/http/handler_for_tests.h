// A Handler made of two functions, and a server running with it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "core/http/server.h"

namespace till::http {

class HandlerForTests : public Handler {
 public:
  std::function<BodyPlan(const Request&)> on_head = [](const Request&) { return BodyPlan{}; };
  std::function<void(std::shared_ptr<Exchange>)> on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, "ok\n"));
  };

  BodyPlan OnHead(const Request& request) override { return on_head(request); }
  void OnRequest(std::shared_ptr<Exchange> exchange) override { on_request(std::move(exchange)); }
};

class ServerTest : public ::testing::Test {
 protected:
  void Start() {
    Result<std::unique_ptr<Server>> started = Server::Start(options, handler);
    ASSERT_TRUE(started.ok()) << started.error().what;
    server = std::move(*started);
  }
  void TearDown() override { server.reset(); }  // before the members of derived fixtures, which its loops use
  uint16_t port() const { return server->port(); }
  std::string Url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port()) + path; }

  ServerOptions options;
  HandlerForTests handler;
  std::unique_ptr<Server> server;
};

inline std::string Get(const std::string& path, const std::string& more_headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + more_headers + "\r\n";
}

}  // namespace till::http
