#include "cdn-edge/answer.h"

#include "core/text.h"

namespace till::edge {
namespace {

std::string Base64(ByteView bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? std::to_integer<uint32_t>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

http::Response Refusal(int status, std::string_view reason) {
  http::Response response = http::JsonResponse(status, "{\"error\":" + QuoteJson(reason) + "}\n");
  response.headers.push_back({"Cache-Control", "no-store"});  // a refusal is never worth keeping
  return response;
}

}  // namespace

const char* CacheVerdictName(CacheVerdict verdict) {
  switch (verdict) {
    case CacheVerdict::kHit:
      return "hit";
    case CacheVerdict::kPartial:
      return "partial";
    case CacheVerdict::kMiss:
      return "miss";
  }
  return "none";
}

std::string StrongEtag(const crypto::Sha256Digest& name) { return "\"" + ToHex(name) + "\""; }

std::string ReprDigest(const crypto::Sha256Digest& name) { return "sha-256=:" + Base64(name) + ":"; }

std::string CacheStatus(CacheVerdict verdict, bool collapsed) {
  if (verdict == CacheVerdict::kHit) return "tilledge; hit";
  std::string text =
      verdict == CacheVerdict::kPartial ? "tilledge; fwd=partial; stored" : "tilledge; fwd=uri-miss; stored";
  if (collapsed) text += "; collapsed";
  return text;
}

void AddObjectHeaders(const Freshness& freshness, http::Response& response) {
  response.headers.push_back({"Cache-Control", "public, max-age=31536000, immutable"});
  response.headers.push_back({"Age", std::to_string(freshness.age_s)});
  response.headers.push_back({"Via", "1.1 tilledge"});
  response.headers.push_back({"Cache-Status", CacheStatus(freshness.verdict, freshness.collapsed)});
  if (freshness.name) response.headers.push_back({"Repr-Digest", ReprDigest(*freshness.name)});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
}

http::Response WholeResponse(const http::Request& request, uint64_t size,
                             const decltype(http::RangeBody::make_stream)& make_stream) {
  http::Response response;
  if (request.has_header("If-Match") && request.header("If-Match") != "*") {
    response.status = 412;  // there is no tag that it could match
    return response;
  }
  response.headers.push_back({"Content-Type", "application/octet-stream"});
  response.stream_length = size;
  if (request.method != "HEAD") response.stream = make_stream(0, size);
  return response;
}

http::Response BadName() { return Refusal(400, "an object's name is its SHA-256: 64 lower-case hexadecimal digits"); }
http::Response NotFound() { return Refusal(404, "not found"); }

http::Response MethodNotAllowed() {
  http::Response response = Refusal(405, "only GET and HEAD");
  response.headers.push_back({"Allow", "GET, HEAD"});
  return response;
}

http::Response WrongOrigin() { return Refusal(502, "the origin's bytes do not match their hash"); }

http::Response TryLater() {
  http::Response response = Refusal(503, "this cannot be given now; try again");
  const unsigned spread = std::to_integer<unsigned>(crypto::RandomBytes(1)[0]) % 7;
  response.headers.push_back({"Retry-After", std::to_string(2 + spread)});
  return response;
}

}  // namespace till::edge
