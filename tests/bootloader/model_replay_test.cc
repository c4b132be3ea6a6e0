// Replays what Spin does in bootloader/model/boot_state.pml with the C code: after every event both copies of the
// record, the slot chosen and what is written must be the same; and each boot as a whole once more through
// till_boot_choose. A line of the model's is a word and numbers; docs in the model itself.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "bootloader/boot_choice.h"

namespace {

using Bytes = std::array<uint8_t, TILL_BOOT_RECORD_BYTES>;

enum CopyState { kInvalid = 0, kUnstable = 1, kValid = 2 };
enum WriteEnd { kDone = 0, kWorn = 1, kNothing = 2, kTorn = 3, kMarginal = 4 };

// The model writes 2 for "no slot".
uint8_t SlotOf(int number) { return number == 2 ? TILL_BOOT_NO_SLOT : static_cast<uint8_t>(number); }
// The model's images: 0 none, 1..3 signed with that index, 5..7 the same but sick, 8 unsigned.
bool Verifies(int image) { return image != 0 && image != 8; }
uint32_t IndexOf(int image) { return static_cast<uint32_t>(image > 4 ? image - 4 : image); }

struct Flash {
  std::array<Bytes, 2> copies;
  std::array<bool, 2> unstable = {};
  Flash() {
    for (Bytes& copy : copies) copy.fill(0xff);
  }
  void Tear(int copy) {
    copies[copy].fill(0xff);
    memcpy(copies[copy].data(), "TLBS", 4);
    unstable[copy] = false;
  }
};

void Apply(Flash& flash, int copy, const uint8_t* bytes, int end) {
  if (end == kNothing) return;
  if (end == kWorn || end == kTorn) return flash.Tear(copy);
  memcpy(flash.copies[copy].data(), bytes, TILL_BOOT_RECORD_BYTES);
  flash.unstable[copy] = end == kMarginal;
}

// What the world did in one boot: for till_boot_choose to meet the same.
struct Boot {
  Flash flash;
  std::array<int, 2> images = {};
  std::array<bool, 2> read_as_valid = {};
  std::vector<int> writes;
  bool read = false;

  size_t written = 0;
  bool off = false;
};

int ReadCopy(void* context, int copy, uint8_t out[TILL_BOOT_RECORD_BYTES]) {
  const Boot& boot = *static_cast<Boot*>(context);
  memcpy(out, boot.flash.copies[copy].data(), TILL_BOOT_RECORD_BYTES);
  if (boot.flash.unstable[copy] && !boot.read_as_valid[copy]) out[20] ^= 0x40;
  return 0;
}

int WriteCopy(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]) {
  Boot& boot = *static_cast<Boot*>(context);
  if (boot.off) return 1;
  if (boot.written == boot.writes.size()) {
    ADD_FAILURE() << "the C code writes more often than the model";
    return 1;
  }
  const int end = boot.writes[boot.written++];
  Apply(boot.flash, copy, bytes, end);
  boot.off = end >= kNothing;
  return end == kDone ? 0 : 1;
}

int ProgramAgain(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]) {
  Boot& boot = *static_cast<Boot*>(context);
  EXPECT_EQ(memcmp(boot.flash.copies[copy].data(), bytes, TILL_BOOT_RECORD_BYTES), 0);
  boot.flash.unstable[copy] = false;
  return 0;
}

int CheckImage(void* context, uint8_t slot, int, uint32_t* rollback_index) {
  const Boot& boot = *static_cast<Boot*>(context);
  *rollback_index = IndexOf(boot.images[slot]);
  return Verifies(boot.images[slot]) ? 0 : 1;
}

void SayNothing(void*, till_boot_event, uint8_t, uint8_t) {}

class Replay {
 public:
  void Line(const std::string& line) {
    std::istringstream in(line);
    std::string word, skipped;
    in >> word;
    std::vector<int> n;
    for (std::string token; in >> token;) {
      char* end = nullptr;
      const long value = strtol(token.c_str(), &end, 10);
      if (*end == 0) n.push_back(static_cast<int>(value));
    }
    const auto known = kEvents.find(word);
    if (known == kEvents.end()) return;  // Spin's own lines
    ASSERT_EQ(n.size(), known->second.numbers) << line;
    count_[word]++;
    (this->*known->second.act)(n);
  }
  size_t count(const std::string& word) const {
    const auto found = count_.find(word);
    return found == count_.end() ? 0 : found->second;
  }
  static std::vector<std::string> Events() {
    std::vector<std::string> names;
    for (const auto& event : kEvents) names.push_back(event.first);
    return names;
  }

 private:
  using Numbers = std::vector<int>;
  struct Event {
    size_t numbers;
    void (Replay::*act)(const Numbers& n);
  };
  static const std::map<std::string, Event> kEvents;

  void StartBoot(const Numbers&) {
    EndBoot(TILL_BOOT_NO_SLOT);
    boot_ = Boot{};
    in_boot_ = true;
  }

