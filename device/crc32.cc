#include "device/crc32.h"

#include <array>

namespace till::device {
namespace {

constexpr auto kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    table[i] = crc;
  }
  return table;
}();

}  // namespace

uint32_t Crc32(ByteView bytes) {
  uint32_t crc = 0xffffffffu;
  for (const std::byte b : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(b)) & 0xff];
  return ~crc;
}

}  // namespace till::device
