// What the status file says of a lost server, and how often it is written.
#include "device/status.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json/json.h"
#include "device/faults.h"
#include "tests/support/hand_clock.h"
#include "tests/support/temp_folder.h"

namespace till::device {
namespace {

class StatusOnDisk : public testing::Test {
 protected:
  std::string path() const { return folder_.path() + "/status.json"; }
  // Whether this is written at all, which costs flash; the file is gone afterwards.
  bool Writes(StatusFile& file) const {
    file.Write(AgentState{}, 0, true);
    return unlink(path().c_str()) == 0;
  }

  TempFolder folder_;
  HandClock clock_;
};

TEST_F(StatusOnDisk, IsNotWrittenAgainWhileItSaysTheSame) {
  StatusFile file(path(), SlotId::kA, clock_);
  const Refusal away = Refuse(kServerAway, "the first cause");
  EXPECT_TRUE(Writes(file));
  for (int poll = 0; poll < 5; poll++) {
    file.SetContact(&away);
    EXPECT_EQ(Writes(file), poll == 0) << "a poll that fails as the last one did costs no flash";
    clock_.SleepMs(600'000);
  }
  clock_.SleepMs(600'000);
  EXPECT_TRUE(Writes(file)) << "once an hour it tells the time";
  EXPECT_TRUE(file.SetContact(nullptr));
  EXPECT_TRUE(Writes(file));
}

TEST_F(StatusOnDisk, TellsSinceWhenTheServerIsMissedAcrossCausesAndRestarts) {
  const Refusal away = Refuse(kServerAway, "the first cause");
  const Refusal other = Refuse(kServerCertificate, "another cause");
  const std::string since = FormatUtc(clock_.UnixMs() / 1000);
  {
    StatusFile file(path(), SlotId::kA, clock_);
    EXPECT_TRUE(file.SetContact(&away));
    EXPECT_FALSE(file.SetContact(&away)) << "no news";
    file.Write(AgentState{}, 0, true);
  }
  clock_.SleepMs(90'000);
  StatusFile file(path(), SlotId::kA, clock_);
  file.Recall();
  EXPECT_FALSE(file.SetContact(&away)) << "a restart forgets nothing";
  EXPECT_TRUE(file.SetContact(&other));
  file.Write(AgentState{}, 0, true);
  const auto status = json::Parse(ReadTextFile(path()).value());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ((*status)["contact"]["problem"].AsString(), other.Reason());
  EXPECT_EQ((*status)["contact"]["do"].AsString(), kServerCertificate.mend);
  EXPECT_EQ((*status)["contact"]["since"].AsString(), since) << "it is missed since then, whatever keeps it away now";
}

}  // namespace
}  // namespace till::device
