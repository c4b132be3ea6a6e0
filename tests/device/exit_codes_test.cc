// docs/exit-codes-terminal.md, row by row: each command once for its 0 and once for what ends it otherwise, and no
// status that its row does not list.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/text.h"
#include "tests/device/commands_for_tests.h"

namespace till::device {
namespace {

// By command: the third column.
std::map<std::string, std::string> Rows() {
  std::ifstream page(TILL_SOURCE_DIR "/docs/exit-codes-terminal.md");
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    const auto cells = Split(line, '|');
    if (cells.size() != 5) ADD_FAILURE() << "not three columns: " << line;
    const std::string_view command = Trim(cells[1]);
    rows[std::string(command.substr(1, command.size() - 2))] = std::string(cells[3]);
  }
  return rows;
}

bool Lists(const std::string& cell, int status) {
  const std::string number = std::to_string(status);
  for (size_t at = cell.find(number); at != std::string::npos; at = cell.find(number, at + 1)) {
    const bool begins = at == 0 || !isalnum(static_cast<unsigned char>(cell[at - 1]));
    const size_t end = at + number.size();
    if (begins && (end == cell.size() || !isalnum(static_cast<unsigned char>(cell[end])))) return true;
  }
  return false;
}

// A restart that takes tilld along, as a real one does.
constexpr char kStops[] = "reboot=kill -TERM $PPID";

class ExitCodes : public CommandsTest {
 protected:
  void SetUp() override {
    CommandsTest::SetUp();
    terminal_->WriteHealthCheck("10-fine", "exit 0\n");
  }
  // The row's command ends as it is told, and its row says so.
  void Row(const std::string& command, int status, const std::vector<std::string>& words) {
    Ended(command, status, Tilld(words));
  }
  void Other(const std::string& command, int status, const std::string& words) {
    FILE* pipe = popen((std::string(TILL_BIN_DIR "/") + words + " 2>&1").c_str(), "r");
    said_.clear();
    char buffer[512];
    while (const size_t got = fread(buffer, 1, sizeof buffer, pipe)) said_.append(buffer, got);
    Ended(command, status, WEXITSTATUS(pclose(pipe)));
  }
  void Ended(const std::string& command, int wanted, int status) {
    EXPECT_EQ(status, wanted) << command << ": " << said_;
    const auto row = rows_.find(command);
    ASSERT_NE(row, rows_.end()) << "no row for " << command;
    EXPECT_TRUE(status == 0 || Lists(row->second, status)) << command << " does not list " << status;
    seen_.insert({command, status == 0});
  }
  void Renew(const std::string& name) {
    terminal_ = std::make_unique<TerminalForTests>(folder_ + "/" + name, *hub_, old_image_, "1.0.0");
    terminal_->WriteHealthCheck("10-fine", "exit 0\n");
  }
  void LooksAndAnswers();
  void Updates();
  void BootPrograms();
  void Apply();

