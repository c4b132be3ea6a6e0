// An ordered key-value store with transactions, on LMDB. One process owns a store (another may open it beside the owner
// for a moment); any of its threads may use it.
//   View() sees one consistent snapshot and never blocks a writer. Update() is serialised with other updates and is
//   durable when it answers; when the closure answers an Error nothing of it is kept.
//   Closures may be run again (an engine that retries on conflict may stand behind this face one day), so they touch
//   nothing but the transaction and their own locals. They must be short: a reader that stays open makes the file grow.
//   Update() within Update() would wait for itself: it is a bug and asserted. View() within either is fine.
//   After fork() the child must not touch the store.
//   Bounds: keys 1 to 500 bytes (any bytes), values up to 1 MiB. Errors: kInvalid (empty key), kLimit (map or disk
//   full, key or value too long), kConflict (open already, here or in another process), kIo (errno or LMDB code),
//   kCorrupt (foreign or damaged file).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace till::kv {

class ReadTxn {
 public:
  virtual ~ReadTxn() = default;
  // The value, valid until the transaction ends (or, in Update, until the next write); nullopt when there is none.
  virtual Result<std::optional<std::string_view>> Get(std::string_view key) = 0;
  // Visits keys that start with `prefix` in byte order from the key `from` on ("" = the first), until `visit` answers
  // false. `visit` must not write.
  virtual Status Scan(std::string_view prefix, std::string_view from,
                      const std::function<bool(std::string_view key, std::string_view value)>& visit) = 0;
  // The same in descending order, from the last key with the prefix.
  virtual Status ScanBack(std::string_view prefix,
                          const std::function<bool(std::string_view key, std::string_view value)>& visit) = 0;
};

class WriteTxn : public ReadTxn {
 public:
  virtual Status Put(std::string_view key, std::string_view value) = 0;
  virtual Status Delete(std::string_view key) = 0;  // a missing key is fine
};

class Store {
 public:
  struct Options {
    uint64_t map_bytes = uint64_t{1} << 30;  // the most the file may grow to (address space, not memory)
    bool durable = true;                     // false: fsync left to the system; for indexes that can be rebuilt
    // For a command that looks at or changes a little while the program that owns the store may run: its lock is not
    // asked for, and nothing is made. Never in the process that has the store open.
    bool beside_owner = false;
  };
  // `folder` is made when missing (mode 0700).
  static Result<std::unique_ptr<Store>> Open(const std::string& folder, const Options& options);
  virtual ~Store() = default;
  virtual Status View(const std::function<Status(ReadTxn&)>& read) = 0;
  virtual Status Update(const std::function<Status(WriteTxn&)>& write) = 0;
  // Writes a consistent copy of the whole store into an existing folder that holds none (else kConflict), while others
  // go on; Open() on that folder reads it.
  virtual Status Backup(const std::string& folder) = 0;
};

// 8 bytes, big endian: numbers that sort as keys.
std::string SortableU64(uint64_t number);
Result<uint64_t> ParseSortableU64(std::string_view bytes);

}  // namespace till::kv
