// Entries of signed metadata, made up for tests of what is chosen from them.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "server/choose/release_index.h"
#include "tests/server/support/world.h"

namespace till::server {

class Release {
 public:
  void AddEntry(const std::string& path, const std::string& role, const std::string& sha256, json::Value custom,
                uint64_t length = 1) {
    entries_.push_back({path, role, length, crypto::ParseSha256(sha256).value(), std::move(custom)});
  }
  void AddImage(const std::string& product, const std::string& version, const std::string& component,
                const std::string& sha256, const std::vector<std::string>& boards) {
    json::Value hardware = json::Value::Array();
    for (const std::string& board : boards) hardware.Append(board);
    AddEntry("images/" + product + "/" + version + "/" + component, "targets", sha256,
             json::Value::Object({{"version", version}, {"hardware", std::move(hardware)}}));
  }
  // Its hash is that of `content`'s bytes, so that a test can also upload them.
  void AddPayload(const std::string& label, const std::string& target, const std::string& base, uint64_t size,
                  int64_t arena_bytes, int64_t format, const std::string& content) {
    json::Value custom = json::Value::Object({{"kind", base.empty() ? "full" : "delta"},
                                              {"target", target},
                                              {"arena_bytes", arena_bytes},
                                              {"format", format}});
    if (!base.empty()) custom.Set("base", base);
    AddEntry("payloads/pos/2/rootfs/" + std::string(base.empty() ? "full" : "from-" + base.substr(0, 16)) +
                 (label == content ? "" : "." + content),
             "deltas", HexOf(content), std::move(custom), size);
  }
  // A chunk object whose hash is that of `content`'s bytes.
  void AddChunks(const std::string& target, uint64_t index_bytes, uint64_t size, int64_t arena_bytes,
                 const std::string& content) {
    json::Value custom =
        json::Value::Object({{"kind", "chunks"}, {"target", target}, {"arena_bytes", arena_bytes}, {"format", 1}});
    custom.Set("index", json::Value::Object({{"length", index_bytes}, {"sha256", HexOf("index")}}));
    AddEntry("payloads/pos/2/rootfs/chunks", "deltas", HexOf(content), std::move(custom), size);
  }
  ReleaseIndex Index() const {
    std::vector<const tuf::TargetEntry*> images, payloads;
    for (const tuf::TargetEntry& entry : entries_) (entry.role == "targets" ? images : payloads).push_back(&entry);
    return ReleaseIndex(images, payloads);
  }

 private:
  std::deque<tuf::TargetEntry> entries_;
};

}  // namespace till::server
