#include "bootloader/boot_state.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace {

using Copy = std::array<uint8_t, TILL_BOOT_RECORD_BYTES>;

// Two erase sectors, as the boot loader and the agent see them.
struct Flash {
  Flash() {
    copies[0].fill(0xff);
    copies[1].fill(0xff);
  }
  till_boot_copies Read() const {
    till_boot_copies read;
    till_boot_read(copies[0].data(), copies[1].data(), &read);
    return read;
  }
  void Write(const till_boot_record& next) {
    const till_boot_copies read = Read();
    till_boot_write write;
    till_boot_plan_write(&read, &next, &write);
    memcpy(copies[static_cast<size_t>(write.copy)].data(), write.bytes, sizeof(write.bytes));
  }
  std::array<Copy, 2> copies;
};

bool SameState(till_boot_record a, till_boot_record b) {
  a.seq = b.seq = 0;
  Copy x, y;
  till_boot_encode(&a, x.data());
  till_boot_encode(&b, y.data());
  return x == y;
}

till_boot_record Factory(uint32_t index = 1, uint32_t floor = 1) {
  till_boot_record record;
  EXPECT_TRUE(till_boot_factory(&record, 0, "1.0.0", index, floor));
  return record;
}

// How a write that stops after `done` bytes may look.
enum class Tear { kOldTail, kErasedTail, kZeroTail, kRandomTail, kTornByte, kBackwards };
constexpr Tear kTears[] = {Tear::kOldTail,    Tear::kErasedTail, Tear::kZeroTail,
                           Tear::kRandomTail, Tear::kTornByte,   Tear::kBackwards};

Copy Torn(const Copy& old_bytes, const Copy& new_bytes, size_t done, Tear tear, std::mt19937& random) {
  Copy out = old_bytes;
  for (size_t i = 0; i < out.size(); i++) {
    const bool written = tear == Tear::kBackwards ? out.size() - i <= done : i < done;
    if (written) {
      out[i] = new_bytes[i];
    } else if (tear == Tear::kErasedTail) {
      out[i] = 0xff;
    } else if (tear == Tear::kZeroTail) {
      out[i] = 0;
    } else if (tear == Tear::kRandomTail || (tear == Tear::kTornByte && i == done)) {
      out[i] = static_cast<uint8_t>(random());
    }
  }
  return out;
}

// Every state the machine moves through in an update that is tried, fails, is tried again and is confirmed.
std::vector<till_boot_record> Life() {
  std::vector<till_boot_record> life = {Factory()};
  till_boot_record r = life.back();
  const auto add = [&] { life.push_back(r); };
  const auto decide = [&] {
    till_boot_copies read = {};
    read.found = 1;
    read.record = r;
    till_boot_decision decision;
    till_boot_decide(&read, &decision);
    r = decision.record;
    add();
  };
  EXPECT_TRUE(till_boot_withdraw(&r, 1)), add();
  EXPECT_TRUE(till_boot_begin_trial(&r, 1, "2.0.0", 2, 3)), add();
  for (int boot = 0; boot < 4; boot++) decide();
  EXPECT_EQ(r.failed, 1);
  EXPECT_TRUE(till_boot_begin_trial(&r, 1, "2.0.1", 3, 2)), add();
  decide();
  EXPECT_TRUE(till_boot_mark_failed(&r, 1, TILL_BOOT_REASON_HEALTH)), add();
  EXPECT_TRUE(till_boot_begin_trial(&r, 1, "2.0.2", 3, 1)), add();
  decide();
  EXPECT_TRUE(till_boot_confirm(&r, 1, 2)), add();
  EXPECT_TRUE(till_boot_begin_trial(&r, 0, "3.0.0-rc1+long", 4, 3)), add();
  decide();
  EXPECT_TRUE(till_boot_confirm(&r, 0, 9)), add();
  return life;
}

