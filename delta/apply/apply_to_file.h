// Applying a payload from files to a file, as till-apply and tillpack apply do it: written beside, renamed when the
// hash is right, nothing left behind otherwise (core/output_file.h; a device is written through).
#pragma once

#include <string>

#include "core/fault.h"
#include "delta/format/format.h"

namespace till::delta {

struct ApplyPaths {
  std::string base;  // "" for a full payload
  std::string payload;
  std::string out;
  uint64_t max_arena_bytes = 0;
};

struct ApplyOutcome {
  Status status;
  const Fault* fault = nullptr;  // when the status is not ok: what to tell, about which file, with which exit code
  std::string context;
  int exit_code = 0;     // 1 failed, 3 wrong base or payload, 4 memory ceiling
  PayloadHeader header;  // when all went well
  // This process's peak resident memory since its exec (VmHWM: getrusage counts the parent's before it); 0: unknown.
  uint64_t peak_rss_kib = 0;
};

ApplyOutcome ApplyToFile(const ApplyPaths& paths);

}  // namespace till::delta
