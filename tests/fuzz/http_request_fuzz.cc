// An accepted request head has exactly one Host, one framing and a path that leads nowhere else; what the parser says
// does not depend on how the input was cut; and a chunked body is the same for any cutting.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http/chunked.h"
#include "core/http/message.h"
#include "core/text.h"

namespace {

using till::Result;
using till::http::ChunkedDecoder;
using till::http::ParseRequestHead;
using till::http::RequestHead;

void Require(bool holds) {
  if (!holds) std::abort();
}

size_t CountFields(const RequestHead& head, std::string_view name) {
  size_t count = 0;
  for (const auto& field : head.request.headers) count += till::EqualsIgnoreCase(field.name, name) ? 1 : 0;
  return count;
}

void CheckAccepted(const RequestHead& head, std::string_view input) {
  Require(CountFields(head, "Host") == 1);
  const size_t lengths = CountFields(head, "Content-Length");
  const size_t encodings = CountFields(head, "Transfer-Encoding");
  Require(lengths + encodings <= 1);
  Require(head.content_length.has_value() == (lengths == 1) && head.chunked == (encodings == 1));
  Require(head.head_bytes <= input.size() && head.head_bytes >= 4);
  Require(input.substr(0, head.head_bytes).ends_with("\r\n\r\n"));
  const std::string& path = head.request.path;
  Require(path == "*" || path.starts_with('/'));
  Require(path.find('\0') == std::string::npos && path.find('\\') == std::string::npos);
  Require(path.find("//") == std::string::npos);
  for (const std::string_view segment : till::Split(path, '/')) Require(segment != "." && segment != "..");
  for (const auto& field : head.request.headers) {
    Require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  for (const std::string& segment : till::http::PathSegments(head.request.raw_target)) {
    Require(segment != "." && segment != "..");
  }
  (void)head.request.QueryParameter("a");
}

void CheckHead(std::string_view input, size_t cut) {
  const Result<std::optional<RequestHead>> whole = ParseRequestHead(input);
  const Result<std::optional<RequestHead>> part = ParseRequestHead(input.substr(0, cut));
  if (whole.ok() && *whole) CheckAccepted(**whole, input);
  if (!part.ok()) {
    Require(!whole.ok() && whole.error().detail == part.error().detail);
  } else if (*part) {
    Require(whole.ok() && whole.value().has_value());
    Require((*whole)->head_bytes == (*part)->head_bytes && (*whole)->request.path == (*part)->request.path);
  }
}

struct Decoded {
  bool ok = true;
  std::string body;
  size_t used = 0;
};

Decoded DecodeIn(std::string_view input, size_t piece_bytes) {
  ChunkedDecoder decoder;
  Decoded out;
  while (out.used < input.size() && !decoder.done()) {
    const Result<ChunkedDecoder::Step> step = decoder.Feed(input.substr(out.used, piece_bytes));
    if (!step.ok()) {
      out.ok = false;
      return out;
    }
    Require(step->used > 0);
    out.body += step->data;
    out.used += step->used;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t seed = static_cast<size_t>(data[0]) << 8 | data[1];
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  CheckHead(input, input.empty() ? 0 : seed % (input.size() + 1));
  const Decoded whole = DecodeIn(input, input.size() + 1);
  const Decoded pieces = DecodeIn(input, seed % 7 + 1);
  Require(whole.ok == pieces.ok);
  if (whole.ok) Require(whole.body == pieces.body && whole.used == pieces.used);
  return 0;
}
