// The program itself: what it says when it cannot start, and that nothing it acknowledged is lost by kill -9.
//   covers W13 W14 W18
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "core/file.h"
#include "core/text.h"
#include "tests/core/http/raw_socket.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

// A started tillhub; killed by the destructor.
class HubProcess {
 public:
  // `descriptors`: the hard limit it is given; 0: ours.
  HubProcess(const std::vector<std::string>& arguments, const std::string& log, const char* admin = nullptr,
             uint64_t descriptors = 0) {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      const int errors = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      dup2(errors, 2);
      if (admin) setenv("TILL_BOOTSTRAP_ADMIN", admin, 1);
      const rlimit limit{descriptors, descriptors};
      if (descriptors > 0) setrlimit(RLIMIT_NOFILE, &limit);
      std::vector<char*> argv;
      std::string program = TILL_BIN_DIR "/tillhub";
      argv.push_back(program.data());
      for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    close(out[1]);
    char c;
    while (read(out[0], &c, 1) == 1 && c != '\n') line_ += c;  // until it is ready, or has ended
    close(out[0]);
  }
  ~HubProcess() {
    if (pid_ > 0) End(SIGKILL);
  }
  std::string url() const { return json::Parse(line_).value()["url"].AsString(); }
  bool ready() const { return line_.find("\"ready\"") != std::string::npos; }
  const std::string& line() const { return line_; }
  pid_t pid() const { return pid_; }
  // Sends a signal (0 = none) and waits: the exit status, or -signal.
  int End(int signal) {
    if (signal != 0) kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  std::string line_;
};

class HubProgram : public testing::Test {
 protected:
  std::vector<std::string> Serve(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"serve", "--data", data_, "--listen", "127.0.0.1:0", "--loops", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  http::Reply Send(const std::string& url, const std::string& method, const std::string& body,
                   const std::string& authorization) {
    http::Client client{http::ClientOptions{}};
    http::Call call;
    call.method = method;
    call.url = url;
    call.body = body;
    call.headers = {{"Authorization", authorization}, {"Content-Type", "application/json"}};
    auto reply = client.Send(call);
    return reply.ok() ? std::move(*reply) : http::Reply{};
  }
  std::string Errors() { return ReadTextFile(log_).value(); }

  TempFolder folder_;
  const std::string data_ = folder_.path() + "/data", log_ = folder_.path() + "/stderr";
};

TEST_F(HubProgram, TheFirstStartWritesATokenAndNoOtherCredentialExists) {
  HubProcess hub(Serve(), log_);
  ASSERT_TRUE(hub.ready()) << Errors();
  struct stat info {};
  ASSERT_EQ(stat((data_ + "/admin.token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  std::string token = ReadTextFile(data_ + "/admin.token").value();
  token.pop_back();
  EXPECT_NE(Errors().find("admin.token"), std::string::npos);
  EXPECT_EQ(Errors().find(token), std::string::npos) << "the token itself is not printed";
  const std::string blob = hub.url() + "/api/v1/blobs/" + HexOf("x");
  EXPECT_EQ(Send(blob, "HEAD", "", "Bearer " + token).status, 404);
  EXPECT_EQ(Send(blob, "HEAD", "", "Basic YWRtaW46YWRtaW4=").status, 401) << "admin:admin is nobody";
  EXPECT_EQ(hub.End(SIGTERM), 0);
}

TEST_F(HubProgram, WhatWasAcknowledgedSurvivesKillNine) {
  const std::string admin = "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==";
  std::string action_path, feedback_path;
  const std::string word = R"({"status":{"execution":"proceeding","result":{"finished":"none"},"details":["written"]},)"
                           R"("till":{"seq":7,"bytes":9}})";
  {
    HubProcess hub(Serve(), log_, "admin:correct horse");
    ASSERT_TRUE(hub.ready()) << Errors();
    const std::string rest = hub.url() + "/rest/v1";
    ASSERT_EQ(Send(rest + "/targets", "POST", R"([{"controllerId":"pos-1","securityToken":"secret"}])", admin).status,
              201);
    ASSERT_EQ(Send(rest + "/softwaremodules", "POST", R"([{"name":"os","version":"1","type":"os"}])", admin).status,
              201);
    ASSERT_EQ(Send(rest + "/distributionsets", "POST",
                   R"([{"name":"os","version":"1","type":"os","modules":[{"id":1}]}])", admin)
                  .status,
              201);
    ASSERT_EQ(Send(rest + "/distributionsets/1/assignedTargets", "POST", R"([{"id":"pos-1"}])", admin).status / 100, 2);
    ASSERT_EQ(
        Send(hub.url() + "/DEFAULT/controller/v1/pos-1/deploymentBase/1/feedback", "POST", word, "TargetToken secret")
            .status,
        200);
    EXPECT_EQ(hub.End(SIGKILL), -SIGKILL);
  }
  HubProcess hub(Serve(), log_, "admin:correct horse");
  ASSERT_TRUE(hub.ready()) << Errors();
  EXPECT_EQ(
      Send(hub.url() + "/DEFAULT/controller/v1/pos-1/deploymentBase/1/feedback", "POST", word, "TargetToken secret")
          .status,
      200)
      << "told again, as a terminal without an answer does";
  const http::Reply statuses = Send(hub.url() + "/rest/v1/targets/pos-1/actions/1/status", "GET", "", admin);
  ASSERT_EQ(statuses.status, 200) << statuses.body;
  const size_t first = statuses.body.find("written");
  ASSERT_NE(first, std::string::npos) << statuses.body;
  EXPECT_EQ(statuses.body.find("written", first + 1), std::string::npos) << "present exactly once";
}

// What any program of the same user, and root's tools, read of a running one.
TEST_F(HubProgram, KeepsNoPasswordInItsEnvironment) {
  HubProcess hub(Serve(), log_, "admin:correct horse");
  ASSERT_TRUE(hub.ready()) << Errors();
  std::string environment(64 << 10, '\0');
  const auto file = OpenFile("/proc/" + std::to_string(hub.pid()) + "/environ", O_RDONLY);
  ASSERT_TRUE(file.ok());
  const ssize_t got = read(file->get(), environment.data(), environment.size());
  ASSERT_GT(got, 0);
  EXPECT_NE(environment.find("TILL_BOOTSTRAP_ADMIN="), std::string::npos) << "it was given so";
  EXPECT_EQ(environment.find("correct horse"), std::string::npos);
}

TEST_F(HubProgram, TokensAreTakenBackWhileItRunsAndWhileItDoesNot) {
  const auto command = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--data", data_});
    HubProcess ran(arguments, folder_.path() + "/said");
    const std::string line = ran.line();
    return std::make_pair(ran.End(0), line);
  };
  EXPECT_EQ(command({"token", "ls"}).first, 1) << "there is no hub yet, and none is made";
  EXPECT_FALSE(FileExists(data_));
  const std::string path = "/api/v1/blobs/" + HexOf("x");
  std::string kept;
  {
    HubProcess hub(Serve(), log_, "admin:correct horse");
    ASSERT_TRUE(hub.ready()) << Errors();
    const auto status = [&](const std::string& authorization) {
      return Send(hub.url() + path, "HEAD", "", authorization).status;
    };
    const std::string token = command({"token", "add", "ci"}).second;
    kept = command({"token", "add", "kept"}).second;
    ASSERT_TRUE(token.starts_with("till_ci_")) << token;
    EXPECT_EQ(status("Bearer " + token), 404) << "known, but there is no such blob";
    EXPECT_EQ(command({"token", "add", "ci"}).first, 6);
    EXPECT_EQ(command({"token", "rm", "ci"}).first, 0);
    EXPECT_EQ(status("Bearer " + token), 401) << "at the next request";
    EXPECT_EQ(command({"token", "rm", "ci"}).first, 1) << "it is gone already";
    EXPECT_EQ(status("Bearer " + kept), 404);

    const std::string edge(Trim(ReadTextFile(data_ + "/edge.token").value()));
    const std::string payload = hub.url() + "/a/" + HexOf("x");
    const std::string second = command({"token", "add", "--edge", "shop"}).second;
    EXPECT_EQ(Send(payload, "GET", "", "EdgeToken " + edge).status, 404);
    EXPECT_EQ(Send(payload, "GET", "", "EdgeToken " + second).status, 404);
    EXPECT_EQ(command({"token", "rm", "--edge", "edge.token"}).first, 0);
    EXPECT_EQ(Send(payload, "GET", "", "EdgeToken " + edge).status, 401);
    EXPECT_EQ(Send(payload, "GET", "", "EdgeToken " + second).status, 404);

    EXPECT_EQ(status("Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="), 404);
    EXPECT_EQ(command({"operator", "rm", "admin"}).first, 0);
    EXPECT_EQ(status("Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="), 401) << "though its password was verified before";
    EXPECT_EQ(hub.End(SIGTERM), 0);
  }
  ASSERT_TRUE(WriteFileAtomically(folder_.path() + "/password", AsBytes("another horse\n")).ok());
  EXPECT_EQ(command({"operator", "add", "bob", "--password-file", folder_.path() + "/password"}).first, 0);
  EXPECT_EQ(command({"operator", "add", "..", "--password-file", folder_.path() + "/password"}).first, 2);
  EXPECT_EQ(command({"token", "rm", "kept"}).first, 0);
  const std::string list = command({"operator", "ls", "--json"}).second;
  EXPECT_EQ(list, R"([{"name":"bob"}])");
  HubProcess hub(Serve(), log_);
  ASSERT_TRUE(hub.ready()) << Errors();
  EXPECT_EQ(Send(hub.url() + path, "HEAD", "", "Bearer " + kept).status, 401);
  EXPECT_EQ(Send(hub.url() + path, "HEAD", "", "Basic Ym9iOmFub3RoZXIgaG9yc2U=").status, 404);
  const auto edges = command({"token", "ls", "--edge", "--json"});
  EXPECT_EQ(edges.first, 0);
  EXPECT_NE(edges.second.find("shop"), std::string::npos);
  EXPECT_EQ(edges.second.find("edge.token"), std::string::npos) << "what was taken away is not made again";
}

// covers W03
TEST_F(HubProgram, AThousandIdleConnectionsOfOneAddressShutNobodyOut) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit enough = before;
  enough.rlim_cur = before.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &enough), 0);
  ASSERT_GT(enough.rlim_cur, 2'200U) << "this test itself holds 2,000 sockets";
  HubProcess hub(Serve(), log_, "admin:correct horse", 1024);
  ASSERT_TRUE(hub.ready()) << Errors();
  const std::string url = hub.url();
  const auto port = static_cast<uint16_t>(ParseUint(url.substr(url.rfind(':') + 1)).value());
  std::vector<std::unique_ptr<http::RawConnection>> idle;
  for (int i = 0; i < 2'000; ++i) idle.push_back(std::make_unique<http::RawConnection>(port));
  http::RawConnection other(port, "127.0.0.2");
  ASSERT_TRUE(other.Send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(http::StatusOf(other.ReadResponse()), 200);
  EXPECT_EQ(http::StatusOf(idle.back()->ReadHead()), 429) << "told, though it never asked";
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(HubProgram, SaysWhyItCannotStart) {
  std::string damaged = folder_.path() + "/damaged", file = folder_.path() + "/file";
  ASSERT_TRUE(MakeFolders(damaged + "/store").ok());
  const std::string noise(100'000, '?');
  ASSERT_TRUE(WriteFileAtomically(damaged + "/store/data.mdb", AsBytes(noise)).ok());
  ASSERT_TRUE(WriteFileAtomically(file, AsBytes("x")).ok());
  HubProcess other(Serve(), log_);
  ASSERT_TRUE(other.ready());
  const std::string taken = other.url().substr(7);
  struct Row {
    const char* name;
    std::vector<std::string> arguments;
    int status;
    const char* code;
    const char* admin = nullptr;
  };
  const std::string fresh = folder_.path() + "/fresh";
  const Row rows[] = {
      {"port in use", {"serve", "--data", fresh, "--listen", taken}, 6, "T3002"},
      {"foreign address", {"serve", "--data", fresh, "--listen", "192.0.2.1:0"}, 1, "T3001"},
      {"no address", {"serve", "--data", fresh, "--listen", "here:0"}, 1, "T3001"},
      {"bad listen", {"serve", "--data", fresh, "--listen", "8080"}, 2, "T3007"},
      {"bad interval", {"serve", "--data", fresh, "--min-polling-time", "soon"}, 2, "T3007"},
      {"an interval of five what", {"serve", "--data", fresh, "--min-polling-time", "5"}, 2, "T3007"},
      {"no edge token file", {"serve", "--data", fresh, "--edge-token-file", fresh + "/none"}, 1, "T3016"},
      {"data is a file", {"serve", "--data", file, "--listen", "127.0.0.1:0"}, 1, "T3003"},
      {"data in use", Serve(), 6, "T3005"},
      {"store damaged", {"serve", "--data", damaged, "--listen", "127.0.0.1:0"}, 1, "T3004"},
      {"a proxy by name", {"serve", "--data", fresh, "--trusted-proxy", "proxy.example"}, 2, "T3007"},
      {"half of TLS", {"serve", "--data", fresh, "--tls-cert", file}, 2, "T3006"},
      {"no certificate", {"serve", "--data", fresh, "--tls-cert", file, "--tls-key", file}, 1, "T3006"},
      {"no trusted root", {"serve", "--data", fresh, "--trusted-root", file + "x"}, 1, "T3009"},
      {"a root that is none", {"serve", "--data", fresh, "--trusted-root", file}, 1, "T3009"},
      {"a log nobody may write", {"serve", "--data", fresh, "--access-log", "/no/such/folder/log"}, 1, "T3014"},
      {"short password", {"serve", "--data", fresh, "--listen", "127.0.0.1:0"}, 1, "T3008", "admin:short"},
      {"no command", {}, 2, ""},
      {"unknown flag", {"serve", "--data", fresh, "--dta", "x"}, 2, ""},
  };
  for (const Row& row : rows) {
    const std::string log = folder_.path() + "/row";
    HubProcess hub(row.arguments, log, row.admin);
    EXPECT_FALSE(hub.ready()) << row.name;
    EXPECT_EQ(hub.End(0), row.status) << row.name;
    const std::string errors = ReadTextFile(log).value();
    EXPECT_NE(errors.find(row.code), std::string::npos) << row.name << ": " << errors;
  }
}

}  // namespace
}  // namespace till::server
