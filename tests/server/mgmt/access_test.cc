// Who may call what, and what hostile callers get. covers W04 W06
#include <algorithm>

#include "core/crypto/password.h"
#include "server/mgmt/api.h"
#include "server/mgmt/plane.h"
#include "tests/core/http/raw_socket.h"
#include "tests/server/mgmt/live_hub.h"

namespace till::mgmt {
namespace {

// "GET targets/{}/actions" as method and path, with 1 for every name.
std::pair<std::string, std::string> CallOf(const std::string& route) {
  const size_t blank = route.find(' ');
  std::string path = route.substr(blank + 1);
  for (size_t at = 0; (at = path.find("{}")) != std::string::npos;) path.replace(at, 2, "1");
  return {route.substr(0, blank), "/rest/v1/" + path};
}

std::vector<std::string> AllRoutes() {
  std::vector<std::string> routes = RouteNames();
  routes.push_back("POST softwaremodules/{}/artifacts");
  routes.push_back("GET softwaremodules/{}/artifacts/{}/download");
  routes.push_back("GET nothing/here");
  return routes;
}

TEST(Access, EveryRouteRefusesStrangersWithoutAByteOfData) {
  LiveHub hub;
  hub.AddTargets({"1"});
  hub.MakeSet("secret-version");
  const std::string bodies[] = {"", R"({"value":"00:01:00"})"};
  int passwords = 0;
  for (const std::string& route : AllRoutes()) {
    const auto [method, path] = CallOf(route);
    const std::vector<std::vector<http::HeaderField>> strangers = {
        {},
        {{"Authorization", ""}},
        // Another user each time: five wrong ones of one user would be told to wait.
        {{"Authorization", "Basic " + crypto::ToBase64("user" + std::to_string(passwords) + ":wrong-password", true)}},
        {{"Authorization", "Bearer till_0000000000000000000000000000000000000000000000000000000000000000"}},
        {{"Authorization", "TargetToken x"}},
        {{"Authorization", "Basic !!!"}},
        {{"X-Till-Client", "127.0.0.1"}, {"X-Controller-Id", "1"}}};
    for (const auto& headers : strangers) {
      // A wrong password costs a scrypt each time; the path is the same for all routes, so every ninth is enough.
      const bool password =
          headers.size() == 1 && headers[0].value.starts_with("Basic ") && headers[0].value.size() > 20;
      if (password && ++passwords % 9 != 1) continue;
      for (const std::string& body : bodies) {
        if (body.empty() != (method == "GET" || method == "DELETE")) continue;
        std::vector<http::HeaderField> sent = headers;
        if (route == "POST softwaremodules/{}/artifacts") {
          sent.push_back({"Content-Type", "multipart/form-data; boundary=b"});
        }
        const http::Reply reply = hub.Send(method, path, body, sent);
        EXPECT_EQ(reply.status, 401) << route;
        EXPECT_EQ(reply.body.find("secret"), std::string::npos) << route;
        EXPECT_LT(reply.body.size(), 200u) << route;
      }
    }
  }
}

TEST(Access, EveryRouteAnswersTheOperator) {
  LiveHub hub;
  for (const std::string& route : AllRoutes()) {
    const auto [method, path] = CallOf(route);
    const http::Reply reply = hub.Send(method, path, method == "GET" || method == "DELETE" ? "" : "{}");
    EXPECT_NE(reply.status, 401) << route;
    EXPECT_NE(reply.status, 403) << route;
    EXPECT_LT(reply.status, 500) << route << ": " << reply.body;
  }
}

TEST(Access, TheFrontsWordsCannotBeForged) {
  LiveHub hub;
  hub.AddTargets({"pos-1"});
  const http::Reply reply = hub.Send("GET", "/rest/v1/targets/pos-1", "",
                                     {{"Authorization", LiveHub::kGood},
                                      {"X-Till-Front", std::string(64, '0')},
                                      {"x-till-target", "/rest/v1/userinfo"},
                                      {"X-TILL-ORIGIN", "https://evil.example"},
                                      {"X-Forwarded-Host", "evil.example"},
                                      {"X-Till-Client", "10.0.0.1"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("\"controllerId\":\"pos-1\""), std::string::npos) << reply.body;
  EXPECT_NE(reply.body.find(hub.url() + "/rest/v1/targets/pos-1"), std::string::npos);
  EXPECT_EQ(reply.body.find("evil"), std::string::npos);
}

TEST(Access, ThePlanesOwnPortIsShutWithoutTheSecret) {
  LiveHub hub;
  const uint16_t port = hub.front().plane().port();
  ASSERT_NE(port, hub.port());
  ASSERT_EQ(hub.Do("GET", "userinfo").status, 200);  // passwords are verified in front of it
  const std::string secret = hub.front().plane().secret();
  EXPECT_EQ(secret.size(), 64u);
  const std::string good = std::string("Authorization: ") + LiveHub::kGood + "\r\nX-Till-Target: /rest/v1/userinfo\r\n";
  const auto call = [&](const std::string& headers) {
    return hub.Raw(port, "GET /rest/v1/userinfo HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n").substr(0, 12);
  };
  EXPECT_EQ(call(good), "HTTP/1.1 403");
  EXPECT_EQ(call(good + "X-Till-Front: \r\n"), "HTTP/1.1 403");
  EXPECT_EQ(call(good + "X-Till-Front: " + secret.substr(1) + "\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(call(good + "X-Till-Front: " + std::string(64, 'a') + "\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(call(good + "X-Till-Front: " + secret + "\r\n"), "HTTP/1.1 200");
  LiveHub other;
  EXPECT_NE(other.front().plane().secret(), secret);
}

TEST(Access, HostilePathsAreRefused) {
  LiveHub hub;
  hub.AddTargets({"pos-1"});
  const struct {
    std::string target;
    std::vector<int> statuses;
  } cases[] = {
      {"/rest/v1/../../etc/passwd", {400, 404}},
      {"/rest/v1/%2e%2e/%2e%2e/etc/passwd", {400, 404}},
      {"/rest/v1/%252e%252e/etc/passwd", {400, 404}},
      {"/rest/v1/targets/%00", {400}},
      {"/rest/v1/targets/pos-1%00.html", {400}},
      {"/rest/v1/targets/a%2Fb", {400, 404}},
      {"/rest/v1/targets\\pos-1", {400, 404}},
      {"/rest/v1//targets", {400, 404}},
      {"/rest/v1/targets/%c0%af", {400, 404}},
      {"/rest/v1/targets/%zz", {400, 404}},
      {"/rest/v1/targets#x", {400}},
      {"/rest/v1/softwaremodules/-1", {404}},
      {"/rest/v1/softwaremodules/18446744073709551616", {404}},
      {"/rest/v1/softwaremodules/1e3/artifacts/1/download", {404}},
      {"/rest/v1/targets?q=name%3D%3D%00", {400}},
      {"/rest/v1x/targets", {404, 405}},
      {"/rest/v1/targets/" + std::string(9000, 'a'), {400, 414, 431}},
  };
  for (const auto& c : cases) {
    const std::string answer = hub.Raw(hub.port(), "GET " + c.target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                                                       "Authorization: " + LiveHub::kGood + "\r\n\r\n");
    ASSERT_GT(answer.size(), 12u) << c.target.substr(0, 80);
    const int status = std::stoi(answer.substr(9, 3));
    EXPECT_TRUE(std::find(c.statuses.begin(), c.statuses.end(), status) != c.statuses.end())
        << c.target.substr(0, 80) << ": " << status;
    EXPECT_EQ(answer.find("root:"), std::string::npos);
  }
  const std::string huge =
      hub.Raw(hub.port(), "GET /rest/v1/targets HTTP/1.1\r\nHost: x\r\nX: " + std::string(64 << 10, 'x') + "\r\n\r\n");
  EXPECT_EQ(huge.substr(9, 3), "431");
}

TEST(Access, TakesJsonAloneInBodies) {
  LiveHub hub;
  const auto send = [&](const std::string& type, const std::string& body) {
    http::Call call;
    call.method = "POST";
    call.url = hub.url() + "/rest/v1/targets";
    call.headers = {{"Authorization", LiveHub::kGood}, {"Content-Type", type}};
    call.body = body;
    http::Client client{{}};
    return client.Send(call)->status;
  };
  const std::string good = R"([{"controllerId":"a"}])";
  EXPECT_EQ(send("text/plain", good), 415);  // what a browser sends across sites without asking
  EXPECT_EQ(send("application/x-www-form-urlencoded", good), 415);
  EXPECT_EQ(send("application/json", "[{"), 400);
  EXPECT_EQ(send("application/json", std::string(100, '[')), 400);
  EXPECT_EQ(send("application/json", "{\"a\":1,\"a\":2}"), 400);
  EXPECT_EQ(send("application/json", "17"), 400);
  EXPECT_EQ(send("application/json", "[17]"), 400);
  EXPECT_EQ(send("application/hal+json;charset=UTF-8", good), 201);
  EXPECT_EQ(hub.Do("PATCH", "targets").status, 405);
  EXPECT_EQ(hub.Do("DELETE", "rollouts").status, 405);
  EXPECT_EQ(hub.Do("GET", "nothing").status, 404);
  EXPECT_EQ(hub.Do("GET", "nothing").body["errorCode"].AsString(), "hawkbit.server.error.rest.notFound");
}

TEST(Access, NothingOfAStrangersBodyIsRead) {
  LiveHub hub;
  for (const char* sent : {"", "Authorization: Basic YTpi\r\n", "Authorization: Bearer till_admin_00\r\n"}) {
    for (const char* path : {"targets", "softwaremodules/1/artifacts"}) {
      http::RawConnection client(hub.port());
      ASSERT_TRUE(client.Send(std::string("POST /rest/v1/") + path + " HTTP/1.1\r\nHost: x\r\n" + sent +
                              "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 4000000\r\n\r\n"));
      EXPECT_EQ(http::StatusOf(client.ReadHead()), 401) << path << ' ' << sent;  // with not a byte of the body sent
    }
  }
  EXPECT_EQ(hub.Send("POST", "/rest/v1/targets", std::string(2 << 20, ' ')).status, 400);
  EXPECT_EQ(hub.Send("POST", "/rest/v1/targets", std::string(9 << 20, ' ')).status, 413);
}

TEST(Access, AnotherSitesPageIsRefusedWhateverItSends) {
  LiveHub hub;
  hub.MakeSet("1");
  const auto post = [&](const std::string& path, const std::string& header) {
    http::RawConnection client(hub.port());
    EXPECT_TRUE(client.Send("POST /rest/v1/" + path + " HTTP/1.1\r\nHost: hub.example\r\nAuthorization: " +
                            LiveHub::kGood + "\r\nContent-Length: 0\r\n" + header + "\r\n"));
    return http::StatusOf(client.ReadResponse());
  };
  hub.AddTargets({"pos-1"});
  const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
  const std::string multipart = "Content-Type: multipart/form-data; boundary=b\r\n";
  for (const std::string& body : {std::string(), form, multipart}) {
    for (const char* path : {"targets/pos-1/autoConfirm/activate", "softwaremodules/1/artifacts"}) {
      EXPECT_EQ(post(path, body + "Origin: https://evil.example\r\n"), 403) << path << body;
      EXPECT_EQ(post(path, body + "Origin: null\r\n"), 403) << path << body;
      EXPECT_EQ(post(path, body + "Sec-Fetch-Site: cross-site\r\n"), 403) << path << body;
    }
  }
  const std::string activate = "targets/pos-1/autoConfirm/activate";
  EXPECT_EQ(post(activate, "Origin: http://hub.example\r\nSec-Fetch-Site: same-origin\r\n"), 204);
  hub.hub().base_url = "https://outside.example/hub";
  EXPECT_EQ(post("targets/pos-1/autoConfirm/deactivate", "Origin: https://outside.example\r\n"), 204);
}

// One loop, and more sign-ins than two threads look at in a second: who needs no sign-in is answered meanwhile.
TEST(Access, SignInsStopNobodyElse) {
  LiveHub hub;
  ASSERT_EQ(hub.Do("GET", "userinfo").status, 200);  // known from here on
  std::vector<std::unique_ptr<http::RawConnection>> waiting;
  for (int i = 0; i < 40; ++i) {
    const std::string source = "127.0.1." + std::to_string(1 + i);
    waiting.push_back(std::make_unique<http::RawConnection>(hub.port(), source.c_str()));
    ASSERT_TRUE(waiting.back()->Send("GET /rest/v1/userinfo HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n"));
  }
  EXPECT_EQ(hub.Do("GET", "userinfo").status, 200);
  int unanswered = 0;
  for (const auto& client : waiting) {
    char c = 0;
    unanswered += recv(client->fd(), &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 ? 1 : 0;
  }
  EXPECT_GT(unanswered, 10);
  for (const auto& client : waiting) EXPECT_EQ(http::StatusOf(client->ReadHead()), 401);
}

}  // namespace
}  // namespace till::mgmt
