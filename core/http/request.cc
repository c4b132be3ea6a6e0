#include <algorithm>
#include <array>

#include "core/http/message.h"
#include "core/text.h"

namespace till::http {
namespace {

constexpr size_t kMaxRequestLineBytes = 8 << 10;  // with its CRLF
constexpr size_t kMaxHeaderBytes = 16 << 10;      // all fields, with their CRLFs and the empty line
constexpr size_t kMaxFields = 64;
constexpr size_t kMaxLengthDigits = 18;

Error Refuse(uint64_t status, const char* what) { return Error{ErrorCode::kInvalid, what, status}; }

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (const char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kTokenTable = MakeTokenTable();

bool IsToken(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kTokenTable[static_cast<unsigned char>(c)]; });
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that "%xx" at `at` stands for, or -1.
int EscapedByte(std::string_view text, size_t at) {
  if (text[at] != '%' || at + 2 >= text.size()) return -1;
  const int high = HexValue(text[at + 1]);
  const int low = HexValue(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// nullopt for a broken escape.
std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int byte = EscapedByte(text, i);
      if (byte < 0) return std::nullopt;
      out.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

// UTF-8 of RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    size_t more = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    for (; more > 0; --more, ++i) {
      if (i >= text.size()) return false;
      const auto next = static_cast<unsigned char>(text[i]);
      if (next < low || next > high) return false;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}

bool HasBadSegment(std::string_view path) {
  if (path.find("//") != std::string_view::npos) return true;
  for (const std::string_view segment : Split(path, '/')) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

// True when a second decoding would make something that the first must not hold.
bool HidesAnEscape(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    const int byte = EscapedByte(path, i);
    if (byte >= 0 &&
        (IsControl(static_cast<char>(byte)) || byte == '.' || byte == '/' || byte == '\\' || byte == '%')) {
      return true;
    }
  }
  return false;
}

Status ParsePath(std::string_view raw, std::string& path) {
  if (!raw.starts_with('/')) return Refuse(400, "the target is no path");
  std::optional<std::string> decoded = Decode(raw, false);
  if (!decoded) return Refuse(400, "a broken percent-escape");
  if (std::any_of(decoded->begin(), decoded->end(), [](char c) { return IsControl(c) || c == '\\'; })) {
    return Refuse(400, "a character that no path may hold");
  }
  if (HasBadSegment(*decoded) || HidesAnEscape(*decoded)) return Refuse(400, "a path that leads elsewhere");
  if (!IsUtf8(*decoded)) return Refuse(400, "the path is not UTF-8");
  path = std::move(*decoded);
  return Ok();
}

// host[:port]; the characters of names, IPv4 and "[v6]".
bool IsHost(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._:[]~").find(c) != std::string_view::npos;
  });
}

// Takes "http://host" off an absolute-form target; `host` stays empty for the usual form.
Result<std::string_view> StripAuthority(std::string_view target, std::string_view& host) {
  if (target.empty() || target.front() == '/') return target;
  const size_t mark = target.find("://");
  if (mark == std::string_view::npos) return Refuse(400, "the target is no path");
  const std::string_view scheme = target.substr(0, mark);
  if (!EqualsIgnoreCase(scheme, "http") && !EqualsIgnoreCase(scheme, "https")) {
    return Refuse(400, "the target is of another scheme");
  }
  const std::string_view rest = target.substr(mark + 3);
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  host = rest.substr(0, end);
  if (!IsHost(host) || end == rest.size() || rest[end] == '?') return Refuse(400, "an unusable absolute target");
  return rest.substr(end);
}

// One head, line by line.
class HeadParser {
 public:
  explicit HeadParser(std::string_view input) : input_(input) {}
  Result<std::optional<RequestHead>> Parse();

 private:
  // The next line without its CRLF; nullopt when it is not complete. `end_limit` is where the line must end at last.
  Result<std::optional<std::string_view>> NextLine(size_t end_limit, uint64_t too_long_status);
  Status ParseRequestLine(std::string_view line);
  Status ParseTarget(std::string_view target);
  Status ParseField(std::string_view line);
  Status TakeKnownField(const HeaderField& field);
  Status Finish();

  std::string_view input_;
  size_t offset_ = 0;
  RequestHead head_;
  std::string_view target_host_;
  bool minor_0_ = false;
  bool has_host_ = false;
  bool asks_keep_alive_ = false;
  bool asks_close_ = false;
};

Result<std::optional<std::string_view>> HeadParser::NextLine(size_t end_limit, uint64_t too_long_status) {
  const size_t newline = input_.find('\n', offset_);
  const size_t end = newline == std::string_view::npos ? input_.size() : newline + 1;
  if (end > end_limit) return Refuse(too_long_status, "the request's head is too long");
  if (newline == std::string_view::npos) return std::optional<std::string_view>();
  if (newline == offset_ || input_[newline - 1] != '\r') return Refuse(400, "a line that ends without CR");
  const std::string_view line = input_.substr(offset_, newline - 1 - offset_);
  offset_ = end;
  return std::optional<std::string_view>(line);
}

Status HeadParser::ParseTarget(std::string_view target) {
  Request& request = head_.request;
  request.raw_target = target;
  if (std::any_of(target.begin(), target.end(), [](char c) { return c < 0x21 || c > 0x7e; }) ||
      target.find('#') != std::string_view::npos) {
    return Refuse(400, "a character that no target may hold");
  }
  if (target == "*" && request.method == "OPTIONS") {
    request.path = "*";
    return Ok();
  }
  target = TILL_TRY(StripAuthority(target, target_host_));
  const size_t mark = target.find('?');
  if (mark != std::string_view::npos) {
    request.query = target.substr(mark + 1);
    const std::optional<std::string> decoded = Decode(request.query, true);
    if (!decoded || decoded->find('\0') != std::string::npos) return Refuse(400, "a broken percent-escape");
    target = target.substr(0, mark);
  }
  return ParsePath(target, request.path);
}

Status HeadParser::ParseRequestLine(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == last) return Refuse(400, "not a request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(method)) return Refuse(400, "not a request line");
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7])) {
    return Refuse(400, "not a request line");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Refuse(505, "another version of HTTP");
  minor_0_ = version == "HTTP/1.0";
  if (method == "CONNECT" || method == "TRACE") return Refuse(405, "a method that is not served");
  constexpr std::array<std::string_view, 7> kMethods = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) return Refuse(501, "an unknown method");
  head_.request.method = method;
  return ParseTarget(line.substr(first + 1, last - first - 1));
}

