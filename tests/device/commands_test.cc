// What tilld's commands tell a person on a terminal that lost its server, its trust or its patience.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "tests/core/http/certificates.h"
#include "tests/device/commands_for_tests.h"

namespace till::device {
namespace {

constexpr char kBase[] = "/DEFAULT/controller/v1/pos-1";

class Commands : public CommandsTest {};

// --- A server that is missed ---

// covers F10
TEST_F(Commands, RunOnceAndWhyTellThatTheHubIsAwayUntilItIsBack) {
  const std::vector<std::string> away = {"--set", "server=http://127.0.0.1:1"};
  EXPECT_EQ(RunOnce(away), 75) << said_;
  EXPECT_TRUE(Said("error T2042")) << said_;
  EXPECT_TRUE(Said("cannot reach the server")) << said_;
  const json::Value contact = Ask("why")["contact"];
  EXPECT_TRUE(contact["problem"].AsString().starts_with("T2042 ")) << said_;
  EXPECT_FALSE(contact["do"].AsString().empty());
  EXPECT_EQ(Tilld({"why"}), 0);
  EXPECT_TRUE(Said("contact   T2042") && Said(" since " + contact["since"].AsString()) && Said("do: ")) << said_;
  EXPECT_EQ(RunOnce({"--json", "--set", "server=http://127.0.0.1:1"}), 75);
  EXPECT_TRUE(Said("{\"error\":{\"code\":\"T2042\"")) << said_;
  EXPECT_EQ(Ask("why")["contact"]["since"].AsString(), contact["since"].AsString());
  EXPECT_EQ(RunOnce(), 0) << said_;
  EXPECT_FALSE(Ask("why").Has("contact")) << said_;
  EXPECT_EQ(Tilld({"why"}), 0);
  EXPECT_TRUE(Said("nothing went wrong")) << said_;
}

TEST_F(Commands, RunOnceEndsByWhatTheHubAnswers) {
  const struct {
    int status, exit;
    const char* code;
  } kCases[] = {{503, 75, "T2042"}, {429, 75, "T2042"}, {401, 1, "T2011"}, {404, 1, "T2011"}, {418, 1, "T2012"}};
  for (const auto& each : kCases) {
    hub_->At(kBase).status = each.status;
    EXPECT_EQ(RunOnce(), each.exit) << each.status << said_;
    EXPECT_TRUE(Said(std::string("error ") + each.code)) << each.status << said_;
    EXPECT_EQ(Ask("why")["contact"]["problem"].AsString().substr(0, 5), each.code);
    hub_->Forget(kBase);
  }
}

TEST_F(Commands, RunOnceEndsWithThreeForACertificateThatDoesNotVerify) {
  class : public http::Handler {
    void OnRequest(std::shared_ptr<http::Exchange> exchange) override {
      exchange->Respond(http::JsonResponse(200, "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}}}"));
    }
  } handler;
  const http::Certificates certificates;
  http::ServerOptions options;
  options.loops = 1;
  options.tls_cert_file = certificates.Cert("server");
  options.tls_key_file = certificates.Key("server");
  auto server = http::Server::Start(options, handler);
  ASSERT_TRUE(server.ok());
  const std::string url = "server=https://127.0.0.1:" + std::to_string((*server)->port());
  EXPECT_EQ(RunOnce({"--set", url, "--set", "ca_file=" + certificates.Cert("other")}), 3) << said_;
  EXPECT_TRUE(Said("error T2043")) << said_;
  EXPECT_TRUE(Ask("why")["contact"]["problem"].AsString().starts_with("T2043 "));
  EXPECT_EQ(RunOnce({"--set", url, "--set", "ca_file=" + certificates.Cert("server")}), 0) << said_;
  EXPECT_FALSE(Ask("why").Has("contact"));
}

TEST_F(Commands, RunOnceEndsWithThreeForMetadataThatOtherKeysSigned) {
  std::filesystem::create_directories(folder_ + "/other");
  const HubForTests other(folder_ + "/other");
  EXPECT_EQ(RunOnce({"--set", "trusted_root=" + other.trusted_root_file()}), 3) << "without an offer too" << said_;
  EXPECT_TRUE(Said("error T2013")) << said_;
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce({"--set", "trusted_root=" + other.trusted_root_file()}), 3) << said_;
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2013")) << hub_->Outcome("1");
}

TEST_F(Commands, RunOnceEndsWithSeventyFiveForWhatMayComeLater) {
  hub_->Offer({.payload_path = full_});
  hub_->At("/DEFAULT/tuf/timestamp.json").status = 503;
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2042")) << said_;
  hub_->Forget("/DEFAULT/tuf/timestamp.json");
  hub_->AtHub(full_).status = 503;
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2029")) << said_;
  hub_->AtHub(full_).status = 200;
  EXPECT_EQ(RunOnce(), 10) << said_;
}

// --- Help ---

TEST_F(Commands, HelpOfACommandIsItsOwnPageWithExamplesAndKnownOptions) {
  ASSERT_EQ(Tilld({"--help"}), 0);
  const std::string whole = said_;
  size_t bytes = 0;
  for (const std::string command :
       {"run", "status", "why", "doctor", "lock", "consent", "install", "config", "provision", "adopt", "simulate"}) {
    EXPECT_NE(whole.find("\n  tilld " + command), std::string::npos) << command << " is not listed";
    ASSERT_EQ(Tilld({command, "--help"}), 0) << command;
    const std::string page = said_;
    EXPECT_TRUE(page.starts_with("tilld " + command)) << page;
    EXPECT_NE(page.find("\n  tilld " + command + " ", page.find("\nexample")), std::string::npos) << page;
    bytes += page.size();
    for (size_t at = page.find("--"); at != std::string::npos; at = page.find("--", at + 2)) {
      const std::string option = page.substr(at, page.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at) - at);
      if (option == "--" || option == "--state") continue;  // of lock; of till-boot
      Tilld({option});
      EXPECT_FALSE(Said("unrecognized option")) << option << " on the page of " << command;
    }
  }
  EXPECT_LT(bytes, 8192u) << "it is flash";
  ASSERT_EQ(Tilld({"--help", "lock"}), 0);
  EXPECT_TRUE(said_.starts_with("tilld lock")) << said_;
  EXPECT_EQ(Tilld({"lick", "--help"}), 2);
  EXPECT_TRUE(Said("error T2001")) << said_;
  ASSERT_EQ(Tilld({"--version"}), 0);
  EXPECT_TRUE(said_.starts_with("tilld 0.")) << said_;
}

