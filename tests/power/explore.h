// Cuts a scenario at every operation, and again in the recovery from each cut.
#pragma once

#include <string>

#include "tests/power/scenario.h"

namespace till::power {

struct Tally {
  uint64_t ops = 0;     // flash, boot record and journal operations of the run that is cut
  uint64_t cuts = 0;    // first cuts
  uint64_t nested = 0;  // cuts in a recovery
  uint64_t boots = 0;
  uint64_t not_bootable = 0;
  uint64_t unverified_boots = 0;
  uint64_t floor_ahead = 0;
  uint64_t operator_needed = 0;     // did not come to rest, or rests in the wrong state
  uint64_t redownloaded_bytes = 0;  // most after one cut
  uint64_t redownload_limit_passed = 0;
  uint64_t slot_wear = 0, boot_wear = 0, journal_wear = 0;  // most erases of one block in the uncut run
  std::string reason;                                       // of the first failure, with its place

  bool good() const {
    return not_bootable + unverified_boots + floor_ahead + operator_needed + redownload_limit_passed == 0;
  }
  void Add(const Tally& other);
};

struct ExploreOptions {
  std::string data_dir{};
  unsigned shard = 0, shards = 1;      // this one takes every `shards`-th cut
  uint64_t stride = 1;                 // of the operations, take every n-th
  uint64_t only_at = UINT64_MAX;       // this operation alone is cut first
  unsigned depth = 1;                  // cuts one after the other, each everywhere
  bool nested_tears_by_turns = false;  // of a second cut's four tears, one by turns
  uint64_t random_nested_every = 0;    // of the cuts, every n-th gets one more at a random place of its recovery
};

Tally Explore(const Scenario& scenario, const ExploreOptions& options);
// What one cut may cost: a frame, a chunk, the chunk list.
uint64_t RedownloadLimit(const Scenario& scenario);

}  // namespace till::power
