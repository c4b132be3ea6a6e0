// One immutable object of the store: which of its units are there, who waits for which, what to fetch next.
//   A unit is what is checked as one: of a signed object unit 0 is the chunk-hash list (against its signed SHA-256) and
//   unit i+1 is chunk i (against the list). A plain object (no signed entry) has units of 64 KiB that nothing vouches
//   for until the whole object's hash matched: until then its last unit is held back, so that a client never gets a
//   complete object that is wrong. From then on the hashes of its units, taken on the way, stand in for a list.
//   Only what is in memory (hot_memory.h) is sent: what is merely on disk is read and hashed first, at each return from
//   there.
//   A unit is owned by exactly one claim at a time (kFetching, kChecking): that is the single flight. Demand is what
//   waiters wait for, oldest first; after it the fill goes on from where it last was. Any thread; wakes are called
//   without the lock. Memory: 32 bytes and one a unit, 16 bytes a window, and the windows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "cdn-edge/hot_memory.h"
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
  bool operator==(const Identity&) const = default;
};

// Why a unit is not coming, as far as this object knows. An origin that is merely down is OriginLink's to tell.
// kRotten: what the disk holds of a plain object is wrong; it was forgotten, and can be fetched anew under its name.
enum class Trouble : uint8_t { kNone, kAbsent, kWrongBytes, kNoRoom, kRotten };

// What can be sent from an offset on.
struct Run {
  enum class Kind : uint8_t { kMemory, kMissing, kFailed };
  Kind kind = Kind::kMissing;
  std::shared_ptr<const Window> window;  // kMemory: shared by all streams that send it
  ByteView bytes;                        // kMemory: of the window
  bool to_store = false;                 // kMemory: the disk has not got them; Filler::Schedule() tries again
  Trouble trouble = Trouble::kNone;      // kFailed
};

struct Waiter {
  int64_t since_ms = 0;        // monotonic; the longest wait is served first
  int64_t deadline_ms = 0;     // monotonic; past it WakeOverdue() wakes
  uint64_t wants = 1;          // bytes from its offset on: what is on disk is read this far at once, no further
  std::function<void()> wake;  // from any thread, without locks of ours; it may look again at once
};

// Units claimed together: bytes [offset, offset + length).
struct Span {
  uint32_t first_unit = 0;
  uint32_t unit_count = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
};

class CacheObject : public std::enable_shared_from_this<CacheObject> {
 public:
  static constexpr uint64_t kPlainUnitBytes = 64 * 1024;
  static constexpr unsigned kMaxBadFetches = 3;  // of one unit, then it rests
  static constexpr int64_t kRestAfterBadMs = 10'000;
  static constexpr int64_t kRestAfterAbsentMs = 2'000;
  static constexpr int64_t kPassThroughMs = 5'000;  // after the disk refused a write, before fetching ahead again

  // `file` is opened for reading and writing and has the object's size (sparse). `memory` outlives the object.
  CacheObject(Identity identity, UniqueFd file, HotMemory& memory, Clock& clock);

  const Identity& identity() const { return identity_; }
  int fd() const { return file_.get(); }

  // --- For streams ---
  // What is there from `offset` on, at most max_bytes. When it is kMissing and `waiter` is given, the waiter is kept
  // and its offset becomes demand.
  Run Take(uint64_t offset, uint64_t max_bytes, Waiter* waiter);
  bool HoldsAll(uint64_t offset, uint64_t length);
  bool IsReady(uint64_t offset);  // Take() would give bytes
  // The name is known to be true of the bytes: a tag, a digest and ranges may be given.
  bool vouched();
  void WakeOverdue();
  bool has_waiters();
  void ForgetWaiters();  // at the end of the process: they hold answers that nobody will take

