// Where a request comes from, and where its sender thinks the hub is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"

namespace till::server {

// "https://u.example:8443": `base_url` when set; else scheme and Host of the request, corrected by X-Forwarded-Proto,
// -Host and -Port when the peer is a trusted proxy. kInvalid for a Host that could not stand in a link.
Result<std::string> PublicOrigin(const http::Request& request, const std::string& base_url,
                                 const std::vector<std::string>& trusted_proxies);
bool FromTrustedProxy(const http::Request& request, const std::vector<std::string>& trusted_proxies);
// "127.0.0.1" of "127.0.0.1:4711", "::1" of "[::1]:4711".
std::string_view PeerAddress(const http::Request& request);
// Bytes that are the same for all requests of one client: its address, or its IPv6 network of 64 bits; behind a trusted
// proxy what the proxy wrote last into X-Forwarded-For.
std::string ClientKey(const http::Request& request, const std::vector<std::string>& trusted_proxies);

// Whether a browser sends an unsafe method on behalf of another site (Sec-Fetch-Site: cross-site, or an Origin that is
// not ours): it would add what it knows of the operator to a form of anybody's. Programs send neither header.
bool IsForeign(const http::Request& request, const std::string& base_url,
               const std::vector<std::string>& trusted_proxies);

}  // namespace till::server
