// Hashes again what lies in the store and drops what is no longer right, so that it is fetched anew.
//   Runs beside serving: unit by unit, at a rate the disk does not notice. Memory: one unit.
#pragma once

#include <atomic>

#include "cdn-edge/catalog.h"

namespace till::edge {

struct ScrubOptions {
  uint64_t bytes_per_s = 8 << 20;           // 0 = as fast as it goes
  const std::atomic<bool>* stop = nullptr;  // ends the scrub early when it turns true
};

struct ScrubReport {
  uint64_t objects = 0;
  uint64_t bytes = 0;  // hashed
  uint64_t units_dropped = 0;
  bool complete = false;  // false when it was stopped
};

ScrubReport Scrub(Catalog& catalog, Counters& counters, Clock& clock, const ScrubOptions& options);
// One object only.
ScrubReport ScrubObject(Catalog& catalog, Counters& counters, Clock& clock, const crypto::Sha256Digest& name,
                        const ScrubOptions& options);

}  // namespace till::edge
