// zstd decoding that cannot be made to take memory: whole streams into a buffer of exactly their declared size, with
// the decoder's state in a workspace the caller gives. No window is ever allocated.
//   Refused (kCorrupt): skippable or several frames, a dictionary, a window above the limit, a declared content size
//   other than the buffer's, bytes left over. Source: RFC 8878. Only the decompression half of libzstd is linked.
#pragma once

#include "core/bytes.h"

struct ZSTD_DCtx_s;

namespace till::delta {

// One plain frame of this content and at most this window: what every way to decode asks first.
Status CheckZstdFrame(ByteView coded, uint64_t plain_bytes, unsigned max_window_log);

class ZstdDecoder {
 public:
  // `workspace` is 8-byte aligned, not owned, and outlives the decoder. kLimit (detail: bytes needed).
  static Result<ZstdDecoder> Create(MutableByteView workspace);
  Status Decode(ByteView coded, unsigned max_window_log, MutableByteView plain);

 private:
  explicit ZstdDecoder(ZSTD_DCtx_s* context) : context_(context) {}
  ZSTD_DCtx_s* context_;  // lives in the workspace: nothing to free
};

}  // namespace till::delta