// covers F01 F03
TEST(BootState, IsTheOldOrTheNewStateAfterACutAtEveryByte) {
  const auto life = Life();
  std::mt19937 random(1);
  size_t cuts = 0;
  Flash flash;
  flash.Write(life[0]);
  for (size_t step = 1; step < life.size(); step++) {
    Flash whole = flash;
    whole.Write(life[step]);
    const size_t touched = whole.copies[0] != flash.copies[0] ? 0 : 1;
    ASSERT_EQ(whole.copies[1 - touched], flash.copies[1 - touched]) << "a write touched the copy in use";
    for (const Tear tear : kTears) {
      for (size_t done = 0; done <= TILL_BOOT_RECORD_BYTES; done++, cuts++) {
        Flash cut = flash;
        cut.copies[touched] = Torn(flash.copies[touched], whole.copies[touched], done, tear, random);
        const till_boot_copies read = cut.Read();
        ASSERT_TRUE(read.found);
        ASSERT_TRUE(SameState(read.record, life[step - 1]) || SameState(read.record, life[step]))
            << "step " << step << ", " << done << " bytes";
        // The repair may be cut too.
        Flash repaired = cut;
        repaired.Write(life[step]);
        const size_t again = repaired.copies[0] != cut.copies[0] ? 0 : 1;
        for (size_t second = 0; second <= TILL_BOOT_RECORD_BYTES; second++, cuts++) {
          Flash twice = cut;
          twice.copies[again] = Torn(cut.copies[again], repaired.copies[again], second, tear, random);
          const till_boot_copies after = twice.Read();
          ASSERT_TRUE(after.found);
          ASSERT_TRUE(SameState(after.record, life[step - 1]) || SameState(after.record, life[step]));
        }
      }
    }
    flash = whole;
  }
  EXPECT_GT(cuts, 100'000u);
}

// covers F06
TEST(BootState, SurvivesEveryFlippedBitInOneCopy) {
  Flash flash;
  flash.Write(Factory());
  till_boot_record trial = Factory();
  ASSERT_TRUE(till_boot_begin_trial(&trial, 1, "2", 2, 3));
  flash.Write(trial);
  for (size_t copy = 0; copy < 2; copy++) {
    for (size_t bit = 0; bit < 8 * TILL_BOOT_RECORD_BYTES; bit++) {
      Flash flipped = flash;
      flipped.copies[copy][bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      const till_boot_copies read = flipped.Read();
      ASSERT_TRUE(read.found);
      ASSERT_FALSE(read.valid[copy]) << bit;
      ASSERT_TRUE(SameState(read.record, copy == 0 ? trial : Factory()));
    }
  }
}

TEST(BootState, ChoosesTheNewerCopyWhenTheNumberWraps) {
  till_boot_record last = Factory();
  last.seq = UINT32_MAX;
  Flash flash;
  till_boot_encode(&last, flash.copies[0].data());
  till_boot_record next = last;
  ASSERT_TRUE(till_boot_begin_trial(&next, 1, "2", 2, 3));
  flash.Write(next);
  const till_boot_copies read = flash.Read();
  EXPECT_EQ(read.copy, 1);
  EXPECT_EQ(read.record.seq, 0u);
  EXPECT_EQ(read.record.trial, 1);
}

TEST(BootState, EncodesTheDocumentedBytes) {
  till_boot_record record = Factory(7, 5);
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "1.5.0", 0x01020304, 3));
  record.seq = 0x0a0b0c0d;
  Copy bytes;
  till_boot_encode(&record, bytes.data());
  const std::array<uint8_t, 28> head = {'T', 'L', 'B', 'S', 1, 0, 1, 3, 0x0d, 0x0c, 0x0b, 0x0a, 1, 0xff,
                                        0,   0,   5,   0,   0, 0, 7, 0, 0,    0,    4,    3,    2, 1};
  EXPECT_EQ(memcmp(bytes.data(), head.data(), head.size()), 0);
  EXPECT_EQ(memcmp(bytes.data() + 28,
                   "1.0.0\0\0\0\0\0\0\0"
                   "1.5.0\0\0\0\0\0\0\0"
                   "\0\0\0\0\0\0\0\0",
                   32),
            0);
  const uint8_t check[] = "123456789";
  EXPECT_EQ(till_boot_crc32(check, 9), 0xcbf43926u);
}

struct Unlawful {
  const char* name;
  std::function<void(till_boot_record&)> spoil;
};

