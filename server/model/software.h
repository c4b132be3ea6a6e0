// What can be installed: modules with their artifacts, and sets of modules (a release, in our own words).
//   Bounds: see kMax… below; a record stays far below the store's 1 MiB.
#pragma once

#include <string>
#include <vector>

#include "server/model/ids.h"
#include "server/model/target.h"

namespace till::server {

struct Metadata {
  std::string key, value;
  bool target_visible = false;  // modules only: shown to the device
};

// A file of a module. Its bytes lie in the artifact directory under their SHA-256.
struct Artifact {
  ArtifactId id{};
  std::string filename;
  std::string sha256, sha1, md5;  // lower-case hex
  uint64_t size = 0;
  Audit audit;
};

struct SoftwareModule {
  SoftwareModuleId id{};
  std::string name, version, type;  // unique together; `type` is a key: "os", "application"
  std::string description, vendor;
  bool encrypted = false;
  bool locked = false;   // in a set that was assigned: artifacts and metadata stay as they are
  bool deleted = false;  // soft: hidden from lists, still served to running actions
  std::vector<Artifact> artifacts;
  std::vector<Metadata> metadata;
  Audit audit;

  const Artifact* FindArtifact(std::string_view filename) const;
  // Value of a metadata key, "" when there is none.
  std::string_view MetadataValue(std::string_view key) const;
};

struct DistributionSet {
  DistributionSetId id{};
  std::string name, version, type;  // name and version unique together; "os", "app", "os_app"
  std::string description;
  std::vector<SoftwareModuleId> modules;
  std::vector<Metadata> metadata;
  bool required_migration_step = false;
  bool locked = false;   // its modules and metadata stay as they are
  bool deleted = false;  // soft
  bool used = false;     // was assigned once: a delete is soft
  bool invalid = false;  // invalidated: never assigned again
  Audit audit;
};

inline constexpr size_t kMaxModulesPerSet = 100;
inline constexpr size_t kMaxArtifactsPerModule = 50;
inline constexpr size_t kMaxMetadata = 100;
inline constexpr size_t kMaxNameBytes = 128;
inline constexpr size_t kMaxVersionBytes = 64;
inline constexpr size_t kMaxDescriptionBytes = 512;
inline constexpr size_t kMaxMetadataValueBytes = 4000;

}  // namespace till::server
