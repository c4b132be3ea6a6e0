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
Finding Failing(const Fault& fault, const std::string& context);

struct DoctorInput {
  const Config& config;
  std::string token;
  SlotId running = SlotId::kA;
  bool offline = false;
};

// Whatever of `parts` is not there is left out.
std::vector<Finding> Examine(const DoctorInput& input, Parts parts);

}  // namespace till::device
