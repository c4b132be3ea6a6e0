// All objects the edge holds: finds and makes them, keeps the store under its cap, writes the index.
//   Eviction takes the object that was asked for longest ago and that nobody uses now (no stream, no fill, no waiter).
//   A signed object's file appears under objects/ at once; a plain one lives in spool/ until Adopt(), and only then has
//   a record in the index. What lies in spool/ at the start, or in objects/ without a record, is removed.
//   Errors: kNotFound, kUnavailable, kIo, kLimit (the disk), kCorrupt. Any thread; FindLive() never touches the disk.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "cdn-edge/counters.h"
#include "cdn-edge/data_folder.h"
#include "cdn-edge/object.h"
#include "cdn-edge/object_index.h"

namespace till::edge {

class Catalog {
 public:
  struct Options {
    uint64_t max_bytes = uint64_t{10} << 30;
    uint64_t memory_bytes = 128 << 20;  // of HotMemory
  };
  using Object = std::shared_ptr<CacheObject>;  // shared by the catalog, the streams that send it and the fill

  static Result<std::unique_ptr<Catalog>> Open(const DataFolder& folder, Options options, Counters& counters,
                                               Clock& clock);

  Object FindLive(const crypto::Sha256Digest& name);
  // Loads it from the disk when it is not live: kNotFound when there is none or what is there is not it, kUnavailable
  // when it cannot be looked at now (descriptors, memory, a failing disk). Upkeep does not count as a use.
  enum class Use : uint8_t { kClient, kUpkeep };
  Result<Object> Find(const crypto::Sha256Digest& name, Use use = Use::kClient);
  // The live one, or a new one with nothing in it. kUnavailable as above; kLimit for a plain one on a full disk.
  Result<Object> Create(const Identity& identity);

  // Room for `bytes` more of this object; evicts others. False: no room, do not store.
  bool Reserve(const CacheObject& object, uint64_t bytes);
  void Unreserve(const CacheObject& object, uint64_t bytes);
  // fdatasync, then the index: what it says is there survives kill -9 and power cuts.
  Status Persist(CacheObject& object);
  bool Indexed(const CacheObject& object);
  // A plain object whose whole hash matched moves from spool/ to objects/, sealed and in the index.
  Status Adopt(CacheObject& object);
  // Forgets the object and removes its file. Streams that still hold it end as they can.
  void Forget(const crypto::Sha256Digest& name);

  std::vector<Object> LiveObjects();
  std::vector<IndexRecord> Records();                     // by last use, newest first
  int64_t StoredSince(const crypto::Sha256Digest& name);  // Unix seconds of its first stored byte; 0 when there is none
  uint64_t used_bytes();
  uint64_t max_bytes() const { return options_.max_bytes; }
  const HotMemory& memory() const { return memory_; }
  int64_t counted_since_unix_s() const { return counted_since_unix_s_; }
  size_t object_count();
  // Writes what is dirty of all live objects and the counters, lets go of objects nobody has used for a while, and
  // looks whether anybody else touched a file: one that was removed or replaced is forgotten, one that was changed a
  // suspect.
  void Settle(bool everything);
  // Those to be scrubbed now.
  std::vector<crypto::Sha256Digest> TakeSuspects();

 private:
  struct FileStamp {
    bool valid = false;   // false while we write to it ourselves
    uint64_t writes = 0;  // of ours
    int64_t size = 0, modified_s = 0, modified_ns = 0;
    bool operator==(const FileStamp&) const = default;
  };
  struct Entry {
    IndexRecord record;
    Object live;
    bool indexed = false;
    bool used_changed = false;
    uint64_t use_order = 0;  // grows with each use; after a start it follows the record's minutes
    int64_t persisted_ms = 0;
    FileStamp stamp;
  };
  using Entries = std::map<crypto::Sha256Digest, Entry>;

  Catalog(const DataFolder& folder, Options options, Counters& counters, Clock& clock, ObjectIndex index)
      : folder_(folder),
        options_(options),
        counters_(counters),
        clock_(clock),
        index_(std::move(index)),
        memory_(options.memory_bytes) {}
  Status Sweep();
  Result<Object> Load(const IndexRecord& record);
  Error NotNow(const Identity& identity, const Error& error);
  void FindWritten(CacheObject& object);
  Result<UniqueFd> OpenObjectFile(const Identity& identity, bool create);
  void SettleObjects(bool everything);
  void LetGoOfIdle();
  void KeepCounters(bool everything);
  void WatchFile(const Object& object);
  bool EvictOne(const crypto::Sha256Digest& spared);
  void Touch(Entry& entry);
  void Remove(const crypto::Sha256Digest& name);  // index and files; with load_mutex_ held

  const DataFolder& folder_;
  const Options options_;
  Counters& counters_;
  Clock& clock_;
  ObjectIndex index_;
  HotMemory memory_;
  std::mutex load_mutex_;  // one load or creation at a time: two must not make two objects of one name
  std::mutex mutex_;       // entries_ and used_bytes_; never held while the disk works
  Entries entries_;
  uint64_t used_bytes_ = 0;
  uint64_t next_use_ = 0;
  std::vector<crypto::Sha256Digest> suspects_;
  int64_t counted_since_unix_s_ = 0;
  int64_t counters_kept_ms_ = 0;
  uint64_t requests_kept_ = 0;
  std::atomic<int64_t> told_not_now_ms_{-1'000'000};
};

}  // namespace till::edge
