#include "tests/device/terminal_for_tests.h"

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "core/text.h"

extern char** environ;

namespace till::device {
namespace {

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

void Spill(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

int Spawn(const std::vector<std::string>& arguments, const std::string& output_file) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_addopen(&actions, 2, output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, pointers[0], &actions, nullptr, pointers.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string ImageForTests(unsigned version, size_t bytes) {
  std::mt19937 words(7);  // the same words in each version
  std::mt19937 changes(version);
  std::string image = "hsqs version " + std::to_string(version) + "\n";
  while (image.size() < bytes) {
    for (int i = 0; i < 512; i++) image += static_cast<char>(words());
    if (changes() % 16 == 0) image += "changed in " + std::to_string(changes()) + "\n";
  }
  image.resize(bytes);
  return image;
}

TerminalForTests::TerminalForTests(const std::string& folder, const HubForTests& hub, const std::string& image,
                                   const std::string& version, const std::string& trusted_root)
    : folder_(folder) {
  std::filesystem::create_directories(folder_ + "/health.d");
  Spill(folder_ + "/slot-a", image + std::string(kSlotBytes - image.size(), '\xff'));
  Spill(folder_ + "/slot-b", std::string(kSlotBytes, '\xff'));
  Spill(config_file(), "server = " + hub.url() + "\ncontroller_id = pos-1\ntoken = secret\nboard = acme,pos-100\n" +
                           "product = pos\nslot_a = " + folder_ + "/slot-a\nslot_b = " + folder_ + "/slot-b\n" +
                           "boot_state = " + folder_ + "/boot\ndata_dir = " + folder_ + "/data\nhealth_dir = " +
                           folder_ + "/health.d\nhealth_required = no\nhealth_deadline_s = 5\ntrusted_root = " +
                           (trusted_root.empty() ? hub.trusted_root_file() : trusted_root) + "\n");
  EXPECT_EQ(Spawn({TILL_BIN_DIR "/tilld", "adopt", "--config", config_file(), "--image-version", version, "--length",
                   std::to_string(image.size()), "--rollback-index", "1", "--log-json"},
                  folder_ + "/log"),
            0)
      << FileText("log");
}

char TerminalForTests::BootOnly() {
  const auto read = bootloader::ReadStateFile(folder_ + "/boot");
  EXPECT_TRUE(read.ok() && read->found);
  till_boot_decision decision;
  till_boot_decide(&*read, &decision);
  if (decision.changed) {
    EXPECT_TRUE(bootloader::WriteStateFile(folder_ + "/boot", *read, decision.record).ok());
  }
  running_ = decision.slot == 0 ? 'a' : 'b';
  return running_;
}

TerminalForTests::Ended TerminalForTests::RunAgain(const std::string& mode, uint64_t n) {
  const std::string count_file = folder_ + "/count";
  std::filesystem::remove(count_file);
  Ended ended;
  ended.status = Spawn({TILL_BIN_DIR "/../tests/agent_under_test", config_file(), std::string(1, running_), count_file,
                        mode, std::to_string(n)},
                       folder_ + "/log");
  const auto count = ParseUint(Slurp(count_file));
  if (count.ok()) ended.writes = *count;
  return ended;
}

TerminalForTests::Ended TerminalForTests::BootAndRun(const std::string& mode, uint64_t n) {
  BootOnly();
  return RunAgain(mode, n);
}

void TerminalForTests::BootUntilItRests(int most) {
  for (int boot = 0; boot < most; boot++) {
    const Ended ended = BootAndRun();
    if (ended.status == 0) return;
    ASSERT_EQ(ended.status, 10) << FileText("log");
  }
  FAIL() << "it never rests: " << FileText("log");
}

std::string TerminalForTests::SlotBytes(char slot) const { return Slurp(folder_ + "/slot-" + slot); }
bool TerminalForTests::Holds(char slot, const std::string& image) const { return SlotBytes(slot).starts_with(image); }
std::string TerminalForTests::FileText(const std::string& name) const { return Slurp(folder_ + "/" + name); }

till_boot_record TerminalForTests::Record() const {
  const auto read = bootloader::ReadStateFile(folder_ + "/boot");
  EXPECT_TRUE(read.ok() && read->found);
  return read->record;
}

void TerminalForTests::WriteScript(const std::string& path, const std::string& script) {
  std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + path).parent_path());
  Spill(folder_ + "/" + path, "#!/bin/sh\n" + script);
  chmod((folder_ + "/" + path).c_str(), 0755);
}

void TerminalForTests::WriteHealthCheck(const std::string& name, const std::string& script) {
  WriteScript("health.d/" + name, script);
}

void TerminalForTests::Set(const std::string& line) {
  std::ofstream(config_file(), std::ios::binary | std::ios::app) << line << "\n";
}

int TerminalForTests::Tilld(const std::vector<std::string>& words, std::string* output) {
  std::vector<std::string> arguments = {TILL_BIN_DIR "/tilld", "--config", config_file()};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const std::string file = folder_ + "/output";
  std::filesystem::remove(file);
  const int status = Spawn(arguments, file);
  if (output) *output = Slurp(file);
  return status;
}

void AgentTest::SetUp() {
  // In memory where there is such a folder: thousands of syncs are asked for, none of them is what is tested here.
  std::string pattern = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  pattern += "/till-agent-test-XXXXXX";
  folder_ = mkdtemp(pattern.data());
  hub_ = std::make_unique<HubForTests>(folder_);
  old_image_ = ImageForTests(1, 300'000);
  new_image_ = ImageForTests(2, 310'000);
  hub_->PublishImage("1.0.0", old_image_, 1);
  hub_->PublishImage("2.0.0", new_image_, 2);
}

void AgentTest::TearDown() {
  hub_.reset();
  std::filesystem::remove_all(folder_);
}

void AgentBehindTest::SetUp() {
  AgentTest::SetUp();
  full_ = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  terminal_ = std::make_unique<TerminalForTests>(folder_ + "/t", *hub_, old_image_, "1.0.0");
}

}  // namespace till::device
