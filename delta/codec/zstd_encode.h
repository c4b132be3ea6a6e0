// zstd encoding for the packer: one deterministic frame with its content size, without checksum or dictionary.
//   The same libzstd version gives the same bytes. Thread rule: one thread at a time.
#pragma once

#include "core/bytes.h"

struct ZSTD_CCtx_s;

namespace till::delta {

class ZstdEncoder {
 public:
  explicit ZstdEncoder(int level);
  ~ZstdEncoder();
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;
  Bytes Encode(ByteView plain, unsigned max_window_log);

 private:
  ZSTD_CCtx_s* context_;
};

}  // namespace till::delta
