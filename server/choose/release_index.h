// What the signed metadata says can be installed, arranged for the chooser: images by hash, payloads by the image they
// yield. ReleaseIndex is immutable; ReleaseBook hands out the newest one (any thread, O(1)).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
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

// How a terminal gets from what it has to the image.
enum class PayloadKind : uint8_t {
  kFull,    // from nothing
  kDelta,   // from the image `base`
  kChunks,  // from whatever it holds: it fetches the chunks that it lacks (docs/formats/chunks.md)
};
const char* PayloadKindName(PayloadKind kind);  // as in signed metadata

struct Payload {
  PayloadKind kind = PayloadKind::kFull;
  std::string sha256;
  std::string target;  // SHA-256 of the image it yields
  std::string base;    // of the image it starts from; "" unless a delta
  std::string filename;
  uint64_t size = 0;         // of the whole object
  uint64_t index_bytes = 0;  // of chunks: what is fetched before the first of them
  uint64_t arena_bytes = 0;
  uint64_t format = 0;
  bool full() const { return kind == PayloadKind::kFull; }
  bool chunks() const { return kind == PayloadKind::kChunks; }
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
  // What kind a payload is; nothing when it is not known.
  std::optional<PayloadKind> KindOfPayload(std::string_view sha256) const;
  size_t image_count() const { return images_.size(); }

 private:
  std::map<std::string, Image, std::less<>> images_;
  std::map<std::string, std::vector<Payload>, std::less<>> payloads_;  // by target
  std::map<std::string, PayloadKind, std::less<>> kinds_;              // by payload
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
