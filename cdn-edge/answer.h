// The words of the edge's answers: what RFC 9110 (caching, validators), 9211 (Cache-Status) and 9530 (Repr-Digest) want
// to hear, and refusals. Pure.
#pragma once

#include <optional>
#include <string>

#include "core/crypto/hash.h"
#include "core/http/server.h"

namespace till::edge {

// How an answer came to be; also the access log's `cache`.
enum class CacheVerdict : uint8_t {
  kHit,      // everything asked for was in the store
  kPartial,  // some of the object was, not all that was asked for
  kMiss,     // nothing of the object was
};
const char* CacheVerdictName(CacheVerdict verdict);

std::string StrongEtag(const crypto::Sha256Digest& name);  // with its quotes
std::string ReprDigest(const crypto::Sha256Digest& name);  // "sha-256=:<base64>:"
std::string CacheStatus(CacheVerdict verdict, bool collapsed);

// The headers every answer about a known object carries, also 304 and 416.
struct Freshness {
  std::optional<crypto::Sha256Digest> name;  // none: not known to be true, so no digest
  int64_t age_s = 0;
  CacheVerdict verdict = CacheVerdict::kHit;
  bool collapsed = false;  // a fill for it was already under way
};
void AddObjectHeaders(const Freshness& freshness, http::Response& response);

// 200 with all of what nobody vouches for yet: no tag, no ranges. `make_stream` as in http::RangeBody.
http::Response WholeResponse(const http::Request& request, uint64_t size,
                             const decltype(http::RangeBody::make_stream)& make_stream);

http::Response BadName();
http::Response NotFound();
http::Response MethodNotAllowed();
// 502: the origin's bytes do not have their hash.
http::Response WrongOrigin();
// 503 with a Retry-After of 2 to 8 s, spread by chance so that a fleet does not come back as one.
http::Response TryLater();

}  // namespace till::edge