  void Read(const Numbers& n) {
    if (in_boot_ && !boot_.read) {
      boot_.read = true;
      boot_.flash = flash_;
      boot_.images = images_;
      boot_.read_as_valid = {n[0] != 0, n[1] != 0};
    }
    std::array<Bytes, 2> seen = flash_.copies;
    for (int copy = 0; copy < 2; copy++) {
      if (flash_.unstable[copy] && !n[copy]) seen[copy][30] ^= 1;
    }
    till_boot_read(seen[0].data(), seen[1].data(), &read_);
    EXPECT_EQ(read_.valid[0], n[0]);
    EXPECT_EQ(read_.valid[1], n[1]);
    EXPECT_EQ(read_.found, n[2]);
    EXPECT_EQ(read_.copy, n[3]);
    next_ = read_.record;
    decision_ = {};
  }

  void Settle(const Numbers&) {
    if (read_.found) flash_.unstable[read_.copy] = false;
  }

  void Write(const Numbers& n) {
    till_boot_write write;
    till_boot_plan_write(&read_, &next_, &write);
    EXPECT_EQ(write.copy, n[0]);
    Apply(flash_, write.copy, write.bytes, n[1]);
    if (in_boot_) boot_.writes.push_back(n[1]);
    read_.valid[write.copy] = n[1] == kDone;
    if (n[1] != kDone) return;
    read_.found = 1;
    read_.copy = write.copy;
    ASSERT_TRUE(till_boot_decode(write.bytes, &read_.record));
    decision_.record = next_ = read_.record;
  }

  // Both copies, field by field.
  void CompareFlash(const Numbers& n) {
    const bool first = count("FLASH") == 1;
    for (int copy = 0; copy < 2; copy++) {
      const int* at = &n[1 + 10 * static_cast<size_t>(copy)];
      till_boot_record r = {};
      r.stable = SlotOf(at[1]);
      r.trial = SlotOf(at[2]);
      r.tries_left = static_cast<uint8_t>(at[3]);
      r.confirmed = static_cast<uint8_t>(at[4]);
      r.failed = SlotOf(at[5]);
      r.failed_reason = static_cast<uint8_t>(at[6]);
      r.floor = static_cast<uint32_t>(at[7]);
      r.slots[0].rollback_index = static_cast<uint32_t>(at[8]);
      r.slots[1].rollback_index = static_cast<uint32_t>(at[9]);
      till_boot_record here;
      const int valid = till_boot_decode(flash_.copies[copy].data(), &here);
      if (first && at[0] == kValid) {  // the model's beginning is ours
        till_boot_encode(&r, flash_.copies[copy].data());
        continue;
      }
      const int state = !valid ? kInvalid : flash_.unstable[copy] ? kUnstable : kValid;
      ASSERT_EQ(state, at[0]) << "copy " << copy;
      if (!valid) continue;
      r.seq = here.seq;
      memset(here.slots[0].version, 0, TILL_BOOT_VERSION_BYTES);
      memset(here.slots[1].version, 0, TILL_BOOT_VERSION_BYTES);
      Bytes wanted, got;
      till_boot_encode(&r, wanted.data());
      till_boot_encode(&here, got.data());
      ASSERT_EQ(wanted, got) << "copy " << copy;
    }
  }

  void Compare(uint8_t slot, int changed) {
    EXPECT_EQ(decision_.slot, slot);
    EXPECT_EQ(decision_.changed, changed);
    next_ = decision_.record;
  }
  void Decide(const Numbers& n) {
    till_boot_decide(&read_, &decision_);
    EXPECT_EQ(decision_.trial, n[2]);
    Compare(SlotOf(n[0]), n[1]);
  }
  void Reject(const Numbers& n) {
    till_boot_decision after;
    decision_.changed = 0;
    till_boot_reject(&decision_, static_cast<uint8_t>(n[0]), &after);
    decision_ = after;
    Compare(SlotOf(n[1]), n[2]);
  }
  void Uncounted(const Numbers& n) {
    decision_.trial = 0;
    decision_.slot = decision_.record.stable;
    EXPECT_EQ(decision_.slot, n[0]);
  }
  void Run(const Numbers& n) { EndBoot(SlotOf(n[0])); }
  void Nothing(const Numbers&) { EndBoot(TILL_BOOT_NO_SLOT); }

  // The same boot in one piece: same flash after it, same slot.
  void EndBoot(uint8_t slot) {
    if (!in_boot_ || !boot_.read) return;
    in_boot_ = false;
    const till_boot_port port = {&boot_, ReadCopy, WriteCopy, ProgramAgain, CheckImage, SayNothing, 1};
    till_boot_decision chosen;
    const int any = till_boot_choose(&port, &chosen);
    EXPECT_EQ(boot_.written, boot_.writes.size());
    EXPECT_EQ(boot_.flash.copies, flash_.copies);
    EXPECT_EQ(boot_.flash.unstable, flash_.unstable);
    if (boot_.off) return;
    EXPECT_EQ(any ? chosen.slot : TILL_BOOT_NO_SLOT, slot);
    boots_++;
  }

