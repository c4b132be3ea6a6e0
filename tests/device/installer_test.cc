// The installer between what was checked and what is used: a base or a source that changes its mind in between.
#include "device/installer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/delta/craft.h"
#include "tests/device/memory_slot.h"

namespace till::device {
namespace {

using delta::testing::Craft;

// Serves the payload in pieces; piece number `lie_at` (counted over all requests) is another than it was.
class ChangingSource final : public PayloadFetcher {
 public:
  ChangingSource(const Bytes& file, uint64_t lie_at) : file_(file), lie_at_(lie_at) {}
  Result<int> Fetch(const PayloadSource&, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override {
    starts.push_back(range.from);
    for (uint64_t at = range.from; at < file_.size();) {
      const size_t take = std::min<size_t>(4096, file_.size() - at);
      Bytes piece(file_.begin() + static_cast<ptrdiff_t>(at), file_.begin() + static_cast<ptrdiff_t>(at + take));
      if (++pieces == lie_at_) piece[take / 2] ^= std::byte{1};
      at += take;
      TILL_TRY(on_bytes(piece));
    }
    return 200;
  }
  uint64_t pieces = 0;
  std::vector<uint64_t> starts;

 private:
  const Bytes& file_;
  uint64_t lie_at_;
};

class Watcher final : public InstallObserver {
 public:
  Status OnCheckpoint(const delta::Checkpoint& checkpoint, uint64_t) override {
    checkpoints.push_back(checkpoint);
    return Ok();
  }
  std::vector<delta::Checkpoint> checkpoints;
  Status OnBytes(uint64_t) override { return Ok(); }
  std::optional<InstallEnd> OnPlanned(uint64_t) override { return std::nullopt; }
};

class InstallerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/till-installer-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    file_ = craft_.File();
    plan_.kind = Plan::Kind::kDelta;
    plan_.payload = crypto::Sha256Of(file_);
    plan_.payload_bytes = file_.size();
    plan_.chunk_list_bytes = file_.size() - delta::testing::BodyOf(file_).size();
    plan_.chunk_list = crypto::Sha256Of(ByteView(file_).first(plan_.chunk_list_bytes));
    plan_.base = craft_.header().base_sha256;
    plan_.base_bytes = craft_.base().size();
    plan_.arena_bytes = craft_.header().arena_bytes;
    plan_.target = {true, crypto::Sha256Of(craft_.target()), craft_.target().size(), 1, "2"};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // From `checkpoint`, with the head kept, or from the start.
  InstallEnd Install(Source& base, PayloadFetcher& fetcher, MemorySlot& slot, size_t sources = 1,
                     const delta::Checkpoint& checkpoint = {}) {
    if (checkpoint == delta::Checkpoint{}) std::filesystem::remove(folder_ + "/head");
    InstallInput input;
    input.plan = plan_;
    input.checkpoint = checkpoint;
    input.base = &base;
    input.slot = &slot;
    input.head_file = folder_ + "/head";
    input.arena_bytes = 8 << 20;
    for (size_t i = 0; i < sources; i++) input.sources.push_back({"memory", {}});
    return Installer(fetcher, watcher_).Run(input);
  }

  Watcher watcher_;

