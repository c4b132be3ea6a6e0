// What the parts of tillhub share, wired once in main.cc. Owns nothing; everything outlives the parts.
#pragma once

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/kv/kv.h"

namespace till::server {

class ArtifactStore;
class LastSeen;
class Operators;
class ReleaseBook;
class Writer;

struct Hub {
  kv::Store& store;
  Writer& writer;
  LastSeen& last_seen;
  ArtifactStore& artifacts;
  Operators& operators;
  ReleaseBook& releases;
  Clock& clock;
  std::string tenant = "DEFAULT";
  std::string base_url;                      // "" = from the request's Host
  std::vector<std::string> trusted_proxies;  // addresses whose X-Forwarded-* and X-Controller-Id headers count
  int64_t min_polling_s = 30;
  uint64_t max_artifact_bytes = uint64_t{1} << 30;
};

}  // namespace till::server
