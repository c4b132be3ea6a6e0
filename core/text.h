// Text without locale: strict numbers, splitting, quoting, human sizes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace till {

// Decimal digits only, no sign, no space, whole text, no overflow; otherwise kInvalid.
Result<uint64_t> ParseUint(std::string_view text);
// "512", "64KiB", "4.5MiB", "1GiB" (also K, M, G as powers of 1024); otherwise kInvalid.
Result<uint64_t> ParseSize(std::string_view text);
// "512 B", "182 KiB", "7.91 MiB": three significant figures.
std::string FormatSize(uint64_t bytes);

std::vector<std::string_view> Split(std::string_view text, char separator);
std::string_view Trim(std::string_view text);                   // spaces and tabs, CR and LF at both ends
bool EqualsIgnoreCase(std::string_view a, std::string_view b);  // ASCII
std::string ToLower(std::string_view text);                     // ASCII

// A JSON string literal with its quotes; control characters escaped, invalid UTF-8 replaced by U+FFFD.
std::string QuoteJson(std::string_view text);
// The text with control characters (ESC, CR, LF, NUL and the C1 set among them), characters that turn the direction of
// writing or break the line unseen, and bytes that are no UTF-8 shown as \xNN: safe on a terminal and in a log.
std::string Printable(std::string_view text);

// Whether a URL can carry this name as one percent-encoded part of its path, for every server and proxy on the way:
// clients take "." and ".." out before they ask, and who decodes twice makes them of "%2e". Refused are an empty name,
// bytes that are no UTF-8, control characters, a backslash, a part between slashes that is empty, "." or "..", and what
// reads as an escape of a control character, '.', '/', '\\' or '%'. Whatever gets a name checks this where it is made:
// a thing that cannot be asked for can be neither read nor deleted. Length is for the caller to bound.
bool NameFitsUrl(std::string_view name);

// "http://host[:port][/...]" or https, without blanks, user, query and fragment: what a server can be reached by.
bool IsServerUrl(std::string_view url);

}  // namespace till