  void Image(const Numbers& n) { images_[static_cast<size_t>(n[0])] = n[1]; }
  void Decay(const Numbers& n) { flash_.Tear(n[0]); }
  void Rebuild(const Numbers& n) {
    const int good[2] = {n[0] != 0, n[1] != 0};
    const uint32_t index[2] = {static_cast<uint32_t>(n[0]), static_cast<uint32_t>(n[1])};
    EXPECT_TRUE(till_boot_rebuild(&next_, good, index));
  }
  void Factory(const Numbers& n) {
    EXPECT_TRUE(till_boot_factory(&next_, SlotOf(n[0]), "", static_cast<uint32_t>(n[1]), 0));
  }
  void Withdraw(const Numbers& n) { EXPECT_TRUE(till_boot_withdraw(&next_, SlotOf(n[0]))); }
  void Trial(const Numbers& n) {
    EXPECT_TRUE(
        till_boot_begin_trial(&next_, SlotOf(n[0]), "", static_cast<uint32_t>(n[1]), static_cast<uint8_t>(n[2])));
  }
  void Confirm(const Numbers& n) { EXPECT_TRUE(till_boot_confirm(&next_, SlotOf(n[0]), static_cast<uint32_t>(n[1]))); }
  void Fail(const Numbers& n) { EXPECT_TRUE(till_boot_mark_failed(&next_, next_.trial, static_cast<uint8_t>(n[0]))); }
  void Happened(const Numbers&) {}

  Flash flash_;
  std::array<int, 2> images_ = {};
  till_boot_copies read_ = {};
  till_boot_record next_ = {};
  till_boot_decision decision_ = {};
  Boot boot_;
  bool in_boot_ = false;
  size_t boots_ = 0;
  std::map<std::string, size_t> count_;
};

const std::map<std::string, Replay::Event> Replay::kEvents = {
    {"BOOT", {0, &Replay::StartBoot}},  {"READ", {4, &Replay::Read}},           {"SETTLE", {0, &Replay::Settle}},
    {"WRITE", {3, &Replay::Write}},     {"FLASH", {21, &Replay::CompareFlash}}, {"DECIDE", {3, &Replay::Decide}},
    {"REJECT", {3, &Replay::Reject}},   {"UNCOUNTED", {1, &Replay::Uncounted}}, {"RUN", {1, &Replay::Run}},
    {"NOTHING", {0, &Replay::Nothing}}, {"IMAGE", {2, &Replay::Image}},         {"DECAY", {1, &Replay::Decay}},
    {"REBUILD", {2, &Replay::Rebuild}}, {"FACTORY", {2, &Replay::Factory}},     {"WITHDRAW", {1, &Replay::Withdraw}},
    {"TRIAL", {3, &Replay::Trial}},     {"CONFIRM", {2, &Replay::Confirm}},     {"FAIL", {1, &Replay::Fail}},
    {"HANG", {0, &Replay::Happened}},   {"CRASH", {0, &Replay::Happened}},      {"CYCLED", {0, &Replay::Happened}},
};

// covers F01 F03 F06 F08 F13
TEST(BootModel, IsFollowedStepByStepByTheCode) {
  std::map<std::string, size_t> total;
  char pattern[] = "/tmp/till-model-XXXXXX";  // Spin leaves files where it runs
  const std::string folder = mkdtemp(pattern);
  for (int seed = 1; seed <= 90 && !testing::Test::HasFailure(); seed++) {
    // From calm histories, where updates go through, to such that are all repairs.
    const char* kBudgets[] = {"-DCUTS=10 -DFAULTS=3", "-DCUTS=60 -DFAULTS=30", "-DCUTS=200 -DFAULTS=120"};
    const std::string command = "cd " + folder + " && spin -B -DREPLAY -u20000 " + kBudgets[seed % 3] + " -n" +
                                std::to_string(seed) + " " TILL_SOURCE_DIR "/bootloader/model/boot_state.pml";
    FILE* trace = popen(command.c_str(), "r");
    ASSERT_NE(trace, nullptr);
    Replay replay;
    char line[512];
    for (size_t number = 1; fgets(line, sizeof(line), trace) && !testing::Test::HasFailure(); number++) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", line " + std::to_string(number) + ": " + line);
      replay.Line(line);
    }
    pclose(trace);
    for (const std::string& event : Replay::Events()) total[event] += replay.count(event);
  }
  std::filesystem::remove_all(folder);
  for (const auto& [event, count] : total) {
    EXPECT_GT(count, 0u) << event << " never happened";
    printf("%-10s %zu\n", event.c_str(), count);
  }
  EXPECT_GT(total["BOOT"], 1000u);
}

}  // namespace
