// Is the new image good? Every executable in a folder, in the order of its name, must end with status 0 before the
// deadline. Checks run in a process group of their own, which is killed at the deadline, and see TILL_SLOT_IMAGE (the
// path of the slot that runs), TILL_SLOT and TILL_VERSION in their environment.
//   Bounds: 64 checks; of a check's output the last 4 KiB are kept, its last line is reported (160 bytes).
#pragma once

#include <cstddef>
#include <string>

#include "core/clock.h"

namespace till::device {

struct HealthInput {
  std::string folder;            // "" or missing: nothing to check
  int64_t deadline_ms = 60'000;  // for each check
  std::string slot_image, slot_name, version;
};

struct HealthVerdict {
  bool healthy = true;
  size_t checks = 0;   // that ended well
  std::string reason;  // "health: 10-selftest exit 1: no receipt printer"
};

HealthVerdict RunHealthChecks(const HealthInput& input, Clock& clock);

}  // namespace till::device
