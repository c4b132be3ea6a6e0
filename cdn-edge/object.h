// One immutable object of the store: which of its units are there, who waits for which, what to fetch next.
//   A unit is what is checked as one: of a signed object unit 0 is the chunk-hash list (against its signed SHA-256) and
//   unit i+1 is chunk i (against the list). A plain object (no signed entry) has units of 64 KiB that nothing vouches
//   for until the whole object's hash matched: until then its last unit is held back, so that a client never gets a
//   complete object that is wrong.
//   A unit is owned by exactly one claim at a time (kFetching, kChecking): that is the single flight. Demand is what
//   waiters wait for, oldest first; after it the fill goes on from where it last was. Any thread; wakes are called
//   without the lock. Memory: 32 bytes a chunk plus one byte a unit, and what is in memory_.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/chunklist.h"
#include "core/clock.h"
#include "core/crypto/hash.h"
#include "core/file.h"

namespace till::edge {

struct Identity {
  crypto::Sha256Digest name{};  // SHA-256 of the whole object
  uint64_t size = 0;
  uint64_t list_length = 0;  // 0: a plain object
  crypto::Sha256Digest list_sha256{};
  bool plain() const { return list_length == 0; }
};

// Why a unit is not coming, as far as this object knows. An origin that is merely down is OriginLink's to tell.
enum class Trouble : uint8_t { kNone, kAbsent, kWrongBytes, kNoRoom };

// What can be sent from an offset on.
struct Run {
  enum class Kind : uint8_t { kFile, kMemory, kMissing, kFailed };
  Kind kind = Kind::kMissing;
  uint64_t length = 0;                  // kFile
  std::shared_ptr<const Bytes> memory;  // kMemory: shared by all streams that send it
  uint64_t memory_offset = 0;
  Trouble trouble = Trouble::kNone;  // kFailed
};

struct Waiter {
  int64_t deadline_ms = 0;     // monotonic; past it WakeOverdue() wakes
  std::function<void()> wake;  // from any thread, without locks of ours; it may look again at once
};

// Units claimed together: bytes [offset, offset + length).
struct Span {
  uint32_t first_unit = 0;
  uint32_t unit_count = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
};

class CacheObject {
 public:
  static constexpr uint64_t kPlainUnitBytes = 64 * 1024;
  static constexpr unsigned kMaxBadFetches = 3;  // of one unit, then it rests
  static constexpr int64_t kRestAfterBadMs = 10'000;
  static constexpr int64_t kRestAfterAbsentMs = 2'000;
  static constexpr int64_t kPassThroughMs = 5'000;  // after the disk refused a write, before fetching ahead again

  // `file` is opened for reading and writing and has the object's size (sparse).
  CacheObject(Identity identity, UniqueFd file, Clock& clock);

  const Identity& identity() const { return identity_; }
  int fd() const { return file_.get(); }

  // --- For streams ---
  // What is there from `offset` on, at most max_bytes. When it is kMissing and `waiter` is given, the waiter is kept
  // and its offset becomes demand.
  Run Take(uint64_t offset, uint64_t max_bytes, Waiter* waiter);
  bool HoldsAll(uint64_t offset, uint64_t length);
  void WakeOverdue();
  bool has_waiters();
  void ForgetWaiters();  // at the end of the process: they hold answers that nobody will take

