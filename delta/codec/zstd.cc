#include "delta/codec/zstd.h"

#define ZSTD_STATIC_LINKING_ONLY  // static workspaces and frame headers
#include <zstd.h>

#include "delta/codec/zstd_decode.h"

namespace till::delta {
namespace {

Error Corrupt(const char* what) { return Error{ErrorCode::kCorrupt, what, 0}; }

Error NoMemory(size_t wanted) { return Error{ErrorCode::kLimit, "workspace of a zstd coder", wanted}; }

}  // namespace

Result<size_t> ZstdDecodeBlock(ByteView coded, MutableByteView plain, Workspace& workspace) {
  const size_t state_bytes = ZSTD_estimateDCtxSize();
  void* const memory = workspace.Allocate(state_bytes);
  ZSTD_DCtx* const context = memory == nullptr ? nullptr : ZSTD_initStaticDCtx(memory, state_bytes);
  if (context == nullptr) return NoMemory(state_bytes);
  if (ZSTD_findFrameCompressedSize(coded.data(), coded.size()) != coded.size()) return Corrupt("not a zstd block");
  const size_t made = ZSTD_decompressDCtx(context, plain.data(), plain.size(), coded.data(), coded.size());
  if (ZSTD_isError(made)) return Corrupt("not a zstd block");
  return made;
}

Result<size_t> ZstdEncodeBlock(int level, ByteView plain, MutableByteView coded, Workspace& workspace) {
  const size_t state_bytes = ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, plain.size(), 0));
  void* const memory = workspace.Allocate(state_bytes);
  ZSTD_CCtx* const context = memory == nullptr ? nullptr : ZSTD_initStaticCCtx(memory, state_bytes);
  if (context == nullptr) return NoMemory(state_bytes);
  const size_t used = ZSTD_compressCCtx(context, coded.data(), coded.size(), plain.data(), plain.size(), level);
  if (ZSTD_isError(used)) return Error{ErrorCode::kLimit, "room for a coded block", coded.size()};
  return used;
}

Status ZstdInput::Begin(ByteView coded, uint64_t plain_bytes, unsigned window_log, MutableByteView memory) {
  context_ = nullptr;
  TILL_TRY(CheckZstdFrame(coded, plain_bytes, window_log));
  Workspace workspace(memory);
  const size_t state_bytes = ZSTD_estimateDStreamSize(size_t{1} << window_log);
  void* const place = workspace.Allocate(state_bytes);
  if (place != nullptr) context_ = ZSTD_initStaticDStream(place, state_bytes);
  if (context_ == nullptr) return NoMemory(state_bytes);
  coded_ = coded;
  used_ = 0;
  plain_left_ = plain_bytes;
  wants_ = 1;
  return Ok();
}

Status ZstdInput::Read(MutableByteView out) {
  if (context_ == nullptr || out.size() > plain_left_) return Corrupt("a zstd stream ends early");
  ZSTD_outBuffer room{out.data(), out.size(), 0};
  ZSTD_inBuffer in{coded_.data(), coded_.size(), used_};
  while (room.pos < room.size) {
    const size_t made = room.pos;
    const size_t read = in.pos;
    if (wants_ == 0) return Corrupt("a zstd stream ends early");
    wants_ = ZSTD_decompressStream(context_, &room, &in);
    if (ZSTD_isError(wants_)) return Corrupt("content of a zstd stream");
    if (room.pos == made && in.pos == read) return Corrupt("a zstd stream ends early");
  }
  used_ = in.pos;
  plain_left_ -= out.size();
  return Ok();
}

Status ZstdInput::Finish() {
  if (context_ == nullptr || plain_left_ != 0) return Corrupt("a zstd stream with bytes left over");
  ZSTD_outBuffer room{nullptr, 0, 0};
  ZSTD_inBuffer in{coded_.data(), coded_.size(), used_};
  if (wants_ != 0) wants_ = ZSTD_decompressStream(context_, &room, &in);
  if (wants_ != 0 || in.pos != coded_.size()) return Corrupt("a zstd stream with bytes left over");
  return Ok();
}

}  // namespace till::delta
