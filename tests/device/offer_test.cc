// What a terminal is offered is checked, not only the server it is configured with: a link that leads nowhere, a host
// of a link that does not answer, a restart that does not come. `run --once` never ends with 0 without the thing done,
// and `why` and `doctor` name the very thing.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "tests/core/http/certificates.h"
#include "tests/device/commands_for_tests.h"

namespace till::device {
namespace {

constexpr char kBase[] = "/DEFAULT/controller/v1/pos-1";

class Offers : public CommandsTest {
 protected:
  void SetUp() override {
    CommandsTest::SetUp();
    terminal_->WriteHealthCheck("10-fine", "exit 0\n");
  }
  std::string Link() const { return hub_->url() + kBase + "/deploymentBase/1"; }
};

// --- Links ---

TEST_F(Offers, ALinkThatLeadsNowhereIsNamedAndEndsWithOne) {
  for (const int status : {404, 410, 403}) {
    hub_->Offer({.payload_path = full_});
    hub_->At(std::string(kBase) + "/deploymentBase/1").status = status;
    for (int again = 0; again < 2; again++) EXPECT_EQ(RunOnce(), 1) << status << said_;
    EXPECT_TRUE(Said("error T2047") && Said(Link()) && Said(std::to_string(status))) << said_;
    EXPECT_NE(Why().find("contact   T2047"), std::string::npos) << said_;
    EXPECT_TRUE(Said(Link())) << said_;
    EXPECT_EQ(Doctor(), 1) << said_;
    EXPECT_TRUE(Said("FAIL T2047") && Said(Link())) << said_;
  }
  hub_->Forget(std::string(kBase) + "/deploymentBase/1");
  EXPECT_EQ(RunOnce(), 10) << "once the link is mended the update goes on" << said_;
}

TEST_F(Offers, ALinkThatIsBusyIsTriedAgain) {
  hub_->Offer({.payload_path = full_});
  hub_->At(std::string(kBase) + "/deploymentBase/1").status = 503;
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2042") && Said(Link())) << said_;
}

TEST_F(Offers, TheHostOfALinkThatDoesNotAnswerIsNotTheServer) {
  hub_->Offer({.payload_path = full_});
  hub_->SetPublicUrl("http://127.0.0.1:1");
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2048") && Said("http://127.0.0.1:1" + std::string(kBase))) << said_;
  EXPECT_FALSE(Said("T2042")) << "the server did answer" << said_;
  EXPECT_EQ(Doctor(), 1) << said_;
  EXPECT_TRUE(Said("knows pos-1") && Said("FAIL T2048 ") && Said("http://127.0.0.1:1/")) << said_;
}

TEST_F(Offers, ACertificateOfALinksHostIsNotTheServers) {
  class : public http::Handler {
    void OnRequest(std::shared_ptr<http::Exchange> exchange) override {
      exchange->Respond(http::TextResponse(404, ""));
    }
  } handler;
  const http::Certificates certificates;
  http::ServerOptions options;
  options.loops = 1;
  options.tls_cert_file = certificates.Cert("server");
  options.tls_key_file = certificates.Key("server");
  const auto elsewhere = http::Server::Start(options, handler);
  ASSERT_TRUE(elsewhere.ok());
  hub_->Offer({.payload_path = full_});
  hub_->SetPublicUrl("https://127.0.0.1:" + std::to_string((*elsewhere)->port()));
  EXPECT_EQ(RunOnce({"--set", "ca_file=" + certificates.Cert("other")}), 3) << said_;
  EXPECT_TRUE(Said("error T2049") && Said(hub_->url())) << said_;
}

TEST_F(Offers, EverySourceThatDoesNotDeliverIsNamed) {
  hub_->Offer({.payload_path = full_, .mirrors = hub_->url() + "/m1 http://127.0.0.1:1/m2"});
  hub_->AtHub(full_).status = 404;
  EXPECT_EQ(RunOnce(), 75) << "one of them may come back" << said_;
  EXPECT_TRUE(Said("error T2029") && Said(hub_->url() + "/m1/a/") && Said("http://127.0.0.1:1/m2/a/")) << said_;
  EXPECT_TRUE(Said("404")) << said_;
  EXPECT_NE(Why().find("T2029"), std::string::npos) << said_;
  EXPECT_TRUE(Said("http://127.0.0.1:1/m2/a/")) << said_;
  EXPECT_EQ(Doctor(), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2047") && Said("FAIL T2048 ") && Said("http://127.0.0.1:1/m2/a/")) << said_;
  // When all of them lead nowhere no later try will do.
  hub_->Offer({.payload_path = full_, .mirrors = hub_->url() + "/m1"});
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2047") && Said("/m1/a/")) << said_;
}

TEST_F(Offers, ChunksThatLeadNowhereAreNamed) {
  const std::string chunks = hub_->PublishChunks("2.0.0", new_image_);
  hub_->Sign();
  hub_->Offer({.payload_path = chunks, .fallback = "full"});
  hub_->AtHub(chunks).status = 404;
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2047") && Said(hub_->url())) << said_;
}

TEST_F(Offers, TheCancelLinkIsALinkToo) {
  hub_->Cancel("7");
  hub_->At(std::string(kBase) + "/cancelAction/7").status = 404;
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2047") && Said("/cancelAction/7")) << said_;
}

TEST_F(Offers, MetadataThatLeadsNowhereIsNamed) {
  hub_->Offer({.payload_path = full_});
  hub_->ServeNoMetadata();
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2045") && Said(hub_->url() + "/DEFAULT/tuf/timestamp.json")) << said_;
}

TEST_F(Offers, AnUpdateThatIsRefusedDoesNotEndWithZero) {
  terminal_->Set("arena = 256KiB");
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce({"--set", "board=acme,pos-9"}), 1) << said_;
  EXPECT_TRUE(Said("error T2015") && Said("acme,pos-9")) << said_;
  EXPECT_EQ(RunOnce(), 0) << "it was answered: there is nothing to do" << said_;
}

TEST_F(Offers, WhoWaitsSaysSo) {
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(Tilld({"lock", "--reason", "sale"}), 0);
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2050") && Said("lock: sale")) << said_;
  EXPECT_EQ(Tilld({"lock", "--release", "--reason", "sale"}), 0);
  EXPECT_EQ(RunOnce(), 10) << said_;
}

TEST_F(Offers, NoServerSpeaksTlsToPlainHttpWithoutAWord) {
  class : public http::Handler {
    void OnRequest(std::shared_ptr<http::Exchange>) override {}
  } handler;
  const http::Certificates certificates;
  http::ServerOptions options;
  options.loops = 1;
  options.tls_cert_file = certificates.Cert("server");
  options.tls_key_file = certificates.Key("server");
  const auto tls = http::Server::Start(options, handler);
  ASSERT_TRUE(tls.ok());
  EXPECT_NE(RunOnce({"--set", "server=http://127.0.0.1:" + std::to_string((*tls)->port())}), 0) << said_;
  EXPECT_TRUE(Said("https://")) << said_;
  EXPECT_EQ(RunOnce({"--set", "server=http://no-such-host.invalid"}), 75) << said_;
  EXPECT_TRUE(Said("name is not known")) << said_;
}

// --- The restart ---

TEST_F(Offers, ARestartProgramThatIsNotThereIsToldBeforeTheFirstByte) {
  terminal_->Set("reboot = /sbin/no-such-program now");
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2058") && Said("/sbin/no-such-program")) << said_;
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2058")) << "the hub waits for nobody: " << hub_->Outcome("1");
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
  EXPECT_EQ(Doctor(), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2058")) << said_;
  EXPECT_EQ(Doctor({"--set", "reboot=no-such-program"}), 1) << "by PATH too" << said_;
  EXPECT_TRUE(Said("FAIL T2058")) << said_;
  EXPECT_EQ(Doctor({"--set", "reboot=true"}), 0) << said_;
}

TEST_F(Offers, ARestartThatFailsIsToldToTheHubAndEndsWithOne) {
  terminal_->Set("reboot = false");
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2030") && Said("false ended with 1")) << said_;
  bool heard = false;
  for (const Heard& h : hub_->heard()) heard = heard || h.detail.find("T2030") != std::string::npos;
  EXPECT_TRUE(heard) << "the hub waits for it";
}

// --- Slots ---

TEST_F(Offers, ASlotThatCannotBeOpenedIsNamed) {
  const std::string slot = folder_ + "/t/slot-a";
  std::filesystem::rename(slot, slot + ".away");
  EXPECT_EQ(RunOnce(), 1) << "though nothing is offered" << said_;
  EXPECT_TRUE(Said("error T2008") && Said("slot a of rootfs, " + slot)) << said_;
  EXPECT_EQ(Doctor(), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2008") && Said(slot)) << said_;
  std::filesystem::rename(slot + ".away", slot);
  std::filesystem::remove(folder_ + "/t/slot-b");
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2008") && Said("slot b of rootfs")) << said_;
}

// --- Health ---

TEST_F(Offers, AnImageThatNoCheckHasSeenGoesBack) {
  std::filesystem::remove(folder_ + "/t/health.d/10-fine");
  std::string conf = terminal_->FileText("tilld.conf");
  const std::string without = "health_required = no\n";  // then it is auto, and a health_dir is set
  conf.erase(conf.find(without), without.size());
  std::ofstream(terminal_->config_file(), std::ios::binary) << conf;
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(terminal_->BootAndRun().status, 10);
  EXPECT_EQ(terminal_->BootAndRun().status, 10) << "the old one comes back";
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: health: no check in ")) << hub_->Outcome("1");
}

TEST_F(Offers, WhatWentWrongIsOverWhenALaterUpdateWentWell) {
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce({"--set", "board=acme,pos-9"}), 1) << said_;
  EXPECT_NE(Why().find("failed    T2015"), std::string::npos) << said_;
  hub_->Offer({.action = "2", .payload_path = full_});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("2"), "success");
  EXPECT_EQ(Why().find("T2015"), std::string::npos) << said_;
}

// --- Bytes ---

TEST_F(Offers, EveryByteOfTheMonthIsCountedWithoutABudgetToo) {
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 10) << said_;
  EXPECT_GE(Ask("status")["month_bytes"].AsInteger(), static_cast<int64_t>(hub_->payload(full_).size())) << said_;
}

// --- A medium ---

class Sticks : public Offers {
 protected:
  void SetUp() override {
    Offers::SetUp();
    stick_ = folder_ + "/stick";
    std::filesystem::create_directories(stick_ + "/2.0.0");
    std::ofstream(Payload(), std::ios::binary) << hub_->payload(full_);
  }
  std::string Payload() const { return stick_ + "/2.0.0/rootfs.full.till"; }
  void CopyMetadata() {
    std::filesystem::copy(folder_ + "/tuf", stick_ + "/tuf", std::filesystem::copy_options::recursive);
  }
  int Install(const std::string& what = "") {
    return Tilld({"install", what.empty() ? stick_ + "/2.0.0" : what, "--running-slot", "a"});
  }
  std::string stick_;
};

TEST_F(Sticks, WithoutMetadataItIsRefused) {
  EXPECT_EQ(Install(), 1) << said_;
  EXPECT_TRUE(Said("error T2035") && Said("signed metadata")) << said_;
  const std::string tar = folder_ + "/only.tar";
  ASSERT_EQ(std::system(("tar -C " + stick_ + " -cf " + tar + " 2.0.0").c_str()), 0);  // tidy: allow(system) real tar
  EXPECT_EQ(Install(tar), 1) << said_;
  EXPECT_TRUE(Said("error T2035")) << said_;
  CopyMetadata();
  for (const auto& entry : std::filesystem::directory_iterator(stick_ + "/tuf")) {
    const std::string name = entry.path().filename();
    if (name.find("targets") != std::string::npos) std::filesystem::remove(entry.path());
  }
  EXPECT_EQ(Install(), 1) << "half of it is none" << said_;
  EXPECT_TRUE(Said("error T20")) << said_;
}

TEST_F(Sticks, WhatIsNoReleaseIsRefused) {
  std::ofstream(folder_ + "/garbage") << std::string(3000, 'x');
  std::ofstream(folder_ + "/empty");
  std::ofstream(folder_ + "/empty.tar") << std::string(10240, '\0');
  CopyMetadata();
  std::filesystem::remove_all(stick_ + "/2.0.0");
  for (const std::string& what : {folder_ + "/garbage", folder_ + "/empty", folder_ + "/empty.tar", stick_,
                                  stick_ + "/tuf/timestamp.json", folder_ + "/nothing"}) {
    EXPECT_EQ(Install(what), 1) << what << said_;
    EXPECT_TRUE(Said("error T2035") && Said(what)) << said_;
  }
}

TEST_F(Sticks, OfAnotherBoardAreRefusedEachTime) {
  CopyMetadata();
  for (int again = 0; again < 2; again++) {
    EXPECT_EQ(Tilld({"install", stick_ + "/2.0.0", "--running-slot", "a", "--set", "board=acme,pos-9"}), 1) << said_;
    EXPECT_TRUE(Said("error T2015")) << said_;
  }
  EXPECT_EQ(Tilld({"install", stick_ + "/2.0.0", "--running-slot", "a", "--set", "product=kiosk"}), 1) << said_;
  EXPECT_TRUE(Said("error T2016")) << said_;
}

TEST_F(Sticks, ADamagedFileIsToldAndTheRestIsTaken) {
  CopyMetadata();
  const std::string delta = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  hub_->Sign();
  std::filesystem::remove_all(stick_ + "/tuf");
  CopyMetadata();
  std::ofstream(stick_ + "/2.0.0/release.json")
      << "{\"components\":[{\"payloads\":[{\"file\":\"rootfs.full.till\",\"sha256\":\"" << hub_->PayloadHash(full_)
      << "\"},{\"file\":\"rootfs.from-1.till\",\"sha256\":\"" << hub_->PayloadHash(delta) << "\"}]}]}";
  std::ofstream(stick_ + "/2.0.0/rootfs.from-1.till", std::ios::binary) << hub_->payload(delta).substr(1);
  EXPECT_EQ(Install(), 10) << said_;
  EXPECT_TRUE(Said("error T2054") && Said("rootfs.from-1.till")) << "the delta became the full payload" << said_;
  std::string bytes = hub_->payload(full_);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(Payload(), std::ios::binary) << bytes;
  EXPECT_EQ(Install(), 1) << said_;
  EXPECT_TRUE(Said("error T2054") && Said("rootfs.full.till")) << said_;
  EXPECT_FALSE(Said("T2014")) << "damaged is not strange" << said_;
}

TEST_F(Sticks, WhatRunsAlreadyIsSaidAndNoServerAnswersAgain) {
  CopyMetadata();
  EXPECT_EQ(RunOnce({"--set", "server=http://127.0.0.1:1"}), 75) << said_;
  EXPECT_EQ(Tilld({"install", stick_ + "/2.0.0", "--running-slot", "a", "--set", "board=acme,pos-9"}), 1) << said_;
  EXPECT_NE(Why().find("contact   T2042"), std::string::npos) << "a stick is no server" << said_;
  EXPECT_EQ(Install(), 10) << said_;
  EXPECT_NE(Why().find("contact   T2042"), std::string::npos) << "a stick is no server" << said_;
  EXPECT_FALSE(Said("answers again"));
  terminal_->BootUntilItRests();
  EXPECT_EQ(Tilld({"install", stick_ + "/2.0.0", "--running-slot", "b"}), 0) << said_;
  EXPECT_TRUE(Said("runs already: 2.0.0")) << said_;
}

}  // namespace
}  // namespace till::device