// --- A lock ---

TEST_F(Commands, AHeldLockShowsInStatusAndWhy) {
  EXPECT_EQ(RunOnce(), 0) << said_;
  EXPECT_EQ(Tilld({"lock", "--reason", "sale", "--max", "15m"}), 0);
  for (const char* command : {"status", "why"}) {
    const json::Value locks = Ask(command)["locks"];
    ASSERT_EQ(locks.items().size(), 1u) << command << said_;
    EXPECT_EQ(locks.items()[0]["reason"].AsString(), "sale");
    EXPECT_GT(locks.items()[0]["left_s"].AsInteger(), 800);
    EXPECT_EQ(Tilld({command}), 0);
    EXPECT_TRUE(Said("sale")) << command << said_;
  }
  EXPECT_FALSE(Said("nothing went wrong")) << said_;
  EXPECT_EQ(Tilld({"lock", "--release", "--reason", "sale"}), 0);
  EXPECT_TRUE(Ask("why")["locks"].items().empty());
}

TEST_F(Commands, ALockAboveThePolicySaysThatItIsCut) {
  terminal_->Set("lock_max_s = 600");
  EXPECT_EQ(Tilld({"lock", "--reason", "sale", "--max", "2h"}), 0);
  EXPECT_TRUE(Said("wanted_s=7200 allowed_s=600")) << said_;
  EXPECT_EQ(Tilld({"lock", "--reason", "sale", "--max", "2h", "--json"}), 0);
  const auto lock = json::Parse(said_.substr(said_.find("{\"")));
  ASSERT_TRUE(lock.ok()) << said_;
  EXPECT_EQ((*lock)["cut_from_s"].AsInteger(), 7200);
  EXPECT_LE((*lock)["left_s"].AsInteger(), 600);
  EXPECT_EQ(Tilld({"lock", "--reason", "sale", "--max", "10m", "--json"}), 0);
  EXPECT_FALSE(Said("cut_from_s") || Said("wanted_s")) << said_;
}

// --- Trust, before an update needs it ---

class TrustCommands : public Commands {
 protected:
  void SetUp() override {
    Commands::SetUp();
    std::filesystem::create_directories(folder_ + "/other");
    other_ = std::make_unique<HubForTests>(folder_ + "/other");
    conf_ = terminal_->FileText("tilld.conf");
    Trusts(folder_ + "/t/root.json");
    terminal_->WriteHealthCheck("10-fine", "exit 0\n");
  }
  void Trusts(const std::string& root) {
    const size_t at = conf_.find("trusted_root = ");
    std::ofstream(terminal_->config_file(), std::ios::binary)
        << conf_.substr(0, at) << "trusted_root = " << root << "\n";
  }
  int Provision(std::vector<std::string> more) {
    more.insert(more.begin(), {"provision", "--root"});
    return Tilld(more);
  }

