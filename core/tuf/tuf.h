// The Update Framework 1.0.x, the reading side: https://theupdateframework.github.io/specification/latest/
//   TrustedSet (trusted_set.h) is pure (bytes in, verdict out); Client adds fetching and keeps what it trusts in a
//   folder under plain role names (root.json, timestamp.json, ...), so that a restart trusts no less and no more.
//   Signatures are checked over canonical JSON before anything else of a file is believed. The one delegation level we
//   use: targets -> deltas (paths "payloads/*/*/*/*": in TUF a `*` stays within one segment; entries outside the
//   delegated paths, outside payloads/, or shadowed by an entry of targets are left out). Consistent snapshots are
//   required (N.role.json).
//   Errors: kRefused (signature, threshold, rollback, mix), kCorrupt, kLimit (size, root chain), kUnavailable (fetch);
//   expiry is kRefused with what = "… has expired". Thread rule: one thread at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/crypto/hash.h"
#include "core/json/json.h"

namespace till::tuf {

// One entry of `targets` or of a delegated role.
struct TargetEntry {
  std::string path;  // "images/pos/1.5.0/rootfs", "payloads/pos/1.5.0/rootfs/full"
  std::string role;  // who vouches: "targets" or "deltas"
  uint64_t length = 0;
  crypto::Sha256Digest sha256{};
  json::Value custom;  // as signed
};

struct SizeCaps {
  uint64_t root = 64 * 1024, timestamp = 16 * 1024, snapshot = 64 * 1024, targets = 4 << 20;
  uint32_t root_chain = 256;  // most root rotations in one refresh
};

// Files of the repository by name ("3.root.json", "timestamp.json"): kNotFound when there is none.
using Fetch = std::function<Result<std::string>(const std::string& name, uint64_t max_bytes)>;

class Client {
 public:
  struct Options {
    std::string folder;  // made when missing
    SizeCaps caps;
    // The time metadata is judged by; a terminal without a clock passes max(build, newest signed, wall).
    std::function<int64_t()> now_unix_s;
    bool tolerate_expired_root = false;  // on the terminal a newer root must still get in
  };
  // `trusted_root` starts an empty folder; in a folder that has a sound one already it is ignored ("" is then fine).
  static Result<std::unique_ptr<Client>> Open(Options options, std::string_view trusted_root);
  virtual ~Client() = default;

  // The whole workflow of the specification, section 5. On an Error what was trusted before stays, but for what the
  // specification wants kept of each step that succeeded (a newer root, timestamp, snapshot): entries change as a
  // whole, at the end, or when a newer root takes back the key that signed them.
  virtual Status Refresh(const Fetch& fetch) = 0;

  // Entries of the trusted set; empty before the first Refresh (or Open of a folder that has one). Pointers are good
  // until the next Refresh().
  virtual const TargetEntry* FindByPath(std::string_view path) const = 0;
  // Among `targets` (role "targets") or the delegated deltas (role "deltas"): the first by path.
  virtual const TargetEntry* FindBySha256(const crypto::Sha256Digest& digest, std::string_view role) const = 0;
  virtual std::vector<const TargetEntry*> Entries(std::string_view role) const = 0;
  // Versions now trusted, 0 when none: "root", "timestamp", "snapshot", "targets", "deltas".
  virtual uint64_t Version(std::string_view role) const = 0;
  // The newest time any trusted metadata proves (our repositories sign a member "x-tillrace-time" of each file; 0 when
  // there is none): for clocks that cannot be trusted.
  virtual int64_t NewestSignedUnixS() const = 0;
};

}  // namespace till::tuf
