// What the signed metadata says can be installed, arranged for the chooser: images by hash, payloads by the image they
// yield. ReleaseIndex is immutable; ReleaseBook hands out the newest one (any thread, O(1)).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/tuf/tuf.h"

namespace till::server {

struct Image {
  std::string sha256;
  std::string product, version, component;  // from its path: images/<product>/<version>/<component>
  std::vector<std::string> hardware;        // boards it is for; empty = any
  uint64_t length = 0;
};

struct Payload {
  std::string sha256;
  std::string target;  // SHA-256 of the image it yields
  std::string base;    // of the image it starts from; "" = full
  std::string filename;
  uint64_t size = 0;
  uint64_t arena_bytes = 0;
  uint64_t format = 0;
  bool full() const { return base.empty(); }
};

class ReleaseIndex {
 public:
  // `images` and `payloads`: the trusted entries of the roles targets and deltas. Entries that do not read as ours are
  // left out: the signature says who wrote them, not that we understand them.
  ReleaseIndex(const std::vector<const tuf::TargetEntry*>& images,
               const std::vector<const tuf::TargetEntry*>& payloads);
  ReleaseIndex() = default;

  const Image* FindImage(std::string_view sha256) const;  // null when unknown
  const std::vector<Payload>& PayloadsFor(std::string_view target_sha256) const;
  size_t image_count() const { return images_.size(); }

 private:
  std::map<std::string, Image, std::less<>> images_;
  std::map<std::string, std::vector<Payload>, std::less<>> payloads_;
};

class ReleaseBook {
 public:
  std::shared_ptr<const ReleaseIndex> Current() const;  // shared with polls that are being answered
  void Replace(std::shared_ptr<const ReleaseIndex> index);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ReleaseIndex> index_ = std::make_shared<const ReleaseIndex>();
};

}  // namespace till::server