TEST(BootState, RefusesRecordsWhoseFieldsDisagree) {
  const Unlawful kCases[] = {
      {"stable is no slot", [](auto& r) { r.stable = 2; }},
      {"trial is the stable slot", [](auto& r) { r.trial = r.stable; }},
      {"trial is no slot", [](auto& r) { r.trial = 7; }},
      {"tries without a trial", [](auto& r) { r.tries_left = 1; }},
      {"too many tries", [](auto& r) { r.trial = 1, r.tries_left = TILL_BOOT_MAX_TRIES + 1; }},
      {"stable is not confirmed", [](auto& r) { r.confirmed = 0; }},
      {"the trial is confirmed", [](auto& r) { r.trial = 1, r.confirmed = 3; }},
      {"confirmed has a third slot", [](auto& r) { r.confirmed = 5; }},
      {"failed without a reason", [](auto& r) { r.failed = 1; }},
      {"a reason without a failure", [](auto& r) { r.failed_reason = 1; }},
      {"an unknown reason", [](auto& r) { r.failed = 1, r.failed_reason = TILL_BOOT_REASON_COUNT; }},
      {"the trial has failed", [](auto& r) { r.trial = r.failed = 1, r.tries_left = r.failed_reason = 1; }},
      {"no slot failed", [](auto& r) { r.failed = 7, r.failed_reason = 1; }},
      {"a confirmed slot failed", [](auto& r) { r.failed = 1, r.failed_reason = 1, r.confirmed = 3; }},
      {"the stable slot failed", [](auto& r) { r.failed = 0, r.failed_reason = 1; }},
      {"the floor is ahead of the stable slot", [](auto& r) { r.floor = r.slots[0].rollback_index + 1; }},
      {"a version with a control character", [](auto& r) { r.slots[1].version[0] = '\n'; }},
      {"a version with DEL", [](auto& r) { r.slots[1].version[0] = '\x7f'; }},
      {"a version with text behind its end", [](auto& r) { r.slots[0].version[10] = 'x'; }},
  };
  for (const Unlawful& unlawful : kCases) {
    till_boot_record record = Factory();
    unlawful.spoil(record);
    EXPECT_FALSE(till_boot_record_ok(&record)) << unlawful.name;
    Copy bytes;
    till_boot_encode(&record, bytes.data());  // with a right checksum
    till_boot_record out;
    EXPECT_FALSE(till_boot_decode(bytes.data(), &out)) << unlawful.name;
  }
}

TEST(BootState, RefusesUnknownLayoutsAndSpareBytesInUse) {
  const till_boot_record record = Factory();
  for (const size_t at : {0u, 4u, 15u, 52u, 59u}) {
    Copy bytes;
    till_boot_encode(&record, bytes.data());
    bytes[at] ^= 1;
    const uint32_t crc = till_boot_crc32(bytes.data(), 60);
    for (size_t i = 0; i < 4; i++) bytes[60 + i] = static_cast<uint8_t>(crc >> 8 * i);
    till_boot_record out;
    EXPECT_FALSE(till_boot_decode(bytes.data(), &out)) << at;
  }
}

till_boot_decision Boot(Flash& flash) {
  const till_boot_copies read = flash.Read();
  till_boot_decision decision;
  till_boot_decide(&read, &decision);
  if (decision.changed) flash.Write(decision.record);
  return decision;
}

// covers F08
TEST(BootDecision, FallsBackWhenTheTriesAreUsedUp) {
  Flash flash;
  till_boot_record record = Factory();
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "2", 2, 3));
  flash.Write(record);
  for (int boot = 0; boot < 3; boot++) EXPECT_EQ(Boot(flash).slot, 1) << boot;
  EXPECT_EQ(Boot(flash).slot, 0);
  const till_boot_copies read = flash.Read();
  EXPECT_EQ(read.record.failed, 1);
  EXPECT_EQ(read.record.failed_reason, TILL_BOOT_REASON_TRIES);
}

// covers F08
TEST(BootDecision, NeverCountsAConfirmedSlot) {
  Flash flash;
  flash.Write(Factory());
  const Flash before = flash;
  for (int boot = 0; boot < 1000; boot++) EXPECT_EQ(Boot(flash).slot, 0);
  EXPECT_EQ(flash.copies, before.copies) << "a stable boot wrote";
}

TEST(BootDecision, TakesTheFirstSlotWhenNoRecordIsValid) {
  Flash flash;
  const till_boot_decision decision = Boot(flash);
  EXPECT_EQ(decision.slot, 0);
  EXPECT_FALSE(decision.changed);
  till_boot_decision next;
  till_boot_reject(&decision, TILL_BOOT_REASON_IMAGE, &next);
  EXPECT_EQ(next.slot, 1);
  till_boot_decision last;
  till_boot_reject(&next, TILL_BOOT_REASON_IMAGE, &last);
  EXPECT_EQ(last.slot, TILL_BOOT_NO_SLOT);
}