Status HeadParser::TakeKnownField(const HeaderField& field) {
  const std::string_view name = field.name;
  const std::string_view value = field.value;
  switch (name.size()) {  // a cheap first look: most fields are none of these
    case 4:
      if (!EqualsIgnoreCase(name, "Host")) break;
      if (has_host_) return Refuse(400, "two Host fields");
      if (!IsHost(value)) return Refuse(400, "an unusable Host field");
      has_host_ = true;
      if (!target_host_.empty() && !EqualsIgnoreCase(target_host_, value)) return Refuse(400, "two different hosts");
      break;
    case 6:
      if (!EqualsIgnoreCase(name, "Expect")) break;
      if (!EqualsIgnoreCase(value, "100-continue")) return Refuse(417, "an unknown expectation");
      head_.expects_continue = true;
      break;
    case 10:
      if (!EqualsIgnoreCase(name, "Connection")) break;
      for (const std::string_view option : Split(value, ',')) {
        if (EqualsIgnoreCase(Trim(option), "close")) asks_close_ = true;
        if (EqualsIgnoreCase(Trim(option), "keep-alive")) asks_keep_alive_ = true;
      }
      break;
    case 14: {
      if (!EqualsIgnoreCase(name, "Content-Length")) break;
      if (head_.content_length || head_.chunked) return Refuse(400, "two framings");
      const Result<uint64_t> length = ParseUint(value);
      if (!length.ok() || value.size() > kMaxLengthDigits) return Refuse(400, "an unusable Content-Length");
      head_.content_length = *length;
      break;
    }
    case 17:
      if (!EqualsIgnoreCase(name, "Transfer-Encoding")) break;
      if (head_.content_length || head_.chunked) return Refuse(400, "two framings");
      if (value != "chunked" || minor_0_) return Refuse(400, "an unusable Transfer-Encoding");
      head_.chunked = true;
      break;
    default:
      break;
  }
  return Ok();
}

Status HeadParser::ParseField(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return Refuse(400, "a folded header");
  if (head_.request.headers.size() == kMaxFields) return Refuse(431, "too many headers");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) return Refuse(400, "not a header");
  std::string_view value = line.substr(colon + 1);
  if (std::any_of(value.begin(), value.end(), [](char c) { return IsControl(c) && c != '\t'; })) {
    return Refuse(400, "a control character in a header");
  }
  value = Trim(value);
  head_.request.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  return TakeKnownField(head_.request.headers.back());
}

Status HeadParser::Finish() {
  if (!has_host_) return Refuse(400, "no Host field");
  head_.keep_alive = !asks_close_ && (!minor_0_ || asks_keep_alive_);
  if (minor_0_) head_.expects_continue = false;  // RFC 9110, 10.1.1
  head_.http_1_0 = minor_0_;
  head_.head_bytes = offset_;
  return Ok();
}

Result<std::optional<RequestHead>> HeadParser::Parse() {
  const std::optional<std::string_view> request_line = TILL_TRY(NextLine(kMaxRequestLineBytes, 414));
  if (!request_line) return std::optional<RequestHead>();
  TILL_TRY(ParseRequestLine(*request_line));
  head_.request.headers.reserve(12);
  const size_t end_limit = offset_ + kMaxHeaderBytes;
  for (;;) {
    const std::optional<std::string_view> line = TILL_TRY(NextLine(end_limit, 431));
    if (!line) return std::optional<RequestHead>();
    if (line->empty()) break;
    TILL_TRY(ParseField(*line));
  }
  TILL_TRY(Finish());
  return std::optional<RequestHead>(std::move(head_));
}

}  // namespace

std::string_view Request::header(std::string_view name) const {
  for (const HeaderField& field : headers) {
    if (EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return {};
}

bool Request::has_header(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const HeaderField& field) { return EqualsIgnoreCase(field.name, name); });
}

std::optional<std::string> Request::QueryParameter(std::string_view name) const {
  for (const std::string_view pair : Split(query, '&')) {
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::optional<std::string> key = Decode(pair.substr(0, equals), true);
    if (key && *key == name) return Decode(pair.substr(std::min(equals + 1, pair.size())), true);
  }
  return std::nullopt;
}

Result<std::optional<RequestHead>> ParseRequestHead(std::string_view input) { return HeadParser(input).Parse(); }

std::vector<std::string> PathSegments(std::string_view raw_target) {
  std::string_view ignored_host;
  const Result<std::string_view> stripped = StripAuthority(raw_target, ignored_host);
  std::string_view path = stripped.ok() ? *stripped : std::string_view();
  path = path.substr(0, path.find('?'));
  std::vector<std::string> segments;
  if (!path.empty()) path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.empty()) return segments;
  for (const std::string_view segment : Split(path, '/')) segments.push_back(Decode(segment, false).value_or(""));
  return segments;
}

}  // namespace till::http
