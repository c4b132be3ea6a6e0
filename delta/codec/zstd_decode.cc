#include "delta/codec/zstd_decode.h"

#define ZSTD_STATIC_LINKING_ONLY  // static workspaces and frame headers
#include <zstd.h>

namespace till::delta {
namespace {

Error Corrupt(const char* what) { return Error{ErrorCode::kCorrupt, what, 0}; }

}  // namespace

Status CheckZstdFrame(ByteView coded, uint64_t plain_bytes, unsigned max_window_log) {
  ZSTD_frameHeader header;
  if (ZSTD_getFrameHeader(&header, coded.data(), coded.size()) != 0) return Corrupt("not a zstd frame");
  if (header.frameType != ZSTD_frame) return Corrupt("a skippable zstd frame");
  if (header.dictID != 0) return Corrupt("a zstd frame that wants a dictionary");
  if (header.checksumFlag != 0) return Corrupt("a zstd frame with a checksum");
  if (header.frameContentSize != plain_bytes) return Corrupt("zstd content size");
  if (header.windowSize > uint64_t{1} << max_window_log) return Corrupt("zstd window too large");
  // The size of the first frame: more than one frame, or bytes behind it, would be a second way to say the same.
  if (ZSTD_findFrameCompressedSize(coded.data(), coded.size()) != coded.size()) return Corrupt("zstd frame length");
  return Ok();
}

Result<ZstdDecoder> ZstdDecoder::Create(MutableByteView workspace) {
  ZSTD_DCtx* const context = ZSTD_initStaticDCtx(workspace.data(), workspace.size());
  if (context == nullptr) return Error{ErrorCode::kLimit, "decoder workspace too small", ZSTD_estimateDCtxSize()};
  return ZstdDecoder(context);
}

Status ZstdDecoder::Decode(ByteView coded, unsigned max_window_log, MutableByteView plain) {
  TILL_TRY(CheckZstdFrame(coded, plain.size(), max_window_log));
  // (An error is a number above every length.)
  const size_t got = ZSTD_decompressDCtx(context_, plain.data(), plain.size(), coded.data(), coded.size());
  if (got != plain.size()) return Corrupt("zstd frame content");
  return Ok();
}

}  // namespace till::delta