  Craft craft_ = delta::testing::ThreeFrames();
  Bytes file_;
  Plan plan_;
  std::string folder_;
};

// covers S17
TEST_F(InstallerTest, NeverCallsAnImageInstalledWhoseBaseChangedAfterItsCheck) {
  uint64_t refused = 0, n = 1;
  for (;; n++) {
    ASSERT_LT(n, 10'000u);
    ChangingBase base(craft_.base(), n, ChangingBase::Lasts::kOn);
    ChangingSource source(file_, 0);
    MemorySlot slot(craft_.target().size() + 4096);
    const InstallEnd end = Install(base, source, slot);
    if (base.reads < n) break;
    EXPECT_EQ(end.kind == InstallEnd::Kind::kInstalled, slot.Holds(craft_.target())) << "from read " << n;
    if (end.kind == InstallEnd::Kind::kRefused) refused++;
    const bool before_use = end.refusal.fault != nullptr && std::string(end.refusal.fault->code) == "T2021";
    if (before_use) {
      EXPECT_EQ(slot.writes, 0u) << "a wrong base is found before the first write";
    }
  }
  EXPECT_EQ(refused, n - 1) << "each of these reads decided about the image";
}

// covers S16
TEST_F(InstallerTest, UsesTheBytesThatItHashedAndAsksAgainForTheOthers) {
  for (uint64_t n = 1;; n++) {
    ASSERT_LT(n, 10'000u);
    ChangingBase base(craft_.base(), UINT64_MAX, ChangingBase::Lasts::kOn);
    ChangingSource source(file_, n);
    MemorySlot slot(craft_.target().size() + 4096);
    const InstallEnd end = Install(base, source, slot, 2);
    if (source.pieces < n) break;
    EXPECT_EQ(end.kind, InstallEnd::Kind::kInstalled) << "piece " << n;
    EXPECT_TRUE(slot.Holds(craft_.target())) << "piece " << n;
    ASSERT_EQ(source.starts.size(), 2u) << "piece " << n;
    // The piece ends somewhere in a chunk; that chunk is asked for again, from its start.
    ASSERT_GE(n * 4096, source.starts[1]) << "piece " << n;
    EXPECT_LE(n * 4096 - source.starts[1], (32u << 10) + 4096 + plan_.chunk_list_bytes) << "piece " << n;
  }
}

// covers F01
TEST_F(InstallerTest, GoesOnAtTheInterruptedFramesFirstByte) {
  ChangingBase base(craft_.base(), UINT64_MAX, ChangingBase::Lasts::kOn);
  ChangingSource source(file_, 0);
  MemorySlot slot(craft_.target().size() + 4096);
  ASSERT_EQ(Install(base, source, slot).kind, InstallEnd::Kind::kInstalled);
  size_t within = 0;
  const std::vector<delta::Checkpoint> checkpoints = watcher_.checkpoints;
  for (const delta::Checkpoint& checkpoint : checkpoints) {
    within += checkpoint.body_offset % (32 << 10) != 0;
    ChangingSource again(file_, 0);
    ASSERT_EQ(Install(base, again, slot, 1, checkpoint).kind, InstallEnd::Kind::kInstalled);
    const uint64_t first_byte = plan_.chunk_list_bytes + checkpoint.body_offset;
    // (What lies in the first chunk is kept, and goes on behind it.)
    EXPECT_EQ(again.starts, std::vector<uint64_t>{std::max(first_byte, plan_.chunk_list_bytes + (32u << 10))});
    // Wrong bytes there, or a checkpoint whose hash is of something else: the whole chunk is asked for.
    ChangingSource lies(file_, 1);
    EXPECT_EQ(Install(base, lies, slot, 2, checkpoint).kind, InstallEnd::Kind::kInstalled);
    delta::Checkpoint forged = checkpoint;
    forged.chunk.chain[0] ^= 1;
    ChangingSource honest(file_, 0);
    EXPECT_EQ(Install(base, honest, slot, 1, forged).kind, InstallEnd::Kind::kInstalled);
    EXPECT_TRUE(slot.Holds(craft_.target()));
  }
  EXPECT_GT(within, 0u) << "no frame begins within a chunk";
}

// covers S16 S04
TEST_F(InstallerTest, RefusesASourceThatAlwaysLies) {
  ChangingBase base(craft_.base(), UINT64_MAX, ChangingBase::Lasts::kOn);
  Bytes other = file_;
  other[other.size() - 5] ^= std::byte{1};
  ChangingSource source(other, 0);
  MemorySlot slot(craft_.target().size() + 4096);
  const InstallEnd end = Install(base, source, slot);
  ASSERT_EQ(end.kind, InstallEnd::Kind::kRefused);
  EXPECT_EQ(std::string(end.refusal.fault->code), "T2023");
  EXPECT_EQ(source.starts.size(), 1u) << "the same wrong bytes again are no help, and cost data";
}

}  // namespace
}  // namespace till::device
