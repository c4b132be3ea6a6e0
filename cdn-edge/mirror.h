// The signed metadata: what the edge believes about objects, and the files it passes on.
//   A core/tuf Client follows the origin's repository; after each successful refresh the files of the verified set lie
//   in mirror/ under the names clients ask for (N.role.json; the last few versions, so that a client in the middle of
//   its own refresh finds what it began with; all roots). Nothing unverified is ever put there. The look-up table is
//   immutable and swapped, so that look-ups never wait for a refresh. Any thread; refreshes are serialised and
//   coalesced. Memory: the files in mirror/ (bounded by core/tuf's caps).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "cdn-edge/data_folder.h"
#include "cdn-edge/object.h"
#include "cdn-edge/origin.h"
#include "core/tuf/tuf.h"

namespace till::edge {

class Mirror {
 public:
  struct Options {
    std::string tenant = "DEFAULT";
    std::string trusted_root_file;        // "": the first 1.root.json the origin gives is believed, and logged
    int64_t fresh_ms = 1'000;             // a refresh younger than this answers for a new one
    int64_t fresh_while_down_ms = 5'000;  // and so long while the origin is down: trying may take as long
    int64_t refresh_every_ms = 60'000;    // by itself, see Due()
  };
  Mirror(const DataFolder& folder, Options options, OriginLink& link, Counters& counters, Clock& clock);

  // Reads what earlier processes verified. kInvalid when the trusted root cannot be used.
  Status Load();
  // Brings the set up to date, or tells how that went if it was tried within fresh_ms or by another thread meanwhile.
  // kUnavailable at once while the link backs off. Blocks on the network.
  Status Refresh();
  // True when what we have was looked at within fresh_ms, or the origin is down and trying is pointless.
  bool fresh();
  bool Due();
  // What signed metadata says about the object of this name; a plain identity with its length for an entry without
  // a chunk-hash list; nullopt for an unknown name.
  std::optional<Identity> FindObject(const crypto::Sha256Digest& name) const;
  // A verified file; nullopt when there is none.
  std::shared_ptr<const std::string> File(const std::string& name) const;
  // A root older than any we hold, straight from the origin and not kept: its chain of signatures is the client's to
  // check. Blocks on the network.
  Result<std::string> PassOldRoot(const std::string& name);
  uint64_t Version(const std::string& role) const;
  size_t object_count() const;

  // "timestamp.json", "12.targets.json": the only names a client may ask for.
  static bool IsFileName(std::string_view name);

 private:
  struct Table {
    std::map<crypto::Sha256Digest, Identity> objects;
    std::map<std::string, uint64_t> versions;
    std::map<std::string, std::shared_ptr<const std::string>> files;
  };

  int64_t FreshMs();
  Status OpenClient();
  Result<std::string> TrustedRoot();
  Status RefreshLocked();
  void Publish(const std::map<std::string, std::string>& roots);
  void AddObjects(Table& table, const char* role) const;
  void AddFile(Table& table, const std::string& name, std::string text);
  void Prune(Table& table) const;
  std::shared_ptr<const Table> table() const;

  const DataFolder& folder_;
  const Options options_;
  OriginLink& link_;
  Counters& counters_;
  Clock& clock_;

  std::mutex refresh_mutex_;  // client_ and courier_: one refresh at a time
  std::unique_ptr<tuf::Client> client_;
  Courier courier_;
  std::map<std::string, std::string> accepted_;  // roots believed but not yet in mirror/
  std::atomic<int64_t> tried_ms_;                // when the last refresh began; far in the past before the first
  Status last_;                                  // its outcome; with refresh_mutex_
  bool told_refused_ = false;

  mutable std::mutex table_mutex_;
  std::shared_ptr<const Table> table_;  // immutable, shared with whoever looks something up
};

}  // namespace till::edge
