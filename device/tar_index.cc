#include "device/tar_index.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace till::device {
namespace {

constexpr uint64_t kBlock = 512;
constexpr size_t kMaxMembers = 4096;
constexpr uint64_t kMaxNameBytes = 1024;

using Header = std::array<std::byte, kBlock>;

std::string_view Field(const Header& header, size_t offset, size_t length) {
  std::string_view text = AsText(ByteView(header).subspan(offset, length));
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

// Octal digits between blanks.
Result<uint64_t> Octal(std::string_view text, uint64_t at) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || value >> 60 != 0) return Error{ErrorCode::kCorrupt, "a number in the archive", at};
    value = value * 8 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

bool ChecksumIsRight(const Header& header, uint64_t stated) {
  uint64_t sum = 0;
  for (size_t i = 0; i < header.size(); i++) {
    sum += i >= 148 && i < 156 ? ' ' : std::to_integer<uint64_t>(header[i]);
  }
  return sum == stated;
}

std::string NameOf(const Header& header) {
  std::string name(Field(header, 0, 100));
  const std::string_view prefix = Field(header, 345, 155);
  if (Field(header, 257, 5) == "ustar" && !prefix.empty()) name = std::string(prefix) + "/" + name;
  return name;
}

}  // namespace

Result<std::vector<TarMember>> IndexTar(Source& archive) {
  std::vector<TarMember> members;
  std::string long_name;
  for (uint64_t at = 0; at + kBlock <= archive.size();) {
    Header header;
    TILL_TRY(ReadFully(archive, at, header));
    if (std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; })) break;
    const uint64_t length = TILL_TRY(Octal(Field(header, 124, 12), at));
    if (!ChecksumIsRight(header, TILL_TRY(Octal(Field(header, 148, 8), at)))) {
      return Error{ErrorCode::kCorrupt, "this is no tar archive", at};
    }
    const uint64_t data = at + kBlock;
    if (length > archive.size() || data > archive.size() - length) {
      return Error{ErrorCode::kCorrupt, "a member passes the archive's end", at};
    }
    const char type = static_cast<char>(header[156]);
    if (type == 'L') {
      if (length > kMaxNameBytes) return Error{ErrorCode::kLimit, "a member's name is too long", length};
      Bytes name(length);
      TILL_TRY(ReadFully(archive, data, name));
      long_name = std::string(AsText(name));
      long_name.resize(std::min(long_name.find('\0'), long_name.size()));
    } else if (type == '0' || type == '\0') {
      if (members.size() >= kMaxMembers) return Error{ErrorCode::kLimit, "too many members", kMaxMembers};
      std::string name = long_name.empty() ? NameOf(header) : long_name;
      if (name.starts_with("./")) name.erase(0, 2);
      members.push_back({std::move(name), data, length});
      long_name.clear();
    }
    at = data + (length + kBlock - 1) / kBlock * kBlock;
  }
  return members;
}

}  // namespace till::device
