// libzstd behind our memory rule: blocks as squashfs holds them, and streams decoded as they are asked for.
//   Errors: kCorrupt, kLimit (detail: bytes).
#pragma once

#include "delta/codec/workspace.h"
#include "delta/format/input.h"

struct ZSTD_DCtx_s;

namespace till::delta {

Result<size_t> ZstdDecodeBlock(ByteView coded, MutableByteView plain, Workspace& workspace);
Result<size_t> ZstdEncodeBlock(int level, ByteView plain, MutableByteView coded, Workspace& workspace);

// One zstd frame (RFC 8878): no skippable frame, dictionary or checksum; with its content size.
class ZstdInput final : public ByteInput {
 public:
  // `coded` and `memory` are not owned; `memory` holds the decoder and its window of 2^window_log bytes.
  Status Begin(ByteView coded, uint64_t plain_bytes, unsigned window_log, MutableByteView memory);
  Status Read(MutableByteView out) override;
  // All plain bytes were read and all coded bytes used.
  Status Finish();

 private:
  ZSTD_DCtx_s* context_ = nullptr;  // in `memory`: nothing to free
  ByteView coded_;
  size_t used_ = 0;
  uint64_t plain_left_ = 0;
  size_t wants_ = 1;  // what the decoder still expects: 0 at the frame's end
};

}  // namespace till::delta
