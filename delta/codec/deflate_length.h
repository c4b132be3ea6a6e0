// How long a raw deflate stream is, for the packer: gzip does not say.
#pragma once

#include "core/bytes.h"

namespace till::delta {

struct DeflateExtent {
  uint64_t coded_bytes = 0;
  uint64_t plain_bytes = 0;
};

// Inflates the stream at the front of `bytes` and keeps nothing. kCorrupt when it is broken or cut, kLimit (the bound)
// when it inflates to more than `max_plain_bytes`.
Result<DeflateExtent> MeasureDeflate(ByteView bytes, uint64_t max_plain_bytes);

}  // namespace till::delta
