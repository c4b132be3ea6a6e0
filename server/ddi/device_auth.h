// Whether a request may speak for a controller id (DDI A1): target token, gateway token, reverse-proxy header; each
// switched by tenant configuration, anonymous never. All secrets are compared in constant time.
#pragma once

#include <string>
#include <vector>

#include "core/http/message.h"
#include "core/kv/kv.h"

namespace till::server {

enum class DeviceAuth : uint8_t {
  kRefused,   // 401, whatever the reason
  kItself,    // the target's own token
  kOnBehalf,  // gateway or proxy header: may also make an unknown target
};
Result<DeviceAuth> AuthenticateDevice(kv::ReadTxn& txn, const http::Request& request, std::string_view controller_id,
                                      const std::vector<std::string>& trusted_proxies);

}  // namespace till::server
