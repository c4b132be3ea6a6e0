// liblzma behind our memory rule: xz blocks, .lzma files and raw LZMA1 streams, everything from a Workspace.
//   Errors: kCorrupt, kLimit (detail: the workspace's size).
#pragma once

#include "delta/codec/workspace.h"
#include "delta/format/input.h"
#include "delta/format/recode.h"

namespace till::delta {

Result<size_t> XzDecode(ByteView coded, MutableByteView plain, Workspace& workspace);
Result<size_t> XzEncode(const XzParameters& p, ByteView plain, MutableByteView coded, Workspace& workspace);
Result<size_t> LzmaFileDecode(ByteView coded, MutableByteView plain, Workspace& workspace);
Result<size_t> LzmaFileEncode(const XzParameters& p, ByteView plain, MutableByteView coded, Workspace& workspace);

// A raw LZMA1 stream behind a properties byte ((pb * 5 + lp) * 9 + lc), without end marker, decoded as it is asked for.
class LzmaInput final : public ByteInput {
 public:
  LzmaInput() = default;
  LzmaInput(const LzmaInput&) = delete;
  LzmaInput& operator=(const LzmaInput&) = delete;
  // `coded` and `memory` are not owned; `memory` holds the decoder and its window of 2^window_log bytes.
  Status Begin(ByteView coded, uint64_t plain_bytes, unsigned window_log, MutableByteView memory);
  Status Read(MutableByteView out) override;
  // All plain bytes were read and all coded bytes used.
  Status Finish();

 private:
  struct State;
  State* state_ = nullptr;  // in `memory`: nothing to free
};

}  // namespace till::delta
