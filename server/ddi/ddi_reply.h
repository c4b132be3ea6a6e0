// How DDI answers look: media types, shallow ETags, hawkBit's error bodies.
#pragma once

#include <string>
#include <string_view>

#include "core/http/server.h"
#include "core/json/json.h"

namespace till::server {

// 200 with JSON in the type the client accepts (hal+json or json), a shallow ETag (quoted MD5 of the body), 304 when
// the client has it; 406 when it accepts neither. One write, as small clients want.
http::Response DdiJson(const http::Request& request, const json::Value& value);

// 200 without a body: the only success of POST and PUT.
http::Response DdiDone();

// An error with hawkBit's body; 401 has none.
enum class DdiFault : uint8_t {
  kUnreadable,     // 400
  kConstraint,     // 400
  kUnauthorized,   // 401
  kNotFound,       // 404
  kMethod,         // 405
  kNotCanceling,   // 405
  kNotAcceptable,  // 406
  kConflict,       // 409
  kGone,           // 410
  kMediaType,      // 415
  kQuota,          // 429
  kInternal,       // 500
  kBusy,           // 503
};
http::Response DdiError(DdiFault fault, std::string_view message = "");

// True when a body's Content-Type is JSON (or none was given).
bool IsJsonBody(const http::Request& request);

// Percent-encodes all but unreserved characters: one path segment.
std::string UrlSegment(std::string_view text);

}  // namespace till::server