TEST(BootDecision, RejectsATrialSlotAndThenTheStableOne) {
  Flash flash;
  till_boot_record record = Factory();
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "2", 2, 3));
  flash.Write(record);
  const till_boot_decision first = Boot(flash);
  till_boot_decision second;
  till_boot_reject(&first, TILL_BOOT_REASON_IMAGE, &second);
  EXPECT_EQ(second.slot, 0);
  EXPECT_EQ(second.record.failed_reason, TILL_BOOT_REASON_IMAGE);
  till_boot_decision third;
  till_boot_reject(&second, TILL_BOOT_REASON_IMAGE, &third);
  EXPECT_EQ(third.slot, TILL_BOOT_NO_SLOT) << "the other slot was never confirmed";
}

TEST(BootDecision, FallsBackFromABadStableSlotToAConfirmedOneOnly) {
  till_boot_record record = Factory(1, 1);
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "2", 2, 3));
  ASSERT_TRUE(till_boot_confirm(&record, 1, 1));
  for (const bool withdrawn : {false, true}) {
    till_boot_record r = record;
    if (withdrawn) {
      ASSERT_TRUE(till_boot_withdraw(&r, 0));
    }
    Flash flash;
    flash.Write(r);
    const till_boot_decision decision = Boot(flash);
    till_boot_decision next;
    till_boot_reject(&decision, TILL_BOOT_REASON_IMAGE, &next);
    EXPECT_EQ(next.slot, withdrawn ? TILL_BOOT_NO_SLOT : 0);
    EXPECT_TRUE(till_boot_record_ok(&next.record));
  }
}

TEST(BootState, IsRebuiltFromWhatTheSlotsHold) {
  struct Case {
    const char* name;
    int good[2];
    uint8_t stable, trial;
    uint32_t floor;
  };
  const Case kCases[] = {{"both: one is tried, one kept", {1, 1}, 1, 0, 3},
                         {"the first alone", {1, 0}, 0, TILL_BOOT_NO_SLOT, 5},
                         {"the second alone", {0, 1}, 1, TILL_BOOT_NO_SLOT, 3}};
  const uint32_t index[2] = {5, 3};
  for (const Case& c : kCases) {
    till_boot_record record;
    ASSERT_TRUE(till_boot_rebuild(&record, c.good, index)) << c.name;
    EXPECT_TRUE(till_boot_record_ok(&record)) << c.name;
    EXPECT_EQ(record.stable, c.stable) << c.name;
    EXPECT_EQ(record.trial, c.trial) << c.name;
    EXPECT_EQ(record.floor, c.floor) << c.name;
  }
  till_boot_record untouched;
  const int none[2] = {0, 0};
  EXPECT_FALSE(till_boot_rebuild(&untouched, none, index));
}

// covers S05
TEST(BootState, RaisesTheFloorAtConfirmOnlyAndNeverAboveTheImage) {
  till_boot_record record = Factory(1, 1);
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "2", 5, 3));
  EXPECT_EQ(record.floor, 1u);
  ASSERT_TRUE(till_boot_confirm(&record, 1, 9));
  EXPECT_EQ(record.floor, 5u);
  EXPECT_EQ(record.confirmed, 2) << "the old slot is below the floor now";
  EXPECT_FALSE(till_boot_begin_trial(&record, 0, "1", 4, 3)) << "below the floor";
  EXPECT_TRUE(till_boot_begin_trial(&record, 0, "1", 5, 3));
  ASSERT_TRUE(till_boot_confirm(&record, 0, 0));
  EXPECT_EQ(record.floor, 5u) << "the floor never sinks";
  EXPECT_EQ(record.confirmed, 3);
}

// covers S05
TEST(BootDecision, RefusesATrialBelowTheFloor) {
  till_boot_record record = Factory(3, 3);
  record.trial = 1;
  record.tries_left = 3;
  record.slots[1].rollback_index = 2;
  Flash flash;
  flash.Write(record);
  const till_boot_decision decision = Boot(flash);
  EXPECT_EQ(decision.slot, 0);
  EXPECT_EQ(decision.record.failed_reason, TILL_BOOT_REASON_FLOOR);
}

// A record whose floor rose while the trial ran, however that came about. covers S05
TEST(BootState, ConfirmsNothingBelowTheFloor) {
  till_boot_record record = Factory(3, 3);
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "2", 4, 3));
  record.slots[1].rollback_index = 2;
  const till_boot_record before = record;
  EXPECT_FALSE(till_boot_confirm(&record, 1, 2));
  EXPECT_EQ(memcmp(&record, &before, sizeof(record)), 0) << "a refusal changed the record";
}

