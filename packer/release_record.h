// What one release folder holds, as release.json beside its payloads says it:
//   out/<version>/release.json, <component>.image, <component>.full.till, <component>.from-<16 hex of the base>.till,
//                               <component>.chunks.till
//   out/release.tuf             out/tuf as one tar, for servers that serve no metadata and for media
//   out/tuf/                    the signed metadata of all releases (core/tuf/repository.h)
// The signed metadata is the truth; the record saves later commands from searching it.
#pragma once

#include <string>
#include <vector>

#include "core/crypto/hash.h"
#include "core/json/json.h"
#include "core/tuf/tuf.h"

namespace till::packer {

struct PayloadRecord {
  enum class Kind { kFull, kDelta, kChunks };
  std::string file;  // name in the release folder
  Kind kind = Kind::kFull;
  bool is_delta() const { return kind == Kind::kDelta; }
  std::string base_version;  // of a delta
  crypto::Sha256Digest base{};
  uint64_t base_length = 0;
  uint64_t length = 0;
  crypto::Sha256Digest sha256{};
  uint64_t chunk_list_length = 0;
  crypto::Sha256Digest chunk_list_sha256{};
  uint64_t arena_bytes = 0;
  uint64_t format_minor = 0;
  uint64_t index_length = 0;  // of a chunk object
  crypto::Sha256Digest index_sha256{};
  uint64_t instructions = 0;  // the payload's estimate, in 2^20; 0: it makes none
};

struct ComponentRecord {
  std::string component;
  std::string slot_class;
  std::string image_file;  // name in the release folder
  uint64_t image_length = 0;
  crypto::Sha256Digest image_sha256{};
  std::vector<PayloadRecord> payloads;  // the full one first
};

struct ReleaseRecord {
  std::string product;
  std::string version;
  std::vector<std::string> boards;
  uint64_t rollback_index = 0;
  std::vector<ComponentRecord> components;
};

json::Value ToJson(const ReleaseRecord& record);
// kCorrupt when a member is missing or wrong.
Result<ReleaseRecord> ReleaseRecordFromJson(const json::Value& value);

Status WriteReleaseRecord(const std::string& release_folder, const ReleaseRecord& record);
Result<ReleaseRecord> ReadReleaseRecord(const std::string& release_folder);

// Every release under `out_folder`, oldest first by the moment its record was written.
Result<std::vector<ReleaseRecord>> ReadReleases(const std::string& out_folder);

// The signed entries that this release consists of (docs/wires.md).
std::vector<tuf::TargetEntry> TargetEntries(const ReleaseRecord& record);

}  // namespace till::packer
