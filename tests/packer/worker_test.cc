// A missing delta from the terminal's wish to its download, over a real hub; and a worker killed on the way.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "core/crypto/hash.h"
#include "tests/packer/hub_for_tests.h"
#include "tests/packer/images.h"
#include "tests/packer/tool.h"

namespace till::packer {
namespace {

constexpr const char* kConfig = R"([product]
name = "pos"
board = ["acme,pos-100"]
[image.rootfs]
file = "2.image"
[delta]
from = "versions=9.9.9"
)";

// Two releases at a hub without a delta between them, and a terminal on the first that shall run the second.
class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string config = scratch_.Write("tillrace.toml", AsBytes(kConfig));
    const Bytes first = Noise(1, 400'000);
    scratch_.Write("1.image", first);
    Bytes second = first;
    std::ranges::copy(Noise(2, 20'000), second.begin() + 90'000);
    scratch_.Write("2.image", second);
    ASSERT_EQ(RunTillpack({"keys", "init", "--config", config}).exit_code, 0);
    Release(config, "1.0.0", "1.image");
    // A delta that is not worth it is not kept: here none is.
    std::string never(kConfig);
    never.replace(never.find("from ="), std::string::npos, "keep_if = \"delta < 0.001 * full\"\n");
    scratch_.Write("tillrace.toml", AsBytes(never));
    Release(config, "2.0.0", "2.image");
    HubConnection hub = hub_.Connect();
    const std::string base = Hash("1.image");
    hub_.AddTerminal("pos-1", base);
    const json::Value sets = *hub.SendJson("GET", "/rest/v1/distributionsets?q=" + EncodeQuery("version==2.0.0"));
    const std::string set = std::to_string(sets["content"].items().at(0)["id"].AsInteger());
    json::Value target = json::Value::Object();
    target.Set("id", "pos-1");
    ASSERT_TRUE(
        hub.SendJson("POST", "/rest/v1/distributionsets/" + set + "/assignedTargets", json::Value::Array({target}))
            .ok())
        << hub.error_context();
    std::filesystem::copy(scratch_.Path("keys"), scratch_.Path("release-keys"));
    for (const char* key : {"root-1", "root-2", "root-3", "targets-1"})
      std::filesystem::remove(scratch_.Path(std::string("keys/") + key + ".pem"));
  }
  void Release(const std::string& config, const std::string& version, const std::string& image) {
    const ToolRun made =
        RunTillpack({"release", "--config", config, "--version", version, "--image", "rootfs=" + scratch_.Path(image)});
    ASSERT_EQ(made.exit_code, 0) << made.errors;
    const ToolRun sent = RunTillpack(
        {"publish", scratch_.Path("out/" + version), "--server", hub_.url(), "--token-file", hub_.token_file()});
    ASSERT_EQ(sent.exit_code, 0) << sent.errors;
  }
  std::string Hash(const std::string& image) {
    return ToHex(crypto::Sha256Of(ReadBinaryFile(scratch_.Path(image), 1 << 26).value()));
  }
  std::vector<std::string> Command(const std::string& work) {
    return {"--json",
            "worker",
            "--hub",
            hub_.url(),
            "--token-file",
            hub_.token_file(),
            "--keys",
            scratch_.Path("keys"),
            "--trusted-root",
            scratch_.Path("out/tuf/1.root.json"),
            "--work",
            scratch_.Path(work),
            "--once",
            "-j",
            "1"};
  }
  size_t Missing() {
    HubConnection hub = hub_.Connect();
    const Result<json::Value> answer = hub.SendJson("GET", "/api/v1/deltas/missing");
    EXPECT_TRUE(answer.ok()) << hub.error_context();
    return answer.ok() ? (*answer)["missing"].items().size() : 99;
  }
  std::string Offered() { return hub_.AsTerminal("pos-1", "GET", "/deploymentBase/1"); }

  HubForTests hub_;
  const Scratch scratch_;
};

TEST_F(WorkerTest, MakesWhatATerminalWaitsForWithoutTheReleaseKey) {
  EXPECT_EQ(Missing(), 1u);
  const ToolRun run = RunTillpack(Command("work"));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_NE(run.out.find("worker.published"), std::string::npos) << run.out;
  EXPECT_EQ(Missing(), 0u);
  EXPECT_NE(Offered().find("from-" + Hash("1.image").substr(0, 16)), std::string::npos) << Offered();
}

// A worker has published, so that the hub is ahead of the release machine: with or without a release made meanwhile.
TEST_F(WorkerTest, TheReleaseMachineGoesOnFromWhatAWorkerPublished) {
  const std::string config = scratch_.Path("tillrace.toml");
  const auto release = [&](const std::string& version) {
    return RunTillpack({"release", "--config", config, "--version", version, "--server", hub_.url()});
  };
  const auto publish = [&](const std::string& version) {
    return RunTillpack(
        {"publish", scratch_.Path("out/" + version), "--server", hub_.url(), "--token-file", hub_.token_file()});
  };
  std::filesystem::remove_all(scratch_.Path("keys"));
  std::filesystem::copy(scratch_.Path("release-keys"), scratch_.Path("keys"));
  const Bytes third = Noise(3, 100'000);
  scratch_.Write("2.image", third);
  const ToolRun made = RunTillpack({"release", "--config", config, "--version", "3.0.0"});
  ASSERT_EQ(made.exit_code, 0) << made.errors;  // signed, and not published yet
  scratch_.Write("2.image", Noise(4, 100'000));
  const ToolRun worker = RunTillpack(Command("work"));
  ASSERT_EQ(worker.exit_code, 0) << worker.errors;
  ASSERT_EQ(Missing(), 0u);
  const ToolRun sent = publish("3.0.0");
  ASSERT_EQ(sent.exit_code, 0) << sent.errors;
  EXPECT_NE(sent.out.find("taken over"), std::string::npos) << sent.out;
  EXPECT_EQ(Missing(), 0u) << "the worker's delta is still there";
  const ToolRun next = release("4.0.0");
  ASSERT_EQ(next.exit_code, 0) << next.errors;
  const ToolRun again = publish("4.0.0");
  ASSERT_EQ(again.exit_code, 0) << again.errors;
  EXPECT_EQ(again.out.find("taken over"), std::string::npos) << again.out;
  EXPECT_EQ(Missing(), 0u);
  // A hub of somebody else's: another root.
  RunTillpack({"keys", "init", "--config", scratch_.Write("other/tillrace.toml", AsBytes(kConfig))});
  std::filesystem::copy(scratch_.Path("2.image"), scratch_.Path("other/2.image"));
  const ToolRun refused = RunTillpack(
      {"release", "--config", scratch_.Path("other/tillrace.toml"), "--version", "1.0.0", "--server", hub_.url()});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE(refused.errors.find("trusted root"), std::string::npos) << refused.errors;
}

TEST_F(WorkerTest, KilledAnywhereLeavesTheJobToTheNext) {
  HubConnection hub = hub_.Connect();
  json::Value lease = json::Value::Object();
  lease.Set("base", Hash("1.image")).Set("target", Hash("2.image")).Set("seconds", 1);
  ASSERT_TRUE(hub.SendJson("POST", "/api/v1/deltas/lease", lease).ok());  // a worker that died right then
  EXPECT_EQ(Missing(), 0u);
  EXPECT_EQ(hub.SendJson("POST", "/api/v1/deltas/lease", lease).error().code, ErrorCode::kConflict);
  for (int i = 0; i < 100 && Missing() == 0; ++i) SystemClock().SleepMs(50);
  // Half a download and half a set of metadata in its folder.
  scratch_.Write("work/fetched.till", AsBytes("half"));
  scratch_.Write("work/" + Hash("1.image") + ".image", AsBytes("torn"));
  scratch_.Write("work/tuf/timestamp.json", AsBytes("{"));
  const ToolRun run = RunTillpack(Command("work"));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_NE(run.out.find("worker.published"), std::string::npos) << run.out;
}

TEST_F(WorkerTest, RefusesAHubWithAnotherRootAndANobodysToken) {
  scratch_.Write("other.json", AsBytes("{}"));
  std::vector<std::string> command = Command("work");
  command[9] = scratch_.Path("other.json");
  EXPECT_EQ(RunTillpack(command).exit_code, 3);
  command = Command("work");
  command[5] = scratch_.Write("no.token", AsBytes("nobody"));
  const ToolRun refused = RunTillpack(command);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.errors.find("T1013"), std::string::npos) << refused.errors;
}

}  // namespace
}  // namespace till::packer
