// till-boot and till-bootctl as processes: what a script sees.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "bootloader/boot_file.h"

namespace {

struct Outcome {
  int status;
  std::string output;
};

// Arguments come from this file only.
Outcome Shell(const std::string& command) {
  FILE* pipe = popen((std::string(TILL_BIN_DIR "/") + command + " 2>&1").c_str(), "r");
  Outcome outcome{-1, ""};
  char buffer[512];
  while (const size_t got = fread(buffer, 1, sizeof(buffer), pipe)) outcome.output.append(buffer, got);
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

class BootPrograms : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/till-boot-test-XXXXXX";
    folder_ = mkdtemp(pattern);
    state_ = " --state " + folder_ + "/state";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void WriteSlot(const char* name, const std::string& bytes) { std::ofstream(folder_ + "/" + name) << bytes; }
  std::string SlotFiles() const { return " --slot-a " + folder_ + "/a --slot-b " + folder_ + "/b"; }

  std::string folder_, state_;
};

TEST_F(BootPrograms, TryASlotAsOftenAsAllowedAndFallBack) {
  ASSERT_EQ(Shell("till-bootctl init" + state_ + " --image-version 1.4.2").status, 0);
  EXPECT_EQ(Shell("till-boot select" + state_).output, "a\n");
  ASSERT_EQ(Shell("till-bootctl try" + state_ + " --slot b --image-version 1.5.0 --tries 2").status, 0);
  EXPECT_EQ(Shell("till-boot select" + state_).output, "b\n");
  EXPECT_EQ(Shell("till-boot select" + state_).output, "b\n");
  const Outcome last = Shell("till-boot select --json" + state_);
  EXPECT_EQ(last.output,
            "{\"slot\":\"a\",\"trial\":false,\"tries_left\":0,\"failed\":\"b\",\"reason\":\"tries used up\"}\n");
}

TEST_F(BootPrograms, ConfirmASlot) {
  ASSERT_EQ(Shell("till-bootctl init" + state_).status, 0);
  ASSERT_EQ(Shell("till-bootctl try --slot b --index 3" + state_).status, 0);
  ASSERT_EQ(Shell("till-bootctl confirm --slot b --floor 2" + state_).status, 0);
  EXPECT_EQ(Shell("till-boot select" + state_).output, "b\n");
  const Outcome show = Shell("till-bootctl show --json" + state_);
  EXPECT_NE(show.output.find("\"stable\":\"b\""), std::string::npos) << show.output;
  EXPECT_NE(show.output.find("\"floor\":2"), std::string::npos) << show.output;
  EXPECT_EQ(Shell("till-bootctl confirm --slot b" + state_).status, 1) << "there is no trial any more";
}

TEST_F(BootPrograms, RejectAnErasedSlot) {
  WriteSlot("a", "hsqs old image");
  WriteSlot("b", std::string(4096, '\xff'));
  ASSERT_EQ(Shell("till-bootctl init" + state_).status, 0);
  ASSERT_EQ(Shell("till-bootctl try --slot b" + state_).status, 0);
  EXPECT_EQ(Shell("till-boot select" + state_ + SlotFiles()).output, "a\n");
  const auto read = till::bootloader::ReadStateFile(folder_ + "/state");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->record.failed_reason, TILL_BOOT_REASON_IMAGE);
  WriteSlot("a", std::string(4096, '\0'));
  const Outcome none = Shell("till-boot select" + state_ + SlotFiles());
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.output.find("T6004"), std::string::npos) << none.output;
}

TEST_F(BootPrograms, SayWhatIsWrong) {
  const Outcome missing = Shell("till-boot select" + state_);
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.output.find("T6001"), std::string::npos) << missing.output;
  EXPECT_EQ(Shell("till-boot").status, 2);
  EXPECT_EQ(Shell("till-boot select --unknown").status, 2);
  EXPECT_EQ(Shell("till-bootctl try" + state_).status, 2);
  EXPECT_EQ(Shell("till-bootctl init --index x" + state_).status, 2);
  WriteSlot("state", "rubbish");
  const Outcome lost = Shell("till-boot select" + state_);
  EXPECT_EQ(lost.status, 0) << "a terminal whose record is lost still boots";
  EXPECT_NE(lost.output.find("T6002"), std::string::npos) << lost.output;
  EXPECT_NE(lost.output.find("a\n"), std::string::npos) << lost.output;
  EXPECT_EQ(Shell("till-bootctl show" + state_).status, 1);
  EXPECT_EQ(Shell("till-boot --help").status, 0);
  EXPECT_EQ(Shell("till-bootctl --help").status, 0);
}

}  // namespace
