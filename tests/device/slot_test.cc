#include "device/slots/slot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/file.h"

namespace till::device {
namespace {

class SlotTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/till-slot-test-XXXXXX";
    folder_ = mkdtemp(pattern);
    running_ = folder_ + "/a";
    spare_ = folder_ + "/b";
    std::ofstream(running_) << std::string(100'000, 'a');
    std::ofstream(spare_) << std::string(100'000, 'b');
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_, running_, spare_;
};

TEST_F(SlotTest, WritesInOrderAndReadsBack) {
  auto slot = OpenSpareSlot(spare_, running_);
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ((*slot)->size(), 100'000u);
  ASSERT_TRUE((*slot)->BeginAt(10, 20).ok());
  ASSERT_TRUE((*slot)->Write(AsBytes("hello ")).ok());
  ASSERT_TRUE((*slot)->Write(AsBytes("slot")).ok());
  ASSERT_TRUE((*slot)->Sync().ok());
  EXPECT_EQ(ReadTextFile(spare_)->substr(8, 14), "bbhello slotbb");
}

TEST_F(SlotTest, IsNeverTheRunningOneUnderAnyName) {
  std::filesystem::create_symlink(running_, folder_ + "/symlink");
  std::filesystem::create_hard_link(running_, folder_ + "/hardlink");
  for (const std::string& name : {running_, folder_ + "/symlink", folder_ + "/hardlink",
                                  folder_ + "/../" + std::filesystem::path(folder_).filename().string() + "/a"}) {
    const auto slot = OpenSpareSlot(name, running_);
    ASSERT_FALSE(slot.ok()) << name;
    EXPECT_EQ(slot.error().code, ErrorCode::kRefused);
  }
}

TEST_F(SlotTest, HasAnEnd) {
  auto slot = OpenSpareSlot(spare_, running_);
  ASSERT_TRUE((*slot)->BeginAt(99'999, 100'000).ok());
  ASSERT_TRUE((*slot)->Write(AsBytes("x")).ok());
  EXPECT_EQ((*slot)->Write(AsBytes("y")).error().code, ErrorCode::kLimit);
  EXPECT_EQ((*slot)->BeginAt(100'001, 100'001).error().code, ErrorCode::kLimit);
  EXPECT_EQ(ReadTextFile(spare_)->size(), 100'000u) << "the slot grew";
}

TEST_F(SlotTest, LeavesNothingBootableBehindAnErase) {
  auto slot = OpenSpareSlot(spare_, running_);
  ASSERT_TRUE((*slot)->Erase().ok());
  EXPECT_EQ(ReadTextFile(spare_)->substr(0, 64 << 10), std::string(64 << 10, '\xff'));
}

}  // namespace
}  // namespace till::device
