// When and from where each target polled last. Kept in memory and written in batches: a poll costs no transaction, and
// a crash loses at most one flush interval of stamps, which the next poll brings back.
//   Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/kv/kv.h"

namespace till::server {

struct Seen {
  int64_t at_ms = 0;
  std::string address;  // "10.1.2.3"
};

class LastSeen {
 public:
  // Reads what was flushed before.
  Status Load(kv::Store& store);
  void Touch(std::string_view controller_id, std::string_view address, int64_t now_ms);
  Seen Get(std::string_view controller_id) const;  // at_ms 0 = never
  void Forget(std::string_view controller_id);
  // Writes the changed stamps, at most 1000 in one transaction.
  Status Flush(kv::Store& store);

 private:
  struct Stamp {
    Seen seen;
    bool dirty = false;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Stamp> stamps_;
};

}  // namespace till::server
