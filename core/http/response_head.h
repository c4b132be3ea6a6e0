// The head of an answer as bytes, and how its body is framed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/server.h"

namespace till::http {

enum class Framing : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct ResponseHead {
  std::string text;
  Framing framing = Framing::kNone;
  uint64_t length = 0;      // with kLength
  bool keep_alive = false;  // also when the handler asked for the end
};

struct HeadContext {
  bool is_head = false;  // the method
  bool http_1_0 = false;
  bool keep_alive = true;
  std::string_view date;  // "Sun, 22 Nov 2026 20:15:00 GMT"
};

// False when the status or a header is not fit to be sent (a CR or LF in a value): that is the handler's bug, and the
// caller answers 500 instead. Content-Length, Transfer-Encoding, Date and Connection of the handler's are left out.
bool WriteResponseHead(const Response& response, const HeadContext& context, ResponseHead& head);

std::string_view ReasonPhrase(int status);

}  // namespace till::http