  // --- For those who fill ---
  // The next missing units: the oldest demand first, else (unless the object passes through) onward from the last.
  std::optional<Span> ClaimMissing(uint64_t max_bytes);
  // The same among units that are on disk but were not hashed by this process yet; only for demand.
  std::optional<Span> ClaimUnchecked(uint64_t max_bytes);
  bool wants_fetch();
  bool wants_check();
  Span UnitSpan(uint32_t unit);
  uint32_t unit_count();
  bool OnDisk(uint32_t unit);
  // True when `bytes` are that unit's; always true for plain units. Hashes without the lock.
  bool Matches(uint32_t unit, ByteView bytes);
  // Unit 0 of a signed object: kCorrupt when the list does not fit the identity. Before Stored(0).
  Status SetList(ByteView encoded);
  bool list_known();
  void Stored(uint32_t unit);                     // its bytes, just fetched, are in the file and right
  void Checked(uint32_t unit);                    // its bytes, found in the file, are right
  void KeepInMemory(uint32_t unit, Bytes bytes);  // the disk refused them
  void ForgetMemory(uint32_t unit);
  // The next unit that is only in memory, when the disk is worth another try and nobody else is at it. Then
  // SettleKept() says how that went; false: the unit left memory meanwhile, what was written does not count.
  struct Kept {
    uint32_t unit = 0;
    std::shared_ptr<const Bytes> bytes;
  };
  std::optional<Kept> ClaimKept();
  bool wants_storing();
  bool SettleKept(uint32_t unit, bool written);
  void Release(const Span& span);  // what is still claimed of it is free again
  bool Drop(uint32_t unit);        // its bytes on disk are wrong; false when there were none
  void CountBadFetch(uint32_t unit);
  void Fail(Trouble trouble);  // of the whole object, for a while
  void Seal();                 // plain: the whole hash matched
  bool complete();
  crypto::Sha256& plain_hash() { return plain_hash_; }  // of the units so far; for the one claim a plain object allows

  // --- For the index ---
  struct State {
    Bytes bitmap;
    bool complete = false;
  };
  // Restores units from the index, as not yet checked. Once, before use.
  void Restore(Bytes bitmap);
  State Snapshot();  // and from here on nothing is dirty
  std::mutex& persist_mutex() {
    return persist_mutex_;
  }  // from Snapshot() until the index has it: no older one after it
  uint64_t dirty_bytes();
  uint64_t stored_bytes();

 private:
  enum class UnitState : uint8_t { kMissing, kFetching, kUnchecked, kChecking, kStored, kInMemory };
  struct Waiting {
    uint64_t sequence;
    Waiter waiter;
  };
  struct BadUnit {
    unsigned count = 0;
    int64_t rests_until_ms = 0;
  };
  using Wakes = std::vector<std::function<void()>>;

  uint64_t unit_bytes() const;
  std::optional<uint32_t> UnitAt(uint64_t offset) const;  // nullopt: past what the list tells so far
  Span SpanOf(uint32_t unit) const;
  Run Look(uint64_t offset, uint64_t max_bytes) const;
  bool Sendable(uint32_t unit) const;
  bool Fetchable(uint32_t unit, int64_t now_ms) const;
  static bool IsOnDisk(UnitState state);
  std::optional<uint32_t> OldestDemand(UnitState state, int64_t now_ms) const;
  std::optional<uint32_t> NextMissing(int64_t now_ms) const;
  Span Claim(uint32_t first, uint64_t max_bytes, UnitState from, int64_t now_ms);
  Wakes TakeWaiters(uint64_t from, uint64_t to);
  void ApplyBitmap();
  bool CompleteLocked() const;

  const Identity identity_;
  const UniqueFd file_;
  Clock& clock_;

  std::mutex persist_mutex_;
  std::mutex mutex_;
  std::shared_ptr<const ChunkList> list_;  // set once; shared with whoever hashes outside the lock
  std::vector<UnitState> units_;
  Bytes restored_;  // bitmap from the index, until the list tells what it means
  std::map<uint32_t, std::shared_ptr<const Bytes>> memory_;
  std::multimap<uint64_t, Waiting> waiters_;  // by offset
  std::map<uint32_t, BadUnit> bad_;
  uint64_t next_sequence_ = 0;
  uint32_t cursor_ = 0;  // the fill goes on from this unit
  uint64_t dirty_bytes_ = 0;
  Trouble trouble_ = Trouble::kNone;
  int64_t trouble_until_ms_ = 0;
  int64_t pass_through_until_ms_ = 0;
  bool storing_kept_ = false;
  bool sealed_ = false;
  crypto::Sha256 plain_hash_;
};

}  // namespace till::edge
