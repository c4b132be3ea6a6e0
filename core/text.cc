#include "core/text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace till {

Result<uint64_t> ParseUint(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stop != end) return Error{ErrorCode::kInvalid, "not a whole number"};
  return value;
}

namespace {

// The power of 1024 that a unit stands for, or -1.
int UnitShift(std::string_view unit) {
  if (unit.empty() || unit == "B") return 0;
  if (unit == "K" || unit == "KiB") return 10;
  if (unit == "M" || unit == "MiB") return 20;
  if (unit == "G" || unit == "GiB") return 30;
  return -1;
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view number = text.substr(0, digits);
  const int shift = UnitShift(Trim(text.substr(digits)));
  if (shift < 0) return Error{ErrorCode::kInvalid, "unknown unit of size: use B, KiB, MiB or GiB"};
  const size_t point = number.find('.');
  const uint64_t whole = TILL_TRY(ParseUint(number.substr(0, point)));
  if (whole > (uint64_t{1} << 62) >> shift) return Error{ErrorCode::kInvalid, "size out of range"};
  if (shift == 0 && point != std::string_view::npos) return Error{ErrorCode::kInvalid, "a fraction of a byte"};
  uint64_t bytes = whole << shift;
  if (point != std::string_view::npos) {
    const std::string_view fraction = number.substr(point + 1);
    if (fraction.size() > 6) return Error{ErrorCode::kInvalid, "too many digits in a size"};
    uint64_t scale = 1;
    for (size_t i = 0; i < fraction.size(); ++i) scale *= 10;
    bytes += (TILL_TRY(ParseUint(fraction)) << shift) / scale;
  }
  return bytes;
}

std::string FormatSize(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  unsigned unit = 0;
  while (unit < 4 && bytes >> (10 * unit) >= 1024) ++unit;
  if (unit == 0) return std::to_string(bytes) + " B";
  // Rounded once, from the bytes: rounding at each unit would add up.
  const auto hundredths_of = [&](unsigned shift) {
    const uint64_t rest = bytes & ((uint64_t{1} << shift) - 1);
    return (bytes >> shift) * 100 + ((rest * 100 + (uint64_t{1} << (shift - 1))) >> shift);
  };
  uint64_t hundredths = hundredths_of(10 * unit);
  if (hundredths >= 102350 && unit < 4) hundredths = hundredths_of(10 * ++unit);
  char text[40];
  if (hundredths >= 9995) {
    std::snprintf(text, sizeof text, "%llu %s", static_cast<unsigned long long>((hundredths + 50) / 100), kUnits[unit]);
  } else if (hundredths >= 1000) {
    const auto tenths = static_cast<unsigned>((hundredths + 5) / 10);
    std::snprintf(text, sizeof text, "%u.%u %s", tenths / 10, tenths % 10, kUnits[unit]);
  } else {
    const auto small = static_cast<unsigned>(hundredths);
    std::snprintf(text, sizeof text, "%u.%02u %s", small / 100, small % 100, kUnits[unit]);
  }
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t start = 0;;) {
    const size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

namespace {
char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (LowerAscii(a[i]) != LowerAscii(b[i])) return false;
  }
  return true;
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = LowerAscii(c);
  return lower;
}

namespace {

// The length of the valid UTF-8 sequence at the start of `text` (RFC 3629: no overlong forms, no surrogates), or 0.
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  size_t length = 0;
  if (first >= 0xc2 && first <= 0xdf) length = 2;
  if (first >= 0xe0 && first <= 0xef) length = 3;
  if (first >= 0xf0 && first <= 0xf4) length = 4;
  if (length == 0) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && at(1) < 0xa0) return 0;
  if (first == 0xed && at(1) > 0x9f) return 0;
  if (first == 0xf0 && at(1) < 0x90) return 0;
  if (first == 0xf4 && at(1) > 0x8f) return 0;
  return length;
}

}  // namespace

std::string QuoteJson(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const char c = text[0];
    const size_t length = Utf8Length(text);
    if (length == 0) {
      quoted += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      quoted += escape;
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + "\"";
}

namespace {

void AppendHexEscape(std::string& out, char c) {
  char escape[8];
  std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
  out += escape;
}

// Of the sequence at the start of `text`: a control character, or a byte that is no UTF-8.
bool StartsUnprintable(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = Utf8Length(text);
  // C1 controls (U+0080 to U+009F, among them a CSI of one character) are c2 80 to c2 9f.
  const bool is_c1 = length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
  return length == 0 || first < 0x20 || first == 0x7f || is_c1;
}

// Of the character at the start of `text`: it moves what stands beside it on a line (U+061C, U+200E and F, U+202A to E,
// U+2066 to 9), or breaks the line (U+2028 and 9), without being seen.
bool StartsBidi(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (byte(0) == 0xd8) return byte(1) == 0x9c;
  if (byte(0) != 0xe2) return false;
  if (byte(1) == 0x80) return byte(2) == 0x8e || byte(2) == 0x8f || (byte(2) >= 0xa8 && byte(2) <= 0xae);
  return byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
}

// The value of a percent-escape at the start of `text`, or -1.
int EscapedByte(std::string_view text) {
  unsigned byte = 0;
  if (text.size() < 3 || text[0] != '%') return -1;
  const auto [stop, failure] = std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
  return failure == std::errc() && stop == text.data() + 3 ? static_cast<int>(byte) : -1;
}

}  // namespace

bool NameFitsUrl(std::string_view name) {
  for (const std::string_view part : Split(name, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  for (std::string_view rest = name; !rest.empty(); rest.remove_prefix(Utf8Length(rest))) {
    if (rest[0] == '\\' || StartsUnprintable(rest)) return false;
    const int byte = EscapedByte(rest);
    const bool is_control = byte >= 0 && (byte < 0x20 || byte == 0x7f);
    if (is_control || byte == '.' || byte == '/' || byte == '\\' || byte == '%') return false;
  }
  return true;
}

std::string Printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const size_t length = std::max<size_t>(Utf8Length(text), 1);
    const bool is_unprintable = StartsUnprintable(text) || StartsBidi(text);
    for (const char c : text.substr(0, length)) {
      if (is_unprintable) {
        AppendHexEscape(shown, c);
      } else {
        shown += c;
      }
    }
    text.remove_prefix(length);
  }
  return shown;
}

bool IsServerUrl(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!url.starts_with(scheme)) continue;
    const std::string_view rest = url.substr(scheme.size());
    return !rest.empty() && rest[0] != '/' && rest[0] != ':' && rest.find_first_of(" \t\r\n@?#") == rest.npos;
  }
  return false;
}

}  // namespace till
