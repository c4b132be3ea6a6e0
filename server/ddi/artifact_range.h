// How DDI artifact paths read Range, If-Range and If-Match, where hawkBit's clients expect other answers than RFC 9110
// gives: the ETag is the quoted SHA-1; a Range that cannot be read, misses the file or overlaps itself is 416; If-Match
// takes the SHA-1 with and without quotes. Everything else is core/http's RangeResponse. Pure.
#pragma once

#include <string>

#include "core/http/message.h"

namespace till::server {

struct ArtifactAsk {
  bool precondition_holds = true;  // else 412
  http::Request
      request;  // what RangeResponse is to see: without If-Match, If-None-Match, and a Range that must not count
};
// `last_modified` is the file's own Last-Modified header.
ArtifactAsk ReadArtifactAsk(const http::Request& request, const std::string& sha1, const std::string& last_modified);

// "Sun, 22 Nov 2026 20:15:00 GMT"
std::string HttpDate(int64_t unix_s);

}  // namespace till::server
