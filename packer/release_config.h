// tillrace.toml: what a product's releases are made of. Unknown keys are refused (a typo must not be silently ignored).
//
//   [product]       name, board (list of exact hardware ids)
//   [image.<name>]  file, slot (slot class; default: the name), hardware ids come from the product
//   [delta]         from = "all" | "deployed" | "last=N" | "versions=1.0.0,1.1.0", profile, chunks,
//                   keep_if = "delta < 0.7 * full"
//   [sign]          keys = folder of the keys, or env TILL_KEYS
//   [release]       out = folder of releases (default "out"), rollback_index (default 0)
//   [server]        url of the hub that is asked what is deployed
// Relative paths start at the file's own folder. Text up to 64 KiB, 8 images, 16 boards.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "delta/diff/profile.h"

namespace till::packer {

struct ImageConfig {
  std::string component;  // "rootfs"
  std::string file;
  std::string slot_class;
};

struct BaseChoice {
  enum class Kind { kAll, kLast, kVersions, kDeployed } kind = Kind::kAll;
  unsigned last = 0;
  std::vector<std::string> versions;
};

struct ReleaseConfig {
  std::string product;
  std::vector<std::string> boards;
  std::vector<ImageConfig> images;
  BaseChoice bases;
  const delta::Profile* profile = nullptr;  // never null once loaded
  unsigned keep_permille = 700;             // a delta is kept when its bytes are below this share of the full payload's
  bool chunks = false;
  std::string keys_folder;
  std::string out_folder;
  uint64_t rollback_index = 0;
  std::string server_url;
};

struct ConfigFault {
  std::string where;  // "tillrace.toml:12", "tillrace.toml: [delta] from"; the file when it cannot be read at all
  std::string what;
};

// `path` of the file; on a fault answers kInvalid and fills `fault` for the person.
Result<ReleaseConfig> LoadReleaseConfig(const std::string& path, ConfigFault& fault);

inline constexpr const char* kSafeNameRule = "1 to 64 letters, digits, '.', '-', '_' or '+', and not begin with '.'";
// Versions and names become parts of paths and of URLs: letters, digits, '.', '-', '_', '+'; 1 to 64, no leading '.'.
bool IsSafeName(std::string_view name);
// A safe name that is none of those which the folder of releases uses itself.
inline constexpr const char* kVersionRule =
    "1 to 64 letters, digits, '.', '-', '_' or '+', not begin with '.', and be none of tuf, tuf.old, tuf.hub, "
    "release.tuf, withdrawn.json and *.new";
bool IsVersionName(std::string_view name);

}  // namespace till::packer
