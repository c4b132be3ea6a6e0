#include "delta/codec/recode.h"

#include "delta/codec/lz4.h"
#include "delta/codec/lzma.h"
#include "delta/codec/zlib.h"
#include "delta/codec/zstd.h"

namespace till::delta {

Result<size_t> RecodeDecode(const Recode& recode, ByteView coded, MutableByteView plain, MutableByteView memory) {
  Workspace workspace(memory);
  switch (recode.codec) {
    case RecodeCodec::kXz:
      return XzDecode(coded, plain, workspace);
    case RecodeCodec::kZlib:
      return ZlibDecode(recode.zlib().raw_deflate, coded, plain, workspace);
    case RecodeCodec::kZstd:
      return ZstdDecodeBlock(coded, plain, workspace);
    case RecodeCodec::kLz4:
      return Lz4Decode(coded, plain);
    case RecodeCodec::kLzma:
      return LzmaFileDecode(coded, plain, workspace);
    case RecodeCodec::kNone:
      break;
  }
  return Error{ErrorCode::kUnsupported, "codec of a recode", static_cast<uint64_t>(recode.codec)};
}

Result<size_t> RecodeEncode(const Recode& recode, ByteView plain, MutableByteView coded, MutableByteView memory) {
  TILL_TRY(CheckRecode(recode));
  // No payload has one; lz4's high compression reads at its address, which may be none.
  if (plain.empty()) return Error{ErrorCode::kCorrupt, "a block without bytes", 0};
  const uint64_t bound = CodedBound(plain.size());
  if (coded.size() < bound) return Error{ErrorCode::kLimit, "room for a coded block", bound};
  coded = coded.first(bound);
  Workspace workspace(memory);
  switch (recode.codec) {
    case RecodeCodec::kXz:
      return XzEncode(recode.xz(), plain, coded, workspace);
    case RecodeCodec::kZlib:
      return ZlibEncode(recode.zlib(), plain, coded, workspace);
    case RecodeCodec::kZstd:
      return ZstdEncodeBlock(recode.parameters[0], plain, coded, workspace);
    case RecodeCodec::kLz4:
      return Lz4Encode(recode.parameters[0] != 0, plain, coded, workspace);
    case RecodeCodec::kLzma:
      return LzmaFileEncode(recode.xz(), plain, coded, workspace);
    case RecodeCodec::kNone:
      break;
  }
  return Error{ErrorCode::kUnsupported, "codec of a recode", static_cast<uint64_t>(recode.codec)};
}

}  // namespace till::delta
