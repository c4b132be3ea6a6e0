// tilld's engine as a process that loses its power: the real Runner on real files, with a hand on every write.
//   agent_under_test CONFIG SLOT COUNT_FILE MODE N
//   MODE kill-before | kill-half | kill-after: the N-th write (journal, boot record, slot; 0 = none) is the last thing
//   it does. MODE slot-full: the N-th slot write and all later ones fail as a full disk does. MODE slot-lies: the N-th
//   slot write says it went well and stores another bit.
//   COUNT_FILE gets the number of writes when it ends by itself. Exit: as tilld's.
//   TILL_FAKE_TIME="A" or "A N B": the wall clock stands at A (seconds), and jumps to B when it is looked at for the
//   N-th time. The file TILL_FAKE_TIME_LOOKS then gets the number of looks.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "core/file.h"
#include "core/text.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

enum class Mode { kKillBefore, kKillHalf, kKillAfter, kSlotFull, kSlotLies };

Mode mode = Mode::kKillBefore;
uint64_t fatal_write = 0;
uint64_t writes = 0;

[[noreturn]] void LosePower() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// Around each write: `write(part)` does the first `part` bytes of it.
template <typename WriteFirst>
Status Guarded(ByteView bytes, const WriteFirst& write) {
  const bool fatal = ++writes == fatal_write && mode < Mode::kSlotFull;
  if (!fatal) return write(bytes);
  if (mode == Mode::kKillBefore) LosePower();
  const size_t part = mode == Mode::kKillHalf ? bytes.size() / 2 : bytes.size();
  if (part > 0 && !write(bytes.first(part)).ok()) abort();
  LosePower();
}

class FatalRecordFile final : public RecordFile {
 public:
  explicit FatalRecordFile(std::unique_ptr<RecordFile> next) : next_(std::move(next)) {}
  Status Read(int copy, MutableByteView out) override { return next_->Read(copy, out); }
  Status Write(int copy, ByteView bytes) override {
    return Guarded(bytes, [&](ByteView part) { return next_->Write(copy, part); });
  }

 private:
  std::unique_ptr<RecordFile> next_;
};

class FatalSlot final : public Slot {
 public:
  explicit FatalSlot(std::unique_ptr<Slot> next) : next_(std::move(next)) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override { return next_->ReadAt(offset, out); }
  uint64_t size() const override { return next_->size(); }
  Status BeginAt(uint64_t offset, uint64_t image_bytes) override { return next_->BeginAt(offset, image_bytes); }
  uint64_t durable_end() const override { return next_->durable_end(); }
  Status Write(ByteView bytes) override {
    slot_writes_++;
    if (mode == Mode::kSlotLies && slot_writes_ == fatal_write) {
      Bytes other(bytes.begin(), bytes.end());
      other.back() ^= std::byte{1};
      return next_->Write(other);
    }
    if (mode == Mode::kSlotFull && slot_writes_ >= fatal_write) {
      return Error{ErrorCode::kLimit, "no space is left", ENOSPC};
    }
    return Guarded(bytes, [&](ByteView part) { return next_->Write(part); });
  }
  Status Sync() override { return next_->Sync(); }
  Status Erase() override {
    return Guarded({}, [&](ByteView) { return next_->Erase(); });
  }

 private:
  std::unique_ptr<Slot> next_;
  uint64_t slot_writes_ = 0;
};

class FatalSlots final : public SlotBank {
 public:
  explicit FatalSlots(std::unique_ptr<SlotBank> next) : next_(std::move(next)) {}
  Result<std::unique_ptr<Source>> OpenForReading(SlotId slot) override { return next_->OpenForReading(slot); }
  Result<std::unique_ptr<Slot>> OpenSpare(SlotId spare, SlotId running) override {
    auto slot = TILL_TRY(next_->OpenSpare(spare, running));
    return std::unique_ptr<Slot>(std::make_unique<FatalSlot>(std::move(slot)));
  }

 private:
  std::unique_ptr<SlotBank> next_;
};

class JumpingClock final : public Clock {
 public:
  explicit JumpingClock(const std::vector<std::string_view>& words)
      : now_(Number(words[0])),
        jumps_at_(words.size() == 3 ? Number(words[1]) : 0),
        jumps_to_(words.size() == 3 ? Number(words[2]) : 0) {}
  int64_t UnixMs() const override { return (++looks_ >= jumps_at_ && jumps_at_ > 0 ? jumps_to_ : now_) * 1000; }
  int64_t MonotonicMs() const override { return SystemClock().MonotonicMs(); }
  void SleepMs(int64_t ms) override { SystemClock().SleepMs(ms); }
  int64_t looks() const { return looks_; }

 private:
  static int64_t Number(std::string_view text) { return strtoll(std::string(text).c_str(), nullptr, 10); }
  int64_t now_, jumps_at_, jumps_to_;
  mutable int64_t looks_ = 0;
};

int Main(int argc, char** argv) {
  if (argc != 6) return 2;
  const std::string mode_name = argv[4];
  mode = mode_name == "kill-half"    ? Mode::kKillHalf
         : mode_name == "kill-after" ? Mode::kKillAfter
         : mode_name == "slot-full"  ? Mode::kSlotFull
         : mode_name == "slot-lies"  ? Mode::kSlotLies
                                     : Mode::kKillBefore;
  fatal_write = ParseUint(argv[5]).value();
  ConfigInput input{argv[1], ReadTextFile(argv[1]).value(), {}, {}};
  std::vector<ConfigProblem> problems;
  const Config config = ReadConfig(input, problems);
  if (!problems.empty()) return 2;
  CatchStopSignals();
  Parts parts = OpenParts(config).value();
  parts.journal = std::make_unique<FatalRecordFile>(std::move(parts.journal));
  parts.boot_record = std::make_unique<FatalRecordFile>(std::move(parts.boot_record));
  parts.slots = std::make_unique<FatalSlots>(std::move(parts.slots));
  const char* fake_time = getenv("TILL_FAKE_TIME");
  JumpingClock clock(Split(fake_time ? fake_time : "0", ' '));
  if (fake_time) parts.clock = &clock;
  Runner runner(config, config.token, ParseSlot(argv[2]).value(), std::move(parts));
  if (const auto refusal = runner.Start()) {
    log::ErrorLine(refusal->Reason());
    return 1;
  }
  const RunEnd end = runner.Run(/*once=*/true);
  const std::string count = std::to_string(writes);
  const std::string looks = std::to_string(clock.looks());
  const char* looks_file = getenv("TILL_FAKE_TIME_LOOKS");
  if (looks_file && !WriteFileAtomically(looks_file, AsBytes(looks)).ok()) return 1;
  if (!WriteFileAtomically(argv[3], AsBytes(count)).ok()) return 1;
  return end == RunEnd::kRebootWanted ? 10 : end == RunEnd::kStopped ? 0 : 1;
}

}  // namespace
}  // namespace till::device

int main(int argc, char** argv) { return till::device::Main(argc, argv); }
