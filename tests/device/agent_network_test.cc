// A network that answers wrongly: portals, redirects, busy servers, cut and endless bodies. The agent comes to rest
// each time, writes nothing, asks no more often than it should, and finishes the update when the network is sound
// again.
#include <gtest/gtest.h>

#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

constexpr const char* kBase = "/DEFAULT/controller/v1/pos-1";

struct WrongAnswer {
  const char* name;
  int status;
  std::string body;
  uint64_t cut_after = UINT64_MAX;
};

const std::vector<WrongAnswer>& WrongAnswers() {
  static const std::vector<WrongAnswer> answers = {
      {"a portal's page", 200, "<html><body>Welcome to our guest network</body></html>"},
      {"nothing", 200, ""},
      {"no JSON", 200, "{\"config\":"},
      {"JSON of another kind", 200, "[1,2,3]"},
      {"zipped", 200, std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00", 8)},
      {"cut", 200, "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}}}", 10},
      {"endless", 200, std::string(1 << 20, ' ')},
      {"moved", 302, ""},
      {"too many requests", 429, ""},
      {"not now", 503, ""},
      {"broken", 500, ""},
      {"a teapot", 418, ""},
      {"not found", 404, ""},
  };
  return answers;
}

class Network : public AgentBehindTest {
 protected:
  void SetUp() override {
    AgentBehindTest::SetUp();
    hub_->Offer({.payload_path = full_});
  }
  // Everything at `path` is answered so, for one run.
  void RunAgainst(const std::string& path, const WrongAnswer& answer) {
    Served& served = hub_->At(path);
    served.bytes = answer.body;
    served.status = answer.status;
    served.cut_after = answer.cut_after;
    const uint64_t before = hub_->requests();
    const auto ended = terminal_->BootAndRun();
    EXPECT_EQ(ended.status, 0) << path << ": " << answer.name << terminal_->FileText("log");
    EXPECT_LE(hub_->requests() - before, 24u) << path << ": " << answer.name << ": a tight loop";
    EXPECT_EQ(terminal_->Record().trial, TILL_BOOT_NO_SLOT) << path << ": " << answer.name;
    hub_->Forget(path);
  }
};

// covers F10
TEST_F(Network, WithWrongAnswersCostsTimeAndNothingElse) {
  const std::string spare = terminal_->SlotBytes('b');
  for (const char* path : {"", "/deploymentBase/1"}) {
    for (const WrongAnswer& answer : WrongAnswers()) {
      RunAgainst(kBase + std::string(path), answer);
      EXPECT_TRUE(terminal_->SlotBytes('b') == spare) << path << ": " << answer.name;
    }
  }
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << terminal_->FileText("log");
}

// Trust refuses for good only what is signed wrongly; what is no metadata at all is the network's.
// covers F10
TEST_F(Network, WithWrongMetadataInstallsNothing) {
  const std::string spare = terminal_->SlotBytes('b');
  int number = 1;
  for (const WrongAnswer& answer : WrongAnswers()) {
    const std::string action = std::to_string(++number);
    hub_->Offer({.action = action, .payload_path = full_});
    RunAgainst("/DEFAULT/tuf/timestamp.json", answer);
    EXPECT_TRUE(terminal_->SlotBytes('b') == spare) << answer.name;
  }
  hub_->Offer({.action = "99", .payload_path = full_});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("99"), "success") << terminal_->FileText("log");
}

// A portal in the payload's place costs its bytes and is not taken for the payload.
// covers F10 F11
TEST_F(Network, WithWrongPayloadBytesGoesOnWhenTheyAreRight) {
  for (const WrongAnswer& answer : WrongAnswers()) {
    if (answer.status == 200) continue;  // wrong bytes from the only source are refused: see T2023
    const std::string good = hub_->payload(full_);
    Served& served = hub_->AtHub(full_);
    served.status = answer.status;
    EXPECT_EQ(terminal_->BootAndRun().status, 0) << answer.name << terminal_->FileText("log");
    EXPECT_EQ(terminal_->Record().trial, TILL_BOOT_NO_SLOT) << answer.name;
    served.status = 200;
  }
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << terminal_->FileText("log");
}

// covers F09
TEST_F(Network, LostAgainAndAgainIsTakenUpWhereItBroke) {
  for (const uint64_t cut_after : {uint64_t{5'000}, uint64_t{17'000}, uint64_t{47'000}, uint64_t{150'000}}) {
    const std::string action = std::to_string(cut_after);
    TerminalForTests terminal(folder_ + "/t" + action, *hub_, old_image_, "1.0.0");
    hub_->AtHub(full_).cut_after = cut_after;
    hub_->Offer({.action = action, .payload_path = full_});
    const uint64_t before = hub_->payload_bytes_sent();
    terminal.BootUntilItRests();
    EXPECT_EQ(hub_->Outcome(action), "success") << terminal.FileText("log");
    EXPECT_LE(hub_->payload_bytes_sent() - before, hub_->payload(full_).size()) << "not one byte twice";
  }
}

// covers F11
TEST_F(Network, ThatBringsNextToNothingIsLeftAloneForAWhile) {
  hub_->AtHub(full_).cut_after = 100;
  const uint64_t before = hub_->requests();
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_LE(hub_->requests() - before, 24u) << "a tight loop";
}

}  // namespace
}  // namespace till::device