  std::unique_ptr<HubForTests> other_;
  std::string conf_;
};

TEST_F(TrustCommands, ProvisionRefusesARootOfAnotherRepositoryThanTheOneKept) {
  const std::string placed = folder_ + "/t/root.json";
  ASSERT_EQ(Provision({hub_->trusted_root_file()}), 0) << said_;
  const std::string before = ReadTextFile(placed).value();
  EXPECT_EQ(Provision({hub_->trusted_root_file()}), 0) << "again it changes nothing" << said_;
  EXPECT_EQ(Provision({other_->trusted_root_file()}), 1) << said_;
  EXPECT_TRUE(Said("error T2046") && Said("--replace-root")) << said_;
  EXPECT_EQ(ReadTextFile(placed).value(), before);
  EXPECT_EQ(ReadTextFile(folder_ + "/t/data/tuf/root.json").value(), before);
  EXPECT_EQ(RunOnce(), 0) << said_;
  // On purpose: both are replaced, and the new one is what counts.
  EXPECT_EQ(Provision({other_->trusted_root_file(), "--replace-root"}), 0) << said_;
  EXPECT_NE(ReadTextFile(placed).value(), before);
  EXPECT_EQ(ReadTextFile(folder_ + "/t/data/tuf/root.json").value(), ReadTextFile(placed).value());
  EXPECT_FALSE(FileExists(folder_ + "/t/data/tuf/timestamp.json")) << "what the old one proved";
  EXPECT_EQ(RunOnce(), 3) << "the hub is the old one's" << said_;
  EXPECT_EQ(RunOnce({"--set", "server=" + other_->url()}), 0) << said_;
}

TEST_F(TrustCommands, DoctorSaysWhetherTheHubsMetadataFollowsFromTheRoot) {
  ASSERT_EQ(Provision({hub_->trusted_root_file()}), 0) << said_;
  EXPECT_EQ(Doctor(), 0) << said_;
  EXPECT_TRUE(Said("follows from the trusted root: root 1, timestamp ")) << said_;
  EXPECT_EQ(Doctor({"--set", "server=" + other_->url()}), 1) << "it knows the terminal, but other keys sign" << said_;
  EXPECT_TRUE(Said("knows pos-1") && Said("FAIL T2013")) << said_;
  EXPECT_EQ(Doctor({"--set", "trusted_root=" + other_->trusted_root_file()}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2046")) << "a root that is not the one that counts" << said_;
  const std::string no_root = folder_ + "/t/no-root.json";
  std::ofstream(no_root) << "{}";
  EXPECT_EQ(Doctor({"--set", "trusted_root=" + no_root}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2013")) << said_;
}

TEST_F(TrustCommands, DoctorTellsExpiredMissingAndUnreachableApart) {
  ASSERT_EQ(Provision({hub_->trusted_root_file()}), 0) << said_;
  hub_->At("/DEFAULT/tuf/timestamp.json").status = 503;
  EXPECT_EQ(Doctor(), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2042")) << said_;
  hub_->Forget("/DEFAULT/tuf/timestamp.json");
  hub_->ServeNoMetadata();
  EXPECT_EQ(Doctor(), 0) << said_;
  EXPECT_TRUE(Said("release.tuf")) << said_;
  HubForTests late(folder_ + "/late", time(nullptr) - 30 * 86'400);
  late.PublishPayload("2.0.0", "", new_image_);
  late.Sign();
  ASSERT_EQ(Provision({late.trusted_root_file(), "--replace-root"}), 0) << said_;
  EXPECT_EQ(Doctor({"--set", "server=" + late.url()}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2044") && Said("renew")) << said_;
}

TEST_F(TrustCommands, DoctorAsksNobodyWhenOffline) {
  ASSERT_EQ(Provision({hub_->trusted_root_file()}), 0) << said_;
  const uint64_t before = hub_->requests();
  EXPECT_EQ(Doctor({"--offline", "--set", "server=http://127.0.0.1:1"}), 0) << said_;
  EXPECT_EQ(Doctor({"--offline"}), 0) << said_;
  EXPECT_EQ(hub_->requests(), before);
  EXPECT_EQ(Doctor({"--set", "server=http://127.0.0.1:1"}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2042")) << said_;
  EXPECT_EQ(Doctor({"--json", "--set", "server=http://127.0.0.1:1"}), 1) << said_;
  EXPECT_TRUE(Said("\"code\":\"T2042\"")) << said_;
}

}  // namespace
}  // namespace till::device
