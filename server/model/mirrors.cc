#include "server/model/mirrors.h"

#include "core/crypto/hash.h"

namespace till::server {

std::string MirrorsFor(std::string_view controller_id, const std::vector<std::string>& mirrors) {
  if (mirrors.empty()) return "";
  const crypto::Sha256Digest digest = crypto::Sha256Of(AsBytes(controller_id));
  size_t first = 0;
  for (size_t i = 0; i < 4; ++i) first = first << 8 | std::to_integer<size_t>(digest[i]);
  std::string joined;
  for (size_t i = 0; i < mirrors.size(); ++i) {
    if (i > 0) joined += ' ';
    joined += mirrors[(first + i) % mirrors.size()];
  }
  return joined;
}

}  // namespace till::server
