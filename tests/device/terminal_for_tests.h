// A terminal in a folder: two slots, a boot record, a configuration, and the boot code between two runs of the agent.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bootloader/boot_file.h"
#include "tests/device/hub_for_tests.h"

namespace till::device {

// Like a file system image: text that repeats with differences, not quite incompressible. Deterministic.
std::string ImageForTests(unsigned version, size_t bytes);

class TerminalForTests {
 public:
  static constexpr size_t kSlotBytes = 512 << 10;

  // A fresh terminal that runs `image` as `version` from slot a. `trusted_root` "": the hub's.
  TerminalForTests(const std::string& folder, const HubForTests& hub, const std::string& image,
                   const std::string& version, const std::string& trusted_root = "");

  struct Ended {
    int status = 0;  // exit status, or 128 + signal
    uint64_t writes = 0;
  };
  // The boot code chooses, then the agent runs once. `mode` and `n`: see agent_under_test.cc.
  Ended BootAndRun(const std::string& mode = "kill-before", uint64_t n = 0);
  // The agent once more without a restart in between.
  Ended RunAgain(const std::string& mode = "kill-before", uint64_t n = 0);
  // The boot code alone: the image comes up and nothing confirms it.
  char BootOnly();
  // Until the agent rests: at most `most` restarts.
  void BootUntilItRests(int most = 8);

  char running() const { return running_; }
  std::string SlotBytes(char slot) const;
  // Does the slot begin with this image?
  bool Holds(char slot, const std::string& image) const;
  till_boot_record Record() const;
  // One more line of tilld.conf.
  void Set(const std::string& line);
  // tilld COMMAND --config ...; `output` gets what it printed.
  int Tilld(const std::vector<std::string>& words, std::string* output = nullptr);
  void WriteScript(const std::string& path, const std::string& script);
  void WriteHealthCheck(const std::string& name, const std::string& script);
  std::string FileText(const std::string& name) const;
  const std::string& folder() const { return folder_; }
  std::string config_file() const { return folder_ + "/tilld.conf"; }

 private:
  std::string folder_;
  char running_ = 'a';
};

// A folder of its own, removed at the end; a hub; two releases.
class AgentTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string folder_;
  std::unique_ptr<HubForTests> hub_;
  std::string old_image_, new_image_;
};

// A terminal on 1.0.0, and 2.0.0 at the hub as a full payload.
class AgentBehindTest : public AgentTest {
 protected:
  void SetUp() override;

  std::string full_;  // the payload's path
  std::unique_ptr<TerminalForTests> terminal_;
};

}  // namespace till::device
