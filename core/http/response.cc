#include <algorithm>
#include <array>

#include "core/http/response_head.h"
#include "core/text.h"

namespace till::http {
namespace {

class FilePart final : public BodyStream {
 public:
  FilePart(std::shared_ptr<const UniqueFd> file, uint64_t first, uint64_t length)
      : file_(std::move(file)), first_(first), length_(length) {}
  Piece Next() override {
    Piece piece;
    if (length_ == 0) return piece;
    piece.kind = Piece::Kind::kFile;
    piece.fd = file_->get();
    piece.offset = first_;
    piece.length = std::exchange(length_, 0);
    return piece;
  }

 private:
  std::shared_ptr<const UniqueFd> file_;  // shared with the other answers from the same file
  uint64_t first_;
  uint64_t length_;
};

bool IsOurs(std::string_view name) {
  switch (name.size()) {
    case 4:
      return EqualsIgnoreCase(name, "Date");
    case 10:
      return EqualsIgnoreCase(name, "Connection");
    case 14:
      return EqualsIgnoreCase(name, "Content-Length");
    case 17:
      return EqualsIgnoreCase(name, "Transfer-Encoding");
    default:
      return false;
  }
}

bool IsSafe(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  struct Named {
    int status;
    std::string_view phrase;
  };
  static constexpr std::array<Named, 39> kPhrases = {{
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {423, "Locked"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  }};
  for (const Named& named : kPhrases) {
    if (named.status == status) return named.phrase;
  }
  return "Unnamed";
}

bool WriteResponseHead(const Response& response, const HeadContext& context, ResponseHead& head) {
  if (response.status < 200 || response.status > 599) return false;
  head.keep_alive = context.keep_alive;
  const bool bodiless = response.status == 204 || response.status == 304;
  std::string& text = head.text;
  text.reserve(256);
  text = "HTTP/1.1 ";
  text += std::to_string(response.status);
  text += ' ';
  text += ReasonPhrase(response.status);
  text += "\r\nDate: ";
  text += context.date;
  for (const HeaderField& field : response.headers) {
    if (!IsSafe(field.name) || !IsSafe(field.value) || field.name.empty()) return false;
    if (IsOurs(field.name)) {
      if (EqualsIgnoreCase(field.name, "Connection") && EqualsIgnoreCase(field.value, "close")) head.keep_alive = false;
      continue;
    }
    text += "\r\n";
    text += field.name;
    text += ": ";
    text += field.value;
  }
  head.framing = Framing::kNone;
  if (!bodiless) {
    if (response.stream_length || !response.stream) {
      head.framing = Framing::kLength;
      head.length = response.stream_length.value_or(response.body.size());
      text += "\r\nContent-Length: ";
      text += std::to_string(head.length);
    } else if (!context.http_1_0) {
      head.framing = Framing::kChunked;
      text += "\r\nTransfer-Encoding: chunked";
    } else {
      head.framing = Framing::kUntilClose;
      head.keep_alive = head.keep_alive && context.is_head;
    }
    if (context.is_head) head.framing = Framing::kNone;
  }
  if (!head.keep_alive) {
    text += "\r\nConnection: close";
  } else if (context.http_1_0) {
    text += "\r\nConnection: keep-alive";
  }
  text += "\r\n\r\n";
  return true;
}

Response TextResponse(int status, std::string text) {
  Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body = std::move(text);
  return response;
}

int StatusOfFailure(const Error& error) {
  if (error.code == ErrorCode::kNotFound) return 404;
  const bool passes =
      IsOutOfResources(error) || error.code == ErrorCode::kLimit || error.code == ErrorCode::kUnavailable;
  return passes ? 503 : 500;
}

Response FailureResponse(const Error& error) {
  Response response = TextResponse(StatusOfFailure(error), "");
  AddRetryAfter(response);
  return response;
}

void AddRetryAfter(Response& response) {
  if (response.status != 503 && response.status != 429) return;
  for (const HeaderField& field : response.headers) {
    if (EqualsIgnoreCase(field.name, "Retry-After")) return;
  }
  response.headers.push_back({"Retry-After", "2"});
}

Response JsonResponse(int status, std::string json) {
  Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::move(json);
  return response;
}

std::unique_ptr<BodyStream> FileStream(std::shared_ptr<const UniqueFd> file, uint64_t first, uint64_t length) {
  return std::make_unique<FilePart>(std::move(file), first, length);
}

}  // namespace till::http
