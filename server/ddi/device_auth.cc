#include "server/ddi/device_auth.h"

#include <algorithm>

#include "core/crypto/hash.h"
#include "core/text.h"
#include "server/auth/origin.h"
#include "server/model/tenant_config.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

constexpr std::string_view kTargetScheme = "TargetToken ";
constexpr std::string_view kGatewayScheme = "GatewayToken ";

bool SameSecret(std::string_view a, std::string_view b) {
  return !a.empty() && crypto::EqualSecret(AsBytes(a), AsBytes(b));
}

// Authorities in one header value: "a,b;c", trimmed and lower-cased.
std::vector<std::string> Authorities(std::string_view text) {
  std::vector<std::string> list;
  for (const std::string_view part : Split(text, ',')) {
    for (const std::string_view authority : Split(part, ';')) {
      if (!Trim(authority).empty()) list.push_back(ToLower(Trim(authority)));
    }
  }
  return list;
}

// What the proxy says it verified: one header, or one numbered from 0 or 1 up to the first gap.
std::vector<std::string> ClaimedAuthorities(const http::Request& request) {
  std::vector<std::string> claimed = Authorities(request.header("X-Authority"));
  for (const char* prefix : {"X-Authority-", "X-Ssl-Issuer-Hash-"}) {
    for (int i = 0; i < 16; ++i) {
      const std::string_view value = request.header(prefix + std::to_string(i));
      if (value.empty() && i > 0) break;
      for (std::string& authority : Authorities(value)) claimed.push_back(std::move(authority));
    }
  }
  return claimed;
}

Result<bool> HeaderAuth(kv::ReadTxn& txn, const http::Request& request, std::string_view controller_id,
                        const std::vector<std::string>& trusted_proxies) {
  if (!FromTrustedProxy(request, trusted_proxies)) return false;
  if (!TILL_TRY(ConfigFlag(txn, config::kHeaderEnabled))) return false;
  std::string_view named = request.header("X-Controller-Id");
  if (named.empty()) named = request.header("X-Ssl-Client-Cn");
  if (named != controller_id) return false;
  const std::vector<std::string> wanted = Authorities(TILL_TRY(ConfigText(txn, config::kHeaderAuthority)));
  const std::vector<std::string> claimed = ClaimedAuthorities(request);
  return std::any_of(claimed.begin(), claimed.end(), [&](const std::string& authority) {
    return std::find(wanted.begin(), wanted.end(), authority) != wanted.end();
  });
}

Result<bool> TargetTokenAuth(kv::ReadTxn& txn, std::string_view token, std::string_view controller_id) {
  if (!TILL_TRY(ConfigFlag(txn, config::kTargetTokenEnabled))) return false;
  const auto target = GetTarget(txn, controller_id);
  if (!target.ok() && target.error().code != ErrorCode::kNotFound) return target.error();
  return target.ok() && SameSecret(token, target->security_token);
}

Result<bool> GatewayAuth(kv::ReadTxn& txn, std::string_view token) {
  if (!TILL_TRY(ConfigFlag(txn, config::kGatewayTokenEnabled))) return false;
  return SameSecret(token, TILL_TRY(ConfigText(txn, config::kGatewayTokenKey)));
}

}  // namespace

Result<DeviceAuth> AuthenticateDevice(kv::ReadTxn& txn, const http::Request& request, std::string_view controller_id,
                                      const std::vector<std::string>& trusted_proxies) {
  if (TILL_TRY(HeaderAuth(txn, request, controller_id, trusted_proxies))) return DeviceAuth::kOnBehalf;
  const std::string_view sent = request.header("Authorization");
  if (sent.starts_with(kTargetScheme)) {
    const bool right = TILL_TRY(TargetTokenAuth(txn, sent.substr(kTargetScheme.size()), controller_id));
    return right ? DeviceAuth::kItself : DeviceAuth::kRefused;
  }
  if (sent.starts_with(kGatewayScheme)) {
    const bool right = TILL_TRY(GatewayAuth(txn, sent.substr(kGatewayScheme.size())));
    return right ? DeviceAuth::kOnBehalf : DeviceAuth::kRefused;
  }
  return DeviceAuth::kRefused;
}

}  // namespace till::server
