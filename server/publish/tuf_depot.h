// The TUF repository at the hub: takes files from the publisher, verifies the whole set as a terminal would, and serves
// only what was verified. The hub holds no key here: it selects, it does not vouch.
//   Folders under DATA: tuf-staging (taken, not believed), tuf-trusted (core/tuf's Client), tuf (served).
//   A file is served from memory; the set changes when timestamp.json is verified, in one step. Of what was staged only
//   files that the verified set names are served, with the bytes that were verified; the rest is dropped, and told.
//   Trust begins with --trusted-root, or with the first 1.root.json an operator publishes (trust on first publish).
//   Any thread. Stage() may take tens of ms: not on a loop thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/tuf/tuf.h"
#include "server/choose/release_index.h"

namespace till::server {

struct TufFile {
  std::string bytes;
  std::string etag;  // with quotes
};

class TufDepot {
 public:
  // `trusted_root`: bytes of a root.json, or "" = trust on first publish. An interrupted promotion is done again.
  static Result<std::unique_ptr<TufDepot>> Open(const std::string& data_folder, std::string_view trusted_root,
                                                ReleaseBook& releases, Clock& clock);

  // What Stage() came to.
  struct Staged {
    bool published = false;            // it was timestamp.json, and the whole set is now trusted and served
    std::vector<std::string> dropped;  // staged files that the set does not name, or not with these bytes
  };
  // Takes one file.
  // kInvalid: not a name of this repository. kRefused, kCorrupt, …: why the set is not trusted; what was staged is
  // thrown away.
  Result<Staged> Stage(const std::string& name, std::string_view bytes);
  // Shared with answers being sent; null when there is none.
  std::shared_ptr<const TufFile> Find(std::string_view name) const;

  static bool IsFileName(std::string_view name);

 private:
  TufDepot(std::string data_folder, ReleaseBook& releases, Clock& clock)
      : folder_(std::move(data_folder)), releases_(releases), clock_(clock) {}
  Status OpenClient(std::string_view trusted_root);
  using Files = std::map<std::string, std::string, std::less<>>;  // by name
  Result<std::vector<std::string>> Promote();
  Result<std::vector<std::string>> Serve(const Files& verified);
  Result<Files> Verified() const;
  Status AddRoots(Files& verified) const;
  Status LoadServed();
  void Index();
  std::string StagedPath(const std::string& name) const { return folder_ + "/tuf-staging/" + name; }
  std::string Served(const std::string& name) const { return folder_ + "/tuf/" + name; }

  const std::string folder_;
  ReleaseBook& releases_;
  Clock& clock_;
  std::mutex publish_mutex_;  // one publisher at a time; guards client_
  std::unique_ptr<tuf::Client> client_;
  std::string first_root_;  // what the client was opened with
  mutable std::mutex served_mutex_;
  std::map<std::string, std::shared_ptr<const TufFile>, std::less<>> served_;
};

}  // namespace till::server
