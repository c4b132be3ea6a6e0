#include "delta/container/archive.h"

namespace till::delta {
namespace {

constexpr uint64_t kTarBlockBytes = 512;
constexpr uint64_t kCpioHeaderBytes = 110;
constexpr uint64_t kMaxPathBytes = 4096;

// Digits until the field ends or something else stands there.
uint64_t Number(std::string_view field, unsigned base) {
  uint64_t value = 0;
  for (const char c : field) {
    unsigned digit = base;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) break;
    value = value * base + digit;
  }
  return value;
}

std::string_view UntilZero(std::string_view field) { return field.substr(0, field.find('\0')); }

std::string Absolute(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

void AddFile(std::string path, uint64_t mode, uint64_t offset, uint64_t length, Container& container) {
  if (length == 0) return;
  container.files.push_back(
      {std::move(path), {}, static_cast<uint32_t>(mode), length, {{Extent::Kind::kRaw, 0, offset, length}}});
}

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

bool ChecksumHolds(ByteView header) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kTarBlockBytes; ++i) {
    sum += i >= 148 && i < 156 ? uint64_t{' '} : static_cast<uint8_t>(header[i]);
  }
  return sum == Number(AsText(header.subspan(148, 8)), 8);
}

}  // namespace

std::optional<Container> ReadTar(ByteView image, uint64_t start) {
  Container container;
  container.name = "tar";
  std::string long_name;
  uint64_t at = start;
  while (image.size() - at >= kTarBlockBytes && ChecksumHolds(image.subspan(at, kTarBlockBytes))) {
    const std::string_view header = AsText(image.subspan(at, kTarBlockBytes));
    const uint64_t length = Number(header.substr(124, 12), 8);
    const char type = header[156];
    const uint64_t data = at + kTarBlockBytes;
    if (length > image.size() - data) break;
    if (type == 'L' && length <= kMaxPathBytes) {
      long_name = UntilZero(AsText(image.subspan(data, length)));
    } else {
      const std::string_view prefix = UntilZero(header.substr(345, 155));
      const std::string_view name = UntilZero(header.substr(0, 100));
      std::string path = prefix.empty() ? std::string(name) : std::string(prefix) + "/" + std::string(name);
      if (!long_name.empty()) path = std::move(long_name);
      long_name.clear();
      if (type == '0' || type == '\0') {
        AddFile(Absolute(path), Number(header.substr(100, 8), 8), data, length, container);
      }
    }
    at = std::min<uint64_t>(data + RoundUp(length, kTarBlockBytes), image.size());
  }
  container.span = at - start;
  if (container.span == 0) return std::nullopt;
  return container;
}

std::optional<Container> ReadCpio(ByteView image, uint64_t start) {
  Container container;
  container.name = "cpio";
  uint64_t at = start;
  while (image.size() - at >= kCpioHeaderBytes) {
    const std::string_view header = AsText(image.subspan(at, kCpioHeaderBytes));
    if (!header.starts_with("070701") && !header.starts_with("070702")) break;
    const uint64_t length = Number(header.substr(54, 8), 16);
    const uint64_t name_length = Number(header.substr(94, 8), 16);
    const uint64_t name_at = at + kCpioHeaderBytes;
    if (name_length == 0 || name_length > kMaxPathBytes || name_length > image.size() - name_at) break;
    const std::string_view name = UntilZero(AsText(image.subspan(name_at, name_length)));
    const uint64_t data = start + RoundUp(name_at + name_length - start, 4);
    if (data > image.size() || length > image.size() - data) break;
    AddFile(Absolute(name), Number(header.substr(14, 8), 16), data, length, container);
    at = std::min<uint64_t>(start + RoundUp(data + length - start, 4), image.size());
    if (name == "TRAILER!!!") break;
  }
  container.span = at - start;
  if (container.span == 0) return std::nullopt;
  return container;
}

}  // namespace till::delta
