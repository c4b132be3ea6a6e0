// The index of the store, on core/kv: which units of which object are on disk. Two keys per object, and one for all:
//   "o" + name (32 bytes) -> record      "b" + name -> bitmap, one bit per unit, least significant first
//   "c" -> counters as JSON, by their names in /status, and "since"
//   A bit is set only after its unit's bytes were written and fdatasync'ed (Catalog::Persist), and the store is
//   durable: whatever kill -9 or a power cut leaves behind, a set bit's bytes were once there and right. They are
//   hashed at each use that finds them on disk only, so even a disk that lied costs a second fetch, never a wrong byte.
//   Errors: those of core/kv; kCorrupt for a record that does not parse. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cdn-edge/counters.h"
#include "cdn-edge/object.h"
#include "core/kv/kv.h"

namespace till::edge {

struct IndexRecord {
  Identity identity;
  int64_t stored_unix_s = 0;  // when its first byte was stored
  int64_t used_unix_s = 0;    // when it was last asked for, to the minute
  uint64_t stored_bytes = 0;
  bool complete = false;
};

class ObjectIndex {
 public:
  static Result<ObjectIndex> Open(const std::string& folder);

  Status Put(const IndexRecord& record, ByteView bitmap);
  Status PutRecord(const IndexRecord& record);  // leaves the bitmap
  Status Delete(const crypto::Sha256Digest& name);
  Result<Bytes> Bitmap(const crypto::Sha256Digest& name);  // empty when there is none
  Status PutCounters(const Counters& counters, int64_t since_unix_s);
  // What was kept of them; nullopt when nothing was. The time since when.
  Result<std::optional<int64_t>> LoadCounters(Counters& counters);
  Result<std::vector<IndexRecord>> All();  // records that do not parse are left out and deleted

 private:
  explicit ObjectIndex(std::unique_ptr<kv::Store> store) : store_(std::move(store)) {}
  std::unique_ptr<kv::Store> store_;
};

}  // namespace till::edge
