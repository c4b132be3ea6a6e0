// What tillpack and tillctl make of a hub that does not do as asked: a job that tries again on 75 must not do so for
// ever. Real programs against a server that answers every request alike.
#include <gtest/gtest.h>

#include "packer/commands.h"
#include "packer/faults.h"
#include "tests/core/http/certificates.h"
#include "tests/core/http/handler_for_tests.h"
#include "tests/packer/images.h"
#include "tests/packer/scratch.h"
#include "tests/packer/tool.h"

namespace till::packer {
namespace {

TEST(HubErrors, AreTriedAgainOnlyWhereThatCanHelp) {
  struct Row {
    Error error;
    const char* code;
    int exit_code;
  };
  const Row rows[] = {
      {{ErrorCode::kUnavailable, "cannot reach the server", 7}, "T1014", 75},
      {{ErrorCode::kUnavailable, "the transfer took too long", 28}, "T1014", 75},
      {{ErrorCode::kUnavailable, "the hub cannot take this now", 429}, "T1014", 75},
      {{ErrorCode::kUnavailable, "the hub cannot take this now", 503}, "T1014", 75},
      {{ErrorCode::kUnavailable, "the server's certificate does not verify", 60}, "T1032", 1},
      {{ErrorCode::kLimit, "the hub has no room", 507}, "T1033", 1},
      {{ErrorCode::kLimit, "the answer is too large", 507 << 10}, "T1014", 1},
      {{ErrorCode::kRefused, "the hub does not accept the token", 401}, "T1013", 1},
      {{ErrorCode::kRefused, "the hub does not accept the token", 403}, "T1013", 1},
      {{ErrorCode::kRefused, "the hub's metadata does not begin with the trusted root"}, "T1034", 3},
      {{ErrorCode::kInvalid, "the hub refused", 400}, "T1014", 1},
      {{ErrorCode::kIo, "cannot write the file", 5}, "T1014", 1},
  };
  for (const Row& row : rows) {
    const HubVerdict verdict = JudgeHubError(row.error, kHubFailed);
    EXPECT_STREQ(verdict.fault->code, row.code) << row.error.what << " " << row.error.detail;
    EXPECT_EQ(verdict.exit_code, row.exit_code) << row.error.what << " " << row.error.detail;
    testing::internal::CaptureStderr();
    EXPECT_EQ(Fail({}, verdict.exit_code, *verdict.fault, "", &row.error), row.exit_code) << row.error.what;
    testing::internal::GetCapturedStderr();
  }
}

constexpr const char* kConfig = R"([product]
name = "pos"
board = ["acme,pos-100"]
[image.rootfs]
file = "1.image"
)";

class TroubledHub : public http::ServerTest {
 protected:
  void SetUp() override {
    const std::string config = scratch_.Write("tillrace.toml", AsBytes(kConfig));
    scratch_.Write("1.image", Noise(1, 100'000));
    scratch_.Write("token", AsBytes("till_token"));
    ASSERT_EQ(RunTillpack({"keys", "init", "--config", config}).exit_code, 0);
    ASSERT_EQ(RunTillpack({"release", "--config", config, "--version", "1"}).exit_code, 0);
    handler.on_head = [](const http::Request&) {
      http::BodyPlan plan;
      plan.max_bytes = 8 << 20;
      return plan;
    };
  }
  void AnswerAll(int status) {
    handler.on_request = [status](const std::shared_ptr<http::Exchange>& exchange) {
      exchange->Respond(http::TextResponse(status, ""));
    };
  }
  ToolRun Publish(const std::string& url, const std::string& ca) {
    std::vector<std::string> words = {"publish", scratch_.Path("out/1"), "--server",
                                      url,       "--token-file",         scratch_.Path("token")};
    if (!ca.empty()) words.insert(words.end(), {"--ca", ca});
    return RunTillpack(words);
  }
  ToolRun Work(const std::string& url, const std::string& ca) {
    std::vector<std::string> words = {"worker", "--once", "--hub", url, "--token-file", scratch_.Path("token")};
    words.insert(words.end(), {"--keys", scratch_.Path("keys"), "--work", scratch_.Path("work")});
    words.insert(words.end(), {"--trusted-root", scratch_.Path("out/tuf/1.root.json")});
    if (!ca.empty()) words.insert(words.end(), {"--ca", ca});
    return RunTillpack(words);
  }
  ToolRun ListDevices(const std::string& url, const std::string& ca) {
    return RunProgram("tillctl", {"device", "ls"},
                      {.environment = {{"TILL_URL", url}, {"TILL_TOKEN", "till_token"}, {"TILL_CA", ca}},
                       .umask = 022,
                       .folder = ""});
  }
  // The exit code and code of each.
  struct Wanted {
    int exit_code;
    const char* publish;
    const char* worker;
    int tillctl_exit_code;
    const char* tillctl;
  };
  void Expect(const std::string& what, const std::string& url, const std::string& ca, const Wanted& wanted) {
    const auto expect = [&](const char* who, const ToolRun& run, int exit_code, const char* code) {
      EXPECT_EQ(run.exit_code, exit_code) << who << ", " << what << ": " << run.errors;
      EXPECT_NE(run.errors.find(code), std::string::npos) << who << ", " << what << ": " << run.errors;
    };
    expect("publish", Publish(url, ca), wanted.exit_code, wanted.publish);
    expect("worker", Work(url, ca), wanted.exit_code, wanted.worker);
    expect("tillctl", ListDevices(url, ca), wanted.tillctl_exit_code, wanted.tillctl);
  }

  const Scratch scratch_;
};

TEST_F(TroubledHub, EndsTheProgramsByWhetherALaterTryCanHelp) {
  Start();
  const std::vector<std::pair<int, Wanted>> rows = {
      {408, {75, "T1007", "T1019", 75, "T5002"}}, {429, {75, "T1007", "T1019", 75, "T5002"}},
      {500, {75, "T1007", "T1019", 75, "T5002"}}, {503, {75, "T1007", "T1019", 75, "T5002"}},
      {507, {1, "T1033", "T1033", 1, "T5014"}},   {401, {1, "T1013", "T1013", 1, "T5018"}},
      {403, {1, "T1013", "T1013", 1, "T5018"}},
  };
  for (const auto& [status, wanted] : rows) {
    AnswerAll(status);
    Expect("status " + std::to_string(status), Url(""), "", wanted);
  }
  const std::string url = Url("");
  server.reset();
  Expect("nobody listens", url, "", {75, "T1007", "T1019", 75, "T5002"});
}

TEST_F(TroubledHub, WithACertificateOfAnotherIsNotTriedAgain) {
  const http::Certificates certificates;
  options.tls_cert_file = certificates.Cert("server");
  options.tls_key_file = certificates.Key("server");
  AnswerAll(503);
  Start();
  const std::string url = "https://127.0.0.1:" + std::to_string(port());
  Expect("another's certificate", url, certificates.Cert("other"), {1, "T1032", "T1032", 1, "T5013"});
  Expect("its own certificate", url, certificates.Cert("server"), {75, "T1007", "T1019", 75, "T5002"});
  const std::string plain = "http://127.0.0.1:" + std::to_string(port());
  Expect("http to a hub that speaks https", plain, "", {1, "T1060", "T1060", 1, "T5019"});
}

// A hub that serves another repository's root.
TEST_F(TroubledHub, WithAnotherRootFailsAsAVerification) {
  const std::string other = scratch_.Write("other/tillrace.toml", AsBytes(kConfig));
  ASSERT_EQ(RunTillpack({"keys", "init", "--config", other}).exit_code, 0);
  handler.on_request = [this](const std::shared_ptr<http::Exchange>& exchange) {
    const std::string& target = exchange->request().raw_target;
    const Result<std::string> file = ReadTextFile(scratch_.Path("other/out" + target.substr(target.find("/tuf"))));
    exchange->Respond(file.ok() ? http::JsonResponse(200, *file) : http::TextResponse(404, ""));
  };
  Start();
  const ToolRun run = Publish(Url(""), "");
  EXPECT_EQ(run.exit_code, 3) << run.errors;
  EXPECT_NE(run.errors.find("T1034"), std::string::npos) << run.errors;
}

}  // namespace
}  // namespace till::packer
