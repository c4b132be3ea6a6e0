#include "device/version.h"

#include <vector>

#include "core/text.h"

namespace till::device {
namespace {

bool IsNumber(std::string_view part) {
  for (const char c : part) {
    if (c < '0' || c > '9') return false;
  }
  return !part.empty();
}

// Digits of any length: without leading zeros, the longer one is greater.
int CompareNumbers(std::string_view a, std::string_view b) {
  while (a.size() > 1 && a[0] == '0') a.remove_prefix(1);
  while (b.size() > 1 && b[0] == '0') b.remove_prefix(1);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

int ComparePart(std::string_view a, std::string_view b) {
  const bool a_number = IsNumber(a);
  const bool b_number = IsNumber(b);
  if (a_number && b_number) return CompareNumbers(a, b);
  if (a_number != b_number) return a_number ? -1 : 1;
  return a.compare(b);
}

// `missing` stands for a part that one of them lacks: "1.5" is the same as "1.5.0", but "rc" is older than "rc.1".
int CompareParts(std::string_view a, std::string_view b, std::string_view missing) {
  const auto a_parts = Split(a, '.');
  const auto b_parts = Split(b, '.');
  for (size_t i = 0; i < a_parts.size() || i < b_parts.size(); i++) {
    const std::string_view left = i < a_parts.size() ? a_parts[i] : missing;
    const std::string_view right = i < b_parts.size() ? b_parts[i] : missing;
    if (left.empty() != right.empty()) return left.empty() ? -1 : 1;
    const int order = ComparePart(left, right);
    if (order != 0) return order;
  }
  return 0;
}

}  // namespace

int CompareVersions(std::string_view a, std::string_view b) {
  a = a.substr(0, a.find('+'));
  b = b.substr(0, b.find('+'));
  const size_t a_dash = a.find('-');
  const size_t b_dash = b.find('-');
  const int order = CompareParts(a.substr(0, a_dash), b.substr(0, b_dash), "0");
  if (order != 0) return order;
  const bool a_pre = a_dash != std::string_view::npos;
  const bool b_pre = b_dash != std::string_view::npos;
  if (!a_pre || !b_pre) return a_pre == b_pre ? 0 : a_pre ? -1 : 1;
  return CompareParts(a.substr(a_dash + 1), b.substr(b_dash + 1), "");
}

}  // namespace till::device
