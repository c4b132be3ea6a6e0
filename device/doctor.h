// `tilld doctor`: looks at everything an update will need, before one comes.
#pragma once

#include <string>
#include <vector>

#include "device/runner.h"

namespace till::device {

struct Finding {
  bool ok = true;
  std::string text;
  const Fault* fault = nullptr;  // when not ok
};

// Writes the boot record once (the same state), reads everything else. The server is asked (half a minute at the
// most) unless `offline`.
std::vector<Finding> Examine(const Config& config, const std::string& token, SlotId running, Parts parts, bool offline);

}  // namespace till::device
