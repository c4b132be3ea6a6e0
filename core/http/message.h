// HTTP/1.1 requests as our server reads them, strictly (RFC 9112), and the pieces handlers answer with.
//   Refused with 400 and a closed connection: bare LF, obs-fold, space before a colon, control characters, no Host or
//   two, both framings or one twice, Transfer-Encoding other than exactly "chunked", absolute-form with another host;
//   in a path: "%00" and other control characters, "\\", "." and ".." segments, "//", text that is not UTF-8, and a
//   second layer of percent-encoding over any of these.
//   Bounds: request line 8 KiB, all headers 16 KiB and 64 fields. Why a parser of our own: docs/decisions/0006.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/http/client.h"
#include "core/result.h"

namespace till::http {

struct Request {
  std::string method;      // "GET"
  std::string path;        // percent-decoded once; never holds NUL, "." or ".." segments, or "//"
  std::string raw_target;  // as sent
  std::string query;       // after '?', not decoded
  std::vector<HeaderField> headers;
  std::string body;  // when the handler asked for it buffered
  std::string peer;  // "127.0.0.1:40312"
  bool over_tls = false;
  std::string client_cert_name;    // common name of the verified client certificate; "" = none
  std::string client_cert_sha256;  // of its DER form, lower-case hexadecimal

  std::string_view header(std::string_view name) const;  // case-insensitive; "" when absent
  bool has_header(std::string_view name) const;
  // A query parameter, decoded; nullopt when absent.
  std::optional<std::string> QueryParameter(std::string_view name) const;
};

struct RequestHead {
  Request request;
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool http_1_0 = false;
  size_t head_bytes = 0;  // how much of the input the head took
};

// Parses one request head from the start of `input`. Answers nullopt when more bytes are needed (and the limits are
// not yet passed); an Error's detail is the HTTP status to refuse with (400, 405, 413, 414, 431, 501, 505).
Result<std::optional<RequestHead>> ParseRequestHead(std::string_view input);

// Splits "/a/b/c?q" into "a", "b", "c": each segment is decoded on its own, so "%2F" stays inside one. A slash at the
// end adds none. `raw_target` is that of a Request that was accepted; absolute-form is understood.
std::vector<std::string> PathSegments(std::string_view raw_target);

// --- Ranges (RFC 9110 section 14) ---
struct ByteRange {
  uint64_t first = 0;
  uint64_t length = 0;
};
enum class RangeVerdict : uint8_t { kWhole, kPartial, kUnsatisfiable };
struct RangeSelection {
  RangeVerdict verdict = RangeVerdict::kWhole;
  std::vector<ByteRange> ranges;  // coalesced, ascending; 1 to 4 when kPartial
};
// Which part of an object of `size` bytes a request asks for. A malformed or over-long header (more than 4 ranges after
// coalescing) is ignored (kWhole), as the RFC allows; a well-formed one that misses the object is kUnsatisfiable.
// `strict_syntax` is hawkBit's way: a malformed header and overlapping ranges are kUnsatisfiable too.
RangeSelection SelectRange(std::string_view range_header, uint64_t size, bool strict_syntax = false);

}  // namespace till::http
