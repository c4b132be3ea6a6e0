#include "server/auth/origin.h"

#include <algorithm>

#include "core/http/address.h"
#include "core/text.h"

namespace till::server {
namespace {

bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '[' || c == ']';
  });
}

std::string_view FirstOf(std::string_view list) { return Trim(list.substr(0, list.find(','))); }

// The host without its port; IPv6 literals keep their brackets.
std::string_view WithoutPort(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || (host.starts_with('[') && host.find(']') > colon)) return host;
  return host.substr(0, colon);
}

// "u.example:8443" of "https://u.example:8443/console".
std::string_view AuthorityOf(std::string_view origin) {
  const size_t at = origin.find("://");
  if (at == std::string_view::npos) return {};
  origin.remove_prefix(at + 3);
  return origin.substr(0, origin.find('/'));
}

}  // namespace

std::string_view PeerAddress(const http::Request& request) {
  std::string_view address = WithoutPort(request.peer);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  return address;
}

bool FromTrustedProxy(const http::Request& request, const std::vector<std::string>& trusted_proxies) {
  return std::find(trusted_proxies.begin(), trusted_proxies.end(), PeerAddress(request)) != trusted_proxies.end();
}

Result<std::string> PublicOrigin(const http::Request& request, const std::string& base_url,
                                 const std::vector<std::string>& trusted_proxies) {
  if (!base_url.empty()) return base_url;
  std::string scheme = request.over_tls ? "https" : "http";
  std::string host(request.header("Host"));
  if (FromTrustedProxy(request, trusted_proxies)) {
    const std::string_view proto = FirstOf(request.header("X-Forwarded-Proto"));
    if (proto == "http" || proto == "https") scheme = proto;
    if (request.has_header("X-Forwarded-Host")) host = FirstOf(request.header("X-Forwarded-Host"));
    const std::string_view port = FirstOf(request.header("X-Forwarded-Port"));
    const auto number = ParseUint(port);
    if (number.ok() && *number > 0 && *number < 65536) {
      const bool usual = *number == (scheme == "https" ? 443u : 80u);
      host = std::string(WithoutPort(host)) + (usual ? "" : ":" + std::string(port));
    }
  }
  if (!IsHost(host)) return Error{ErrorCode::kInvalid, "the Host cannot stand in a link"};
  return scheme + "://" + host;
}

std::string ClientKey(const http::Request& request, const std::vector<std::string>& trusted_proxies) {
  std::string address(PeerAddress(request));
  if (FromTrustedProxy(request, trusted_proxies)) {
    const std::string_view forwarded = request.header("X-Forwarded-For");
    const std::string_view last = Trim(forwarded.substr(forwarded.rfind(',') + 1));  // what our proxy saw itself
    if (!last.empty()) address = last;
  }
  const auto parsed = http::ParseAddress(address, 0);
  return parsed.ok() ? http::AdmissionKey(parsed->storage) : std::string(PeerAddress(request));
}

bool IsForeign(const http::Request& request, const std::string& base_url,
               const std::vector<std::string>& trusted_proxies) {
  if (request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS") return false;
  if (EqualsIgnoreCase(Trim(request.header("Sec-Fetch-Site")), "cross-site")) return true;
  if (!request.has_header("Origin")) return false;
  const std::string_view authority = AuthorityOf(Trim(request.header("Origin")));  // "" of "null": a sandboxed page
  if (authority.empty()) return true;
  if (EqualsIgnoreCase(authority, request.header("Host"))) return false;
  if (EqualsIgnoreCase(authority, AuthorityOf(base_url))) return false;
  const auto origin = PublicOrigin(request, "", trusted_proxies);
  return !origin.ok() || !EqualsIgnoreCase(authority, AuthorityOf(*origin));
}

}  // namespace till::server