TEST(BootState, RefusesTransitionsOutOfTurn) {
  till_boot_record record = Factory();
  const till_boot_record before = record;
  EXPECT_FALSE(till_boot_withdraw(&record, 0)) << "the stable slot";
  EXPECT_FALSE(till_boot_withdraw(&record, 2));
  EXPECT_FALSE(till_boot_begin_trial(&record, 0, "2", 2, 3)) << "the stable slot";
  EXPECT_FALSE(till_boot_begin_trial(&record, 1, "2", 2, 0)) << "no tries";
  EXPECT_FALSE(till_boot_begin_trial(&record, 1, "2", 2, 16));
  EXPECT_FALSE(till_boot_confirm(&record, 1, 0)) << "no trial";
  EXPECT_FALSE(till_boot_confirm(&record, 0, 0));
  EXPECT_FALSE(till_boot_mark_failed(&record, 1, TILL_BOOT_REASON_HEALTH)) << "no trial";
  till_boot_record no_floor = Factory(0, 0);
  EXPECT_FALSE(till_boot_confirm(&no_floor, TILL_BOOT_NO_SLOT, 0)) << "what stands there when there is no trial";
  EXPECT_FALSE(till_boot_mark_failed(&record, TILL_BOOT_NO_SLOT, TILL_BOOT_REASON_HEALTH));
  till_boot_record fresh;
  EXPECT_FALSE(till_boot_factory(&fresh, 2, "1", 0, 0));
  EXPECT_FALSE(till_boot_factory(&fresh, 0, "1", 0, 1)) << "floor above the image";
  EXPECT_EQ(memcmp(&record, &before, sizeof(record)), 0) << "a refusal changed the record";
  ASSERT_TRUE(till_boot_begin_trial(&record, 1, "2", 2, 3));
  EXPECT_FALSE(till_boot_withdraw(&record, 1)) << "on trial";
  EXPECT_FALSE(till_boot_begin_trial(&record, 1, "2", 2, 3)) << "on trial already";
  EXPECT_FALSE(till_boot_mark_failed(&record, 1, TILL_BOOT_REASON_NONE));
  EXPECT_FALSE(till_boot_mark_failed(&record, 1, TILL_BOOT_REASON_COUNT));
}

// Every sequence of six events from the factory state: exactly what the machine promises holds after each.
// covers F08 F13
TEST(BootState, KeepsItsPromisesInEveryShortHistory) {
  constexpr int kEvents = 8, kDepth = 6;
  size_t histories = 0;
  for (int code = 0; code < kEvents * kEvents * kEvents * kEvents * kEvents * kEvents; code++, histories++) {
    till_boot_record r = Factory();
    int rest = code;
    for (int i = 0; i < kDepth; i++, rest /= kEvents) {
      const uint32_t floor_before = r.floor;
      const uint8_t spare = static_cast<uint8_t>(1 - r.stable);
      bool confirmed = false;
      switch (rest % kEvents) {
        case 0:
          till_boot_withdraw(&r, spare);
          break;
        case 1:
          till_boot_begin_trial(&r, spare, "n", 1, 1);
          break;
        case 2:
          till_boot_begin_trial(&r, spare, "n", 3, 2);
          break;
        case 3:
          confirmed = till_boot_confirm(&r, spare, 2);
          break;
        case 4:
          till_boot_mark_failed(&r, spare, TILL_BOOT_REASON_HEALTH);
          break;
        case 5:
          till_boot_begin_trial(&r, r.stable, "n", 9, 3);
          break;
        default: {
          till_boot_copies read = {};
          read.found = 1;
          read.record = r;
          till_boot_decision decision;
          till_boot_decide(&read, &decision);
          ASSERT_GE(decision.record.slots[decision.slot].rollback_index, decision.record.floor);
          ASSERT_TRUE(decision.trial || (decision.record.confirmed >> decision.slot & 1));
          if (rest % kEvents == 7) {
            till_boot_decision rejected;
            till_boot_reject(&decision, TILL_BOOT_REASON_IMAGE, &rejected);
            decision = rejected;
          }
          r = decision.record;
        }
      }
      ASSERT_TRUE(till_boot_record_ok(&r)) << "history " << code << " step " << i;
      ASSERT_TRUE(r.floor == floor_before || (confirmed && r.floor > floor_before));
    }
  }
  EXPECT_EQ(histories, 262'144u);
}

}  // namespace
