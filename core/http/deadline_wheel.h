// Deadlines of many connections, in steps of 64 ms: setting one is O(1) and usually touches no list at all, because
// an entry is moved only when its deadline becomes earlier; a later one is noticed when the old slot comes round.
// One loop thread. Entries are owned by the connections, which Remove() them before they die.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace till::http {

struct DeadlineEntry {
  static constexpr int64_t kNever = INT64_MAX;
  int64_t deadline_ms = kNever;
  int64_t slot_tick = -1;  // -1: in no slot
  DeadlineEntry* previous = nullptr;
  DeadlineEntry* next = nullptr;
};

class DeadlineWheel {
 public:
  explicit DeadlineWheel(int64_t now_ms) : tick_(now_ms / kTickMs) {}

  void Set(DeadlineEntry& entry, int64_t deadline_ms) {
    entry.deadline_ms = deadline_ms;
    if (deadline_ms == DeadlineEntry::kNever) return;
    int64_t tick = deadline_ms / kTickMs + 1;
    if (tick <= tick_) tick = tick_ + 1;
    if (tick >= tick_ + kSlots) tick = tick_ + kSlots - 1;
    if (entry.slot_tick >= 0 && entry.slot_tick <= tick) return;
    Remove(entry);
    Link(entry, tick);
  }

  void Remove(DeadlineEntry& entry) {
    if (entry.slot_tick < 0) return;
    if (entry.next != nullptr) entry.next->previous = entry.previous;
    if (entry.previous != nullptr) {
      entry.previous->next = entry.next;
    } else {
      slots_[Slot(entry.slot_tick)] = entry.next;
    }
    entry.slot_tick = -1;
    entry.next = entry.previous = nullptr;
    --count_;
  }

  // Calls on_due(entry) for each entry whose deadline has passed; the entry is out of the wheel by then.
  template <typename OnDue>
  void Expire(int64_t now_ms, OnDue on_due) {
    const int64_t target = now_ms / kTickMs;
    while (tick_ < target) {
      ++tick_;
      if (count_ == 0) continue;
      while (DeadlineEntry* entry = slots_[Slot(tick_)]) {
        Remove(*entry);
        if (entry->deadline_ms <= now_ms) {
          entry->deadline_ms = DeadlineEntry::kNever;
          on_due(*entry);
        } else {
          Set(*entry, entry->deadline_ms);
        }
      }
    }
  }

  // How long from now until Expire() could have something to do; -1: nothing is set.
  int NextWaitMs(int64_t now_ms) const {
    if (count_ == 0) return -1;
    for (int64_t tick = tick_ + 1; tick < tick_ + kSlots; ++tick) {
      if (slots_[Slot(tick)] == nullptr) continue;
      const int64_t wait = tick * kTickMs - now_ms;
      return wait > 0 ? static_cast<int>(wait) : 0;
    }
    return 0;
  }

 private:
  static constexpr int64_t kTickMs = 64;
  static constexpr int64_t kSlots = 1024;  // 65 s; what is later waits in the last slot and is set again
  static size_t Slot(int64_t tick) { return static_cast<size_t>(tick % kSlots); }

  void Link(DeadlineEntry& entry, int64_t tick) {
    DeadlineEntry*& head = slots_[Slot(tick)];
    entry.slot_tick = tick;
    entry.next = head;
    if (head != nullptr) head->previous = &entry;
    head = &entry;
    ++count_;
  }

  std::array<DeadlineEntry*, kSlots> slots_{};
  int64_t tick_;
  uint64_t count_ = 0;
};

}  // namespace till::http
