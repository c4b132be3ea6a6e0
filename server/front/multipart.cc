#include "server/front/multipart.h"

#include "core/text.h"

namespace till::front {
namespace {

constexpr size_t kMaxPartHeaderBytes = 8 * 1024;
constexpr uint32_t kMaxParts = 16;
constexpr size_t kMaxBoundaryBytes = 70;  // RFC 2046

// Splits a header value at ';' outside quotes; `at` moves past the piece.
std::string_view NextPiece(std::string_view value, size_t& at) {
  const size_t start = at;
  bool quoted = false;
  for (; at < value.size(); ++at) {
    if (quoted && value[at] == '\\' && at + 1 < value.size()) {
      ++at;
    } else if (value[at] == '"') {
      quoted = !quoted;
    } else if (value[at] == ';' && !quoted) {
      break;
    }
  }
  const std::string_view piece = value.substr(start, at - start);
  if (at < value.size()) ++at;
  return piece;
}

std::string Unquote(std::string_view text) {
  text = Trim(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    // Old browsers send C:\x unescaped; only \" and \\ are escapes.
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    out.push_back(text[i]);
  }
  return out;
}

std::string WithoutFolder(const std::string& name) {
  const size_t slash = name.find_last_of("/\\");
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

Result<PartHead> ParsePartHead(std::string_view block) {
  PartHead head;
  while (!block.empty()) {
    const size_t end = block.find("\r\n");
    const std::string_view line = block.substr(0, end);
    block.remove_prefix(end == std::string_view::npos ? block.size() : end + 2);
    const size_t colon = line.find(':');
    const bool control = line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
    if (colon == std::string_view::npos || colon == 0 || control) {
      return Error{ErrorCode::kInvalid, "part header line is malformed", 0};
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trim(line.substr(colon + 1));
    if (EqualsIgnoreCase(name, "content-disposition")) {
      head.name = HeaderParameter(value, "name");
      head.filename = WithoutFolder(HeaderParameter(value, "filename", &head.is_file));
    } else if (EqualsIgnoreCase(name, "content-type")) {
      head.content_type = value;
    }
  }
  return head;
}

}  // namespace

std::string HeaderParameter(std::string_view value, std::string_view name, bool* found) {
  if (found != nullptr) *found = false;
  size_t at = 0;
  NextPiece(value, at);  // the value itself
  while (at < value.size()) {
    const std::string_view piece = NextPiece(value, at);
    const size_t equals = piece.find('=');
    if (equals == std::string_view::npos || !EqualsIgnoreCase(Trim(piece.substr(0, equals)), name)) continue;
    if (found != nullptr) *found = true;
    return Unquote(piece.substr(equals + 1));
  }
  return "";
}

Result<std::string> MultipartBoundary(std::string_view content_type) {
  size_t at = 0;
  if (!EqualsIgnoreCase(Trim(NextPiece(content_type, at)), "multipart/form-data")) {
    return Error{ErrorCode::kInvalid, "not multipart/form-data", 0};
  }
  std::string boundary = HeaderParameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > kMaxBoundaryBytes) {
    return Error{ErrorCode::kInvalid, "multipart boundary is missing or too long", boundary.size()};
  }
  for (const char c : boundary) {
    if (c < ' ' || c > '~') return Error{ErrorCode::kInvalid, "multipart boundary holds a forbidden character", 0};
  }
  return boundary;
}

MultipartParser::MultipartParser(std::string boundary, PartVisitor& visitor)
    : delimiter_("\r\n--" + std::move(boundary)), visitor_(visitor), pending_("\r\n") {}
// pending_ starts with the line break that a first delimiter at the very start of the body lacks.

Status MultipartParser::Write(ByteView bytes) {
  // Fed in slices, so that pending_ stays small whatever the caller holds.
  constexpr size_t kSliceBytes = 64 * 1024;
  while (!bytes.empty()) {
    const ByteView slice = bytes.first(bytes.size() < kSliceBytes ? bytes.size() : kSliceBytes);
    bytes = bytes.subspan(slice.size());
    if (state_ == State::kEpilogue) continue;
    pending_.append(AsText(slice));
    while (TILL_TRY(Step())) {
    }
  }
  return Ok();
}

Status MultipartParser::Finish() const {
  if (state_ != State::kEpilogue) return Error{ErrorCode::kInvalid, "multipart body ends before its last delimiter", 0};
  return Ok();
}

Result<bool> MultipartParser::Step() {
  switch (state_) {
    case State::kPreamble:
    case State::kData:
      return SeekDelimiter();
    case State::kAfterDelimiter:
      return ReadAfterDelimiter();
    case State::kHeaders:
      return ReadHeaders();
    case State::kEpilogue:
      pending_.clear();
      return false;
  }
  return false;
}

Result<bool> MultipartParser::SeekDelimiter() {
  const size_t found = pending_.find(delimiter_);
  // Without a delimiter, all is data but a tail that could be the start of one.
  size_t data = found;
  if (found == std::string::npos) {
    data = pending_.size() < delimiter_.size() ? 0 : pending_.size() - (delimiter_.size() - 1);
    const size_t line_break = pending_.find('\r', data);
    data = line_break == std::string::npos ? pending_.size() : line_break;
  }
  if (state_ == State::kData && data > 0) {
    TILL_TRY(visitor_.OnPartData(AsBytes(std::string_view(pending_).substr(0, data))));
  }
  if (found == std::string::npos) {
    pending_.erase(0, data);
    return false;
  }
  if (state_ == State::kData) TILL_TRY(visitor_.OnPartEnd());
  pending_.erase(0, found + delimiter_.size());
  state_ = State::kAfterDelimiter;
  return true;
}

// After a delimiter: "--" ends the body; otherwise blanks and a line break, then headers.
Result<bool> MultipartParser::ReadAfterDelimiter() {
  if (pending_.size() >= 2 && pending_.compare(0, 2, "--") == 0) {
    state_ = State::kEpilogue;
    return true;
  }
  const size_t end = pending_.find('\n');
  if (end == std::string::npos) {
    if (pending_.size() > 64) return Error{ErrorCode::kInvalid, "text after a multipart delimiter", 0};
    return false;
  }
  if (end == 0 || pending_[end - 1] != '\r' || !Trim(std::string_view(pending_).substr(0, end)).empty()) {
    return Error{ErrorCode::kInvalid, "text after a multipart delimiter", 0};
  }
  if (++parts_ > kMaxParts) return Error{ErrorCode::kLimit, "too many parts", kMaxParts};
  // The line break stays: a part without headers starts with it.
  pending_.erase(0, end - 1);
  state_ = State::kHeaders;
  return true;
}

Result<bool> MultipartParser::ReadHeaders() {
  const size_t end = pending_.find("\r\n\r\n");
  const bool too_long = (end == std::string::npos ? pending_.size() : end) > kMaxPartHeaderBytes;
  if (too_long) return Error{ErrorCode::kLimit, "part headers are too long", kMaxPartHeaderBytes};
  if (end == std::string::npos) return false;
  const std::string_view block = end < 2 ? std::string_view() : std::string_view(pending_).substr(2, end - 2);
  TILL_TRY(visitor_.OnPart(TILL_TRY(ParsePartHead(block))));
  pending_.erase(0, end + 4);
  state_ = State::kData;
  return true;
}

}  // namespace till::front
