// What the edge counts since its data folder was made, for /status: kept in the index, so that a restart loses at most
// the last seconds. Any thread; relaxed: the numbers are for people and tests.
#pragma once

#include <atomic>
#include <cstdint>

namespace till::edge {

struct Counters {
  using Count = std::atomic<uint64_t>;
  Count requests{0};         // to /a/
  Count bytes_served{0};     // body bytes of /a/ answers handed to the kernel
  Count bytes_filled{0};     // body bytes of objects received from the origin, wasted ones too
  Count bytes_metadata{0};   // signed metadata received from the origin
  Count origin_requests{0};  // for objects
  Count origin_failures{0};
  Count hits{0};  // answered wholly from the store
  Count misses{0};
  Count chunks_stored{0};
  Count chunks_refused{0};    // from the origin, with a wrong hash
  Count chunks_found_bad{0};  // on our disk
  Count objects_evicted{0};
  Count stores_failed{0};  // writes refused by the disk or the cap, passed through from memory instead
  Count refreshes{0};      // of signed metadata
  Count refreshes_failed{0};
};

// Their names in /status and in the index.
struct CounterName {
  const char* name;
  Counters::Count Counters::*count;
};
inline constexpr CounterName kCounterNames[] = {
    {"requests", &Counters::requests},
    {"bytes_served", &Counters::bytes_served},
    {"bytes_filled", &Counters::bytes_filled},
    {"bytes_metadata", &Counters::bytes_metadata},
    {"origin_requests", &Counters::origin_requests},
    {"origin_failures", &Counters::origin_failures},
    {"hits", &Counters::hits},
    {"misses", &Counters::misses},
    {"chunks_stored", &Counters::chunks_stored},
    {"chunks_refused", &Counters::chunks_refused},
    {"chunks_found_bad", &Counters::chunks_found_bad},
    {"objects_evicted", &Counters::objects_evicted},
    {"stores_failed", &Counters::stores_failed},
    {"refreshes", &Counters::refreshes},
    {"refreshes_failed", &Counters::refreshes_failed},
};

}  // namespace till::edge