  // --- For those who fill ---
  // The next missing units: the oldest demand first, else (unless the object passes through) onward from the last.
  std::optional<Span> ClaimMissing(uint64_t max_bytes);
  // The same among units that are on disk only, to be hashed; only for demand. All of a plain object whose units'
  // hashes this process does not know yet.
  std::optional<Span> ClaimUnchecked(uint64_t max_bytes);
  bool wants_fetch();
  bool wants_check();
  bool wants_whole_check();  // plain: its units' hashes are not known yet
  Span UnitSpan(uint32_t unit);
  uint32_t unit_count();
  bool OnDisk(uint32_t unit);
  // True when `bytes` are that unit's, also when nobody can tell yet (plain). Hashes without the lock.
  bool Matches(uint32_t unit, ByteView bytes);
  // Unit 0 of a signed object: kCorrupt when the list does not fit the identity. Before Stored(0).
  Status SetList(ByteView encoded);
  bool list_known();
  // Its bytes, just fetched, are right and in the file.
  void Stored(uint32_t unit, ByteView bytes);
  // Its bytes, found in the file, are right.
  void Checked(uint32_t unit, ByteView bytes);
  // Right, but the disk refused them.
  void KeepInMemory(uint32_t unit, ByteView bytes);
  // Found right on disk by somebody who wants none of them.
  void Confirm(uint32_t unit);
  // Lets go of a window that nobody sends from and nobody used since it was last asked; true when it is gone.
  bool LetGo(uint32_t window);
  // The next unit that is only in memory, when the disk is worth another try and nobody else is at it. Then
  // SettleKept() says how that went; false: the unit left memory meanwhile, what was written does not count.
  struct Kept {
    uint32_t unit = 0;
    std::shared_ptr<const Window> window;
    ByteView bytes;
  };
  std::optional<Kept> ClaimKept();
  bool wants_storing();
  bool SettleKept(uint32_t unit, bool written);
  void Release(const Span& span);  // what is still claimed of it is free again
  // Its bytes on disk are wrong. What is in memory of it stays, to be written again.
  enum class Dropped : uint8_t { kNothing, kFound, kPromised };  // kFound: see FindWritten()
  Dropped Drop(uint32_t unit);
  void CountBadFetch(uint32_t unit);
  void Fail(Trouble trouble);  // of the whole object, for a while
  // Plain: units in order, by the one claim a plain object allows; then whether all of them are the named object.
  void HashPlain(uint32_t unit, ByteView bytes);
  bool PlainMatches();
  void Seal();  // plain: it does, and it is where it belongs
  bool complete();

  // --- For the index ---
  struct State {
    Bytes bitmap;
    bool complete = false;
  };
  // Restores units from the index, as not yet checked. Once, before use.
  void Restore(Bytes bitmap);
  // Units wholly within bytes that an earlier process wrote, whether or not it came to say so in the index: to be
  // hashed like all others, but nobody promised that they are right.
  void FindWritten(uint64_t offset, uint64_t length);
  State Snapshot();  // and from here on nothing is dirty
  std::mutex& persist_mutex() {
    return persist_mutex_;
  }  // from Snapshot() until the index has it: no older one after it
  uint64_t dirty_bytes();
  // Whether somebody of ours may be writing to the file now, and how often somebody did.
  bool being_written();
  uint64_t writes();
  uint64_t stored_bytes();

 private:
  enum class UnitState : uint8_t {
    kMissing,
    kFetching,
    kOnDisk,    // to be hashed before it is sent
    kChecking,  // being so
    kReady,     // on disk, and right in memory
    kInMemory,  // right in memory only
  };
  struct Place {  // of a byte
    uint32_t window = 0;
    uint64_t offset = 0;         // in it
    uint64_t window_length = 0;  // of the window
  };
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
  Place PlaceOf(uint64_t offset) const;
  bool Sendable(uint32_t unit) const;
  bool WantsWholeCheck() const;
  void Keep(uint32_t unit, ByteView bytes, UnitState state, UnitState without_memory);
  bool Fetchable(uint32_t unit, int64_t now_ms) const;
  static bool IsOnDisk(UnitState state);
  struct Demand {
    uint32_t unit = 0;
    uint64_t bytes = 0;
  };
  std::optional<Demand> OldestDemand(UnitState state, int64_t now_ms) const;
  std::optional<uint32_t> NextMissing(int64_t now_ms) const;
  Span Claim(uint32_t first, uint64_t max_bytes, UnitState from, int64_t now_ms);
  Wakes TakeWaiters(uint64_t from, uint64_t to);
  void ApplyBitmap();
  bool CompleteLocked() const;

  const Identity identity_;
  const UniqueFd file_;
  HotMemory& memory_;
  Clock& clock_;

  std::mutex persist_mutex_;
  std::mutex mutex_;
  std::shared_ptr<const ChunkList> list_;  // set once; shared with whoever hashes outside the lock
  std::vector<UnitState> units_;
  std::vector<bool> found_;  // by unit: on disk as far as anyone knows, but not promised
  Bytes restored_;           // bitmap from the index, until the list tells what it means
  std::vector<std::shared_ptr<Window>> windows_;
  std::set<uint32_t> kept_;                   // units in state kInMemory
  std::multimap<uint64_t, Waiting> waiters_;  // by offset
  std::map<uint32_t, BadUnit> bad_;
  uint64_t next_sequence_ = 0;
  uint32_t cursor_ = 0;  // the fill goes on from this unit
  uint64_t dirty_bytes_ = 0;
  uint64_t writes_ = 0;
  Trouble trouble_ = Trouble::kNone;
  int64_t trouble_until_ms_ = 0;
  int64_t pass_through_until_ms_ = 0;
  bool storing_kept_ = false;
  bool sealed_ = false;
  crypto::Sha256 plain_hash_;                       // of the units so far
  std::vector<crypto::Sha256Digest> plain_hashes_;  // and of each
};

}  // namespace till::edge
