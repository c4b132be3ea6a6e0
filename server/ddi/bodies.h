// The bodies terminals send, read leniently as hawkBit reads them (unknown members ignored, a single value taken as a
// list, numbers taken as texts), and bounded: pure functions of bytes, fuzzed by tests/fuzz/ddi_body_fuzz.cc.
//   kInvalid: the body is not usable (400); kLimit: above a quota (429).
#pragma once

#include <string>
#include <string_view>

#include "server/model/operations.h"

namespace till::server {

// POST deploymentBase/{id}/feedback and cancelAction/{id}/feedback.
Result<Feedback> ParseFeedback(std::string_view body);
// PUT configData.
Result<AttributeChange> ParseConfigData(std::string_view body);

struct InstalledBase {
  std::string name, version;
};
// PUT installedBase.
Result<InstalledBase> ParseInstalledBase(std::string_view body);

inline constexpr uint64_t kMaxDdiBodyBytes = 256 * 1024;

}  // namespace till::server
