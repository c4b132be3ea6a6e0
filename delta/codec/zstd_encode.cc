#include "delta/codec/zstd_encode.h"

#include <zstd.h>

#include <cassert>

namespace till::delta {

ZstdEncoder::ZstdEncoder(int level) : context_(ZSTD_createCCtx()) {
  assert(context_ != nullptr);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 0);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_contentSizeFlag, 1);
}

ZstdEncoder::~ZstdEncoder() { ZSTD_freeCCtx(context_); }

Bytes ZstdEncoder::Encode(ByteView plain, unsigned max_window_log) {
  ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, static_cast<int>(max_window_log));
  Bytes coded(ZSTD_compressBound(plain.size()));
  const size_t size = ZSTD_compress2(context_, coded.data(), coded.size(), plain.data(), plain.size());
  assert(!ZSTD_isError(size));  // the buffer is large enough by definition, and memory was there
  coded.resize(size);
  return coded;
}

}  // namespace till::delta
