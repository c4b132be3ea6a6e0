#include "core/kv/kv.h"

namespace till::kv {

std::string SortableU64(uint64_t number) {
  std::string key(8, '\0');
  for (size_t i = 0; i < 8; ++i) key[i] = static_cast<char>(number >> (56 - 8 * i));
  return key;
}

Result<uint64_t> ParseSortableU64(std::string_view bytes) {
  if (bytes.size() != 8) return Error{ErrorCode::kCorrupt, "a sortable number has 8 bytes", bytes.size()};
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace till::kv
