#include "delta/apply/frame_streams.h"

#include <optional>

#include "delta/codec/zstd_decode.h"

namespace till::delta {

FrameStreams::FrameStreams(const PayloadHeader& header, const ArenaViews& arena)
    : header_(header),
      arena_(arena),
      control_(arena.decoders[kControl]),
      diff_(arena.decoders[kDiff]),
      literal_(arena.decoders[kLiteral]) {}

Status FrameStreams::Begin(const FrameHeader& frame, ByteView coded) {
  if (frame.kind == FrameKind::kOps) return BeginWhole(frame, coded);
  StreamDecoder* const decoders[] = {&control_, &diff_, &literal_};
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
    const StreamInfo& info = frame.streams[stream];
    CodedStream part{info.codec, coded.first(info.coded_bytes), info.plain_bytes, header_.WindowLogOf(stream)};
    coded = coded.subspan(info.coded_bytes);
    if (info.codec == Codec::kModel && stream == kDiff) part.plain_bytes += frame.streams[kLiteral].plain_bytes;
    if (info.codec == Codec::kModel && stream == kLiteral) part = {};
    TILL_TRY(decoders[stream]->Begin(part));
  }
  return Ok();
}

Status FrameStreams::BeginWhole(const FrameHeader& frame, ByteView coded) {
  std::optional<ZstdDecoder> zstd;  // its tables are made ready only when a stream wants them
  StreamDecoder* const decoders[] = {&control_, &diff_, &literal_};
  MutableByteView plain = arena_.plain;
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
    const StreamInfo& info = frame.streams[stream];
    ByteView bytes = coded.first(info.coded_bytes);
    coded = coded.subspan(info.coded_bytes);
    if (info.codec == Codec::kZstd) {
      const MutableByteView out = plain.first(info.plain_bytes);
      plain = plain.subspan(info.plain_bytes);
      if (!zstd) zstd = TILL_TRY(ZstdDecoder::Create(arena_.decoders[kControl]));
      TILL_TRY(zstd->Decode(bytes, header_.WindowLogOf(stream), out));
      bytes = out;
    }
    TILL_TRY(decoders[stream]->Begin({Codec::kStored, bytes, info.plain_bytes, 0}));
  }
  return Ok();
}

Status FrameStreams::Finish() {
  TILL_TRY(control_.Finish());
  TILL_TRY(diff_.Finish());
  return literal_.Finish();
}

}  // namespace till::delta