  std::map<std::string, std::string> rows_ = Rows();
  std::set<std::pair<std::string, bool>> seen_;
};

void ExitCodes::LooksAndAnswers() {
  Row("tilld status", 1, {"status"});
  Row("tilld why", 1, {"why"});
  Row("tilld why --bundle", 1, {"why", "--bundle"});
  Row("tilld consent", 1, {"consent", "yes"});
  Row("tilld adopt", 2, {"adopt"});
  Row("tilld adopt", 0,
      {"adopt", "--image-version", "1.0.0", "--length", std::to_string(old_image_.size()), "--rollback-index", "1"});
  Row("tilld adopt", 1, {"adopt", "--image-version", "1", "--set", "slot_a=/no/such/slot"});
  Row("tilld provision", 0, {"provision", "--root", hub_->trusted_root_file()});
  Row("tilld provision", 1, {"provision", "--root", "/no/such/root"});
  Row("tilld provision", 2, {"provision", "--set", "controller_id="});
  Row("tilld config show", 0, {"config", "show"});
  Row("tilld config show", 2, {"config", "show", "--set", "tries=many"});
  Row("tilld doctor", 0, {"doctor", "--running-slot", "a"});
  Row("tilld doctor", 1, {"doctor", "--running-slot", "a", "--set", "server=http://127.0.0.1:1"});
  Row("tilld run --once", 0, {"run", "--once", "--running-slot", "a"});
  EXPECT_TRUE(Said("nothing to do")) << said_;
  Row("tilld run --once", 75, {"run", "--once", "--running-slot", "a", "--set", "server=http://127.0.0.1:1"});
  Row("tilld run --once", 2, {"run", "--once", "--running-slot", "a", "--set", "server="});
  Row("tilld status", 0, {"status"});
  Row("tilld why", 0, {"why"});
  Row("tilld lock", 0, {"lock"});
  Row("tilld lock", 2, {"lock", "--max", "never"});
  Row("tilld lock --release", 0, {"lock", "--release"});
  Row("tilld lock --release", 1, {"lock", "--release"});
  Row("tilld lock -- COMMAND", 0, {"lock", "--", "/bin/true"});
  Row("tilld lock -- COMMAND", 127, {"lock", "--", "/no/such/command"});
}

void ExitCodes::Updates() {
  const std::string out = folder_ + "/out";
  std::filesystem::create_directories(out + "/2.0.0");
  std::ofstream(out + "/2.0.0/rootfs.full.till", std::ios::binary) << hub_->payload(full_);
  Row("tilld install", 2, {"install"});
  Row("tilld install", 1, {"install", out + "/2.0.0", "--running-slot", "a"});
  std::filesystem::copy(folder_ + "/tuf", out + "/tuf", std::filesystem::copy_options::recursive);
  hub_->Offer({.payload_path = full_});
  Row("tilld run --once", 1, {"run", "--once", "--running-slot", "a", "--set", "board=acme,pos-9"});
  Row("tilld why --bundle", 0, {"why", "--bundle"});
  hub_->Offer({.action = "2", .payload_path = full_});
  Row("tilld simulate", 2, {"simulate"});
  Row("tilld simulate", 10, {"simulate", "--cut-power-at", "60%", "--running-slot", "a"});
  Renew("cut");
  Row("tilld simulate", 1, {"simulate", "--cut-power-at", "60%", "--running-slot", "a", "--set", "reboot=false"});
  Renew("cut-well");
  Row("tilld simulate", 0, {"simulate", "--cut-power-at", "60%", "--running-slot", "a", "--set", kStops});
  Renew("asked");
  Row("tilld run --once", 75, {"run", "--once", "--running-slot", "a", "--set", "consent=ask"});
  Row("tilld consent", 0, {"consent", "yes", "--set", "consent=ask"});
  Renew("stopped");
  Row("tilld run", 2, {"run", "--set", "server="});
  Row("tilld run", 0, {"run", "--running-slot", "a", "--set", kStops});
  Renew("restarted");
  Row("tilld run", 10, {"run", "--running-slot", "a"});
  terminal_->BootUntilItRests();
  Row("tilld install", 0, {"install", out + "/2.0.0", "--running-slot", "b"});
  EXPECT_TRUE(Said("runs already")) << said_;
  Renew("from-a-stick");
  Row("tilld install", 10, {"install", out + "/2.0.0", "--running-slot", "a"});
}

void ExitCodes::BootPrograms() {
  const std::string state = " --state " + folder_ + "/state";
  const std::string nowhere = " --state " + folder_ + "/no/such/state";
  Other("till-boot select", 1, "till-boot select" + state);
  Other("till-boot select", 2, "till-boot");
  Other("till-bootctl init", 1, "till-bootctl init" + nowhere);
  Other("till-bootctl init", 0, "till-bootctl init --image-version 1" + state);
  Other("till-boot select", 0, "till-boot select" + state);
  Other("till-bootctl show", 0, "till-bootctl show" + state);
  Other("till-bootctl show", 1, "till-bootctl show" + nowhere);
  Other("till-bootctl confirm", 1, "till-bootctl confirm --slot b" + state);
  Other("till-bootctl fail", 1, "till-bootctl fail --slot b" + state);
  Other("till-bootctl try", 1, "till-bootctl try --slot a" + state);
  Other("till-bootctl try", 0, "till-bootctl try --slot b" + state);
  Other("till-bootctl confirm", 0, "till-bootctl confirm --slot b" + state);
  Other("till-bootctl try", 0, "till-bootctl try --slot a" + state);
  Other("till-bootctl fail", 0, "till-bootctl fail --slot a" + state);
  Other("till-bootctl fail", 2, "till-bootctl fail" + state);
}

void ExitCodes::Apply() {
  const std::string payload = folder_ + "/payload", delta = folder_ + "/delta", base = folder_ + "/base";
  std::ofstream(payload, std::ios::binary) << hub_->payload(full_);
  std::ofstream(delta, std::ios::binary) << hub_->payload(hub_->PublishPayload("2.0.0", old_image_, new_image_));
  std::ofstream(base, std::ios::binary) << new_image_;
  Other("till-apply", 0, "till-apply --payload " + payload + " --out " + folder_ + "/image");
  Other("till-apply", 1, "till-apply --payload " + payload + " --out /no/such/folder/image");
  Other("till-apply", 2, "till-apply --payload " + payload);
  Other("till-apply", 3, "till-apply --base " + base + " --payload " + delta + " --out " + folder_ + "/image");
  Other("till-apply", 4, "till-apply --max-memory 1KiB --payload " + payload + " --out " + folder_ + "/image");
}

TEST_F(ExitCodes, AreWhatThePageSays) {
  LooksAndAnswers();
  Updates();
  BootPrograms();
  Apply();
  ASSERT_GE(rows_.size(), 20u);
  for (const auto& [command, cell] : rows_) {
    for (const bool good : {true, false}) EXPECT_TRUE(seen_.contains({command, good})) << command << ": " << good;
  }
}

}  // namespace
}  // namespace till::device
