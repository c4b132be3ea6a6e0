#include "delta/format/format.h"

#include <algorithm>
#include <string_view>

#include "delta/format/arena.h"

namespace till::delta {
namespace {

constexpr std::string_view kMagic = "TILLPYLD";
constexpr std::string_view kFrameMagic = "TFRM";
constexpr uint64_t kPaddingOfMinor1 = 56;
constexpr uint32_t kMaxArenaBytes = 64 << 20;

Error Corrupt(const char* what, uint64_t offset) { return Error{ErrorCode::kCorrupt, what, offset}; }

Status ExpectText(ByteReader& reader, std::string_view text, const char* what) {
  const uint64_t offset = reader.offset();
  const ByteView bytes = TILL_TRY(reader.Take(text.size()));
  if (AsText(bytes) != text) return Corrupt(what, offset);
  return Ok();
}

Status ExpectZeros(ByteReader& reader, uint64_t count) {
  const uint64_t offset = reader.offset();
  const ByteView bytes = TILL_TRY(reader.Take(count));
  if (!std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) {
    return Corrupt("reserved bytes are not zero", offset);
  }
  return Ok();
}

Result<crypto::Sha256Digest> TakeDigest(ByteReader& reader) {
  crypto::Sha256Digest digest;
  const ByteView bytes = TILL_TRY(reader.Take(digest.size()));
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

// The first 16 bytes are the same in every minor version; what follows may change with it.
Result<uint16_t> DecodeVersions(ByteReader& reader) {
  TILL_TRY(ExpectText(reader, kMagic, "not a payload"));
  const uint16_t version = TILL_TRY(reader.U16());
  if (version != kFormatVersion) return Error{ErrorCode::kUnsupported, "payload format version", version};
  const uint16_t minor = TILL_TRY(reader.U16());
  if (minor == 0) return Corrupt("minor version 0", 10);
  if (minor > kMinorVersion) return Error{ErrorCode::kUnsupported, "payload minor version", minor};
  if (TILL_TRY(reader.U32()) != kHeaderBytes) return Corrupt("header length", 12);
  return minor;
}

Error TooLong(const char* what, uint64_t bound) { return Error{ErrorCode::kLimit, what, bound}; }

Status CheckFrameTotals(const PayloadHeader& h) {
  if (h.frame_coded_bytes_max > kMaxFrameCodedBytes) return TooLong("frame too long when coded", kMaxFrameCodedBytes);
  const uint64_t plain_bound =
      h.minor_version == 1 ? kMaxFrameMadeBytes + kMaxFrameControlBytes : kStreamCount * kMaxStreamPlainBytes;
  if (h.frame_plain_bytes_max > plain_bound) return TooLong("frame too long when decoded", plain_bound);
  const uint64_t frames = h.frame_count;
  if ((frames == 0) != (h.target_size == 0) || frames > h.target_size) return Corrupt("frame count", 24);
  if (h.map_coded_bytes > h.frames_bytes) return Corrupt("length of the map", 136);
  const uint64_t frames_bytes = h.frames_bytes - h.map_coded_bytes;
  if (frames_bytes < frames * (kFrameHeaderBytes + 1) ||
      frames_bytes > frames * (kFrameHeaderBytes + h.frame_coded_bytes_max)) {
    return Corrupt("length of all frames", 128);
  }
  if (h.op_count < frames || h.op_count > frames * kMaxFrameOps) return Corrupt("op count", 120);
  return Ok();
}

// A stream that is windowed somewhere says how far, another says nothing.
Status CheckWindow(const PayloadHeader& h, StreamIndex stream) {
  const unsigned log = h.window_logs[stream];
  const uint64_t offset = 17 + stream;
  const uint8_t codecs = h.minor_version == 1 ? CodecBit(Codec::kZstd) : h.stream_codecs[stream];
  if (h.minor_version == 1 && stream != kControl) return log == 0 ? Ok() : Status(Corrupt("window log", offset));
  if ((codecs & (CodecBit(Codec::kZstd) | CodecBit(Codec::kLzma))) == 0) {
    return log == 0 ? Ok() : Status(Corrupt("window log of a stream without one", offset));
  }
  const unsigned lowest = (codecs & CodecBit(Codec::kLzma)) != 0 ? kMinLzmaWindowLog : kMinWindowLog;
  if (log < lowest) return Corrupt("window log", offset);
  if (log > kMaxWindowLog) return TooLong("window log", kMaxWindowLog);
  return Ok();
}

Status CheckBlocks(const PayloadHeader& h) {
  if (h.recode_count > kMaxRecodes) return Corrupt("number of recodes", 150);
  for (size_t i = 0; i < kMaxRecodes; ++i) {
    if (i >= h.recode_count && h.recodes[i] != Recode{}) return Corrupt("a recode behind the last", 152 + 8 * i);
  }
  if (h.cache_blocks > kMaxCacheBlocks) return TooLong("cache blocks", kMaxCacheBlocks);
  if (h.block_plain_bytes_max > kMaxBlockPlainBytes) return TooLong("block too long", kMaxBlockPlainBytes);
  if (h.block_coded_bytes_max > CodedBound(h.block_plain_bytes_max)) return Corrupt("coded length of blocks", 188);
  const bool uses_recodes = h.recode_count > 0;
  if ((h.block_plain_bytes_max > 0) != uses_recodes) return Corrupt("plain length of blocks", 184);
  if ((h.cache_blocks > 0 || h.block_coded_bytes_max > 0) != uses_recodes) return Corrupt("recodes for nothing", 150);
  if (h.cache_blocks > 0 && h.kind == PayloadKind::kFull) return Corrupt("a full payload opens a base", 148);
  return Ok();
}

Status CheckMap(const PayloadHeader& h) {
  if (h.map_plain_bytes > kMaxMapPlainBytes) return TooLong("map too long", kMaxMapPlainBytes);
  if (h.map_codec > Codec::kModel) {
    return Error{ErrorCode::kUnsupported, "map codec", static_cast<uint64_t>(h.map_codec)};
  }
  const bool fits = h.map_codec == Codec::kStored ? h.map_coded_bytes == h.map_plain_bytes
                                                  : h.map_coded_bytes > 0 && h.map_coded_bytes < h.map_plain_bytes;
  if (!fits) return Corrupt("length of the map", 136);
  if (h.map_plain_bytes > 0 && h.kind == PayloadKind::kFull) return Corrupt("a full payload with a map", 136);
  return Ok();
}

Status CheckHeader(const PayloadHeader& h) {
  if (h.base_size > kMaxImageBytes || h.target_size > kMaxImageBytes) return TooLong("image too long", kMaxImageBytes);
  if (h.kind == PayloadKind::kFull && (h.base_size != 0 || h.base_sha256 != crypto::Sha256Digest{})) {
    return Corrupt("a full payload names a base", 40);
  }
  TILL_TRY(CheckMap(h));
  TILL_TRY(CheckFrameTotals(h));
  TILL_TRY(CheckBlocks(h));
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) TILL_TRY(CheckWindow(h, stream));
  if (h.arena_bytes > kMaxArenaBytes) return TooLong("arena too large", kMaxArenaBytes);
  if (h.arena_bytes < ArenaBytesFor(h)) return Corrupt("arena smaller than its frames need", 20);
  return Ok();
}

Status CheckStream(const FrameHeader& f, StreamIndex stream, const PayloadHeader& payload) {
  const StreamInfo& s = f.streams[stream];
  const bool shares_model = f.streams[kDiff].codec == Codec::kModel;
  if (f.kind == FrameKind::kOps && s.codec > Codec::kZstd) {
    return Error{ErrorCode::kUnsupported, "stream codec", static_cast<uint64_t>(s.codec)};
  }
  if (f.kind == FrameKind::kSegments) {
    if ((payload.stream_codecs[stream] & CodecBit(s.codec)) == 0) return Corrupt("a codec the header lacks", 5);
    if (s.plain_bytes > kMaxStreamPlainBytes) return TooLong("stream too long", kMaxStreamPlainBytes);
  }
  // One model codes what DIFF and DATA make, in op order: its bytes stand in the diff stream's place.
  if (stream == kLiteral && (s.codec == Codec::kModel) != shares_model) return Corrupt("half a model stream", 7);
  if (stream == kLiteral && shares_model) return s.coded_bytes == 0 ? Ok() : Status(Corrupt("stream length", 48));
  const uint64_t plain =
      stream == kDiff && shares_model ? uint64_t{s.plain_bytes} + f.streams[kLiteral].plain_bytes : s.plain_bytes;
  const bool fits =
      s.codec == Codec::kStored ? s.coded_bytes == s.plain_bytes : s.coded_bytes > 0 && s.coded_bytes < plain;
  return fits ? Ok() : Status(Corrupt("stream length", 32));
}

// Every sum here is of 32-bit numbers in 64 bits, or was bounded before: nothing can wrap.
Status CheckFrame(const FrameHeader& f, const PayloadHeader& payload) {
  if (f.index >= payload.frame_count) return Corrupt("frame index", 8);
  if (f.op_count == 0 || f.op_count > kMaxFrameOps) return Corrupt("frame op count", 12);
  if (f.target_offset > payload.target_size || f.target_bytes == 0 ||
      f.target_bytes > payload.target_size - f.target_offset) {
    return Corrupt("frame outside the target", 16);
  }
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) TILL_TRY(CheckStream(f, stream, payload));
  if (f.coded_bytes() > payload.frame_coded_bytes_max || f.plain_bytes() > payload.frame_plain_bytes_max) {
    return Corrupt("frame longer than the header allows", 32);
  }
  const uint64_t control = f.streams[kControl].plain_bytes;
  if (control < f.op_count) return Corrupt("control stream length", 36);
  if (f.kind == FrameKind::kSegments) return Ok();  // what it makes is counted op by op
  if (control > kMaxFrameControlBytes) return Corrupt("control stream length", 36);
  const uint64_t made = uint64_t{f.streams[kDiff].plain_bytes} + f.streams[kLiteral].plain_bytes;
  if (made > kMaxFrameMadeBytes || made > f.target_bytes) return Corrupt("frame makes too much", 44);
  return Ok();
}

// Bytes 136 to 191, from minor version 2 on.
Status DecodeBlockFields(ByteReader& reader, PayloadHeader& h) {
  h.map_coded_bytes = TILL_TRY(reader.U32());
  h.map_plain_bytes = TILL_TRY(reader.U32());
  h.instruction_estimate = TILL_TRY(reader.U32());
  h.cache_blocks = TILL_TRY(reader.U8());
  const uint8_t control_and_diff = TILL_TRY(reader.U8());
  h.recode_count = TILL_TRY(reader.U8());
  const uint8_t literal_and_map = TILL_TRY(reader.U8());
  h.stream_codecs = {static_cast<uint8_t>(control_and_diff & 15), static_cast<uint8_t>(control_and_diff >> 4),
                     static_cast<uint8_t>(literal_and_map & 15)};
  h.map_codec = static_cast<Codec>(literal_and_map >> 4);
  for (size_t i = 0; i < kMaxRecodes; ++i) {
    if (i >= h.recode_count) {
      TILL_TRY(ExpectZeros(reader, kRecodeBytes));
    } else {
      h.recodes[i] = TILL_TRY(DecodeRecode(TILL_TRY(reader.Take(kRecodeBytes))));
    }
  }
  h.block_plain_bytes_max = TILL_TRY(reader.U32());
  h.block_coded_bytes_max = TILL_TRY(reader.U32());
  return Ok();
}

void EncodeBlockFields(const PayloadHeader& h, ByteWriter& out) {
  out.U32(h.map_coded_bytes);
  out.U32(h.map_plain_bytes);
  out.U32(h.instruction_estimate);
  out.U8(h.cache_blocks);
  out.U8(static_cast<uint8_t>(h.stream_codecs[kControl] | h.stream_codecs[kDiff] << 4));
  out.U8(h.recode_count);
  out.U8(static_cast<uint8_t>(h.stream_codecs[kLiteral] | static_cast<unsigned>(h.map_codec) << 4));
  for (const Recode& recode : h.recodes) EncodeRecode(recode, out);
  out.U32(h.block_plain_bytes_max);
  out.U32(h.block_coded_bytes_max);
}

}  // namespace

const char* PayloadKindName(PayloadKind kind) { return kind == PayloadKind::kFull ? "full" : "delta"; }

Result<PayloadHeader> DecodeHeader(ByteView body_start) {
  ByteReader reader(body_start.first(std::min<size_t>(body_start.size(), kHeaderBytes)));
  PayloadHeader h;
  h.minor_version = TILL_TRY(DecodeVersions(reader));
  const uint8_t kind = TILL_TRY(reader.U8());
  if (kind != static_cast<uint8_t>(PayloadKind::kFull) && kind != static_cast<uint8_t>(PayloadKind::kDelta)) {
    return Corrupt("payload kind", 16);
  }
  h.kind = static_cast<PayloadKind>(kind);
  for (uint8_t& log : h.window_logs) log = TILL_TRY(reader.U8());
  h.arena_bytes = TILL_TRY(reader.U32());
  h.frame_count = TILL_TRY(reader.U32());
  h.frame_plain_bytes_max = TILL_TRY(reader.U32());
  h.frame_coded_bytes_max = TILL_TRY(reader.U32());
  TILL_TRY(ExpectZeros(reader, 4));
  h.base_size = TILL_TRY(reader.U64());
  h.base_sha256 = TILL_TRY(TakeDigest(reader));
  h.target_size = TILL_TRY(reader.U64());
  h.target_sha256 = TILL_TRY(TakeDigest(reader));
  h.op_count = TILL_TRY(reader.U64());
  h.frames_bytes = TILL_TRY(reader.U64());
  TILL_TRY(h.minor_version == 1 ? ExpectZeros(reader, kPaddingOfMinor1) : DecodeBlockFields(reader, h));
  TILL_TRY(CheckHeader(h));
  return h;
}

Bytes EncodeHeader(const PayloadHeader& h) {
  ByteWriter out;
  out.Append(AsBytes(kMagic));
  out.U16(kFormatVersion);
  out.U16(h.minor_version);
  out.U32(kHeaderBytes);
  out.U8(static_cast<uint8_t>(h.kind));
  for (const uint8_t log : h.window_logs) out.U8(log);
  out.U32(h.arena_bytes);
  out.U32(h.frame_count);
  out.U32(h.frame_plain_bytes_max);
  out.U32(h.frame_coded_bytes_max);
  out.U32(0);
  out.U64(h.base_size);
  out.Append(h.base_sha256);
  out.U64(h.target_size);
  out.Append(h.target_sha256);
  out.U64(h.op_count);
  out.U64(h.frames_bytes);
  EncodeBlockFields(h, out);  // all zero in minor version 1
  return std::move(out).Take();
}

uint64_t FrameHeader::coded_bytes() const {
  uint64_t sum = 0;
  for (const StreamInfo& stream : streams) sum += stream.coded_bytes;
  return sum;
}

uint64_t FrameHeader::plain_bytes() const {
  uint64_t sum = 0;
  for (const StreamInfo& stream : streams) sum += stream.plain_bytes;
  return sum;
}

Result<FrameHeader> DecodeFrameHeader(ByteView bytes, const PayloadHeader& payload) {
  ByteReader reader(bytes.first(std::min<size_t>(bytes.size(), kFrameHeaderBytes)));
  TILL_TRY(ExpectText(reader, kFrameMagic, "not a frame"));
  const uint8_t kind = TILL_TRY(reader.U8());
  const FrameKind expected = payload.minor_version == 1 ? FrameKind::kOps : FrameKind::kSegments;
  if (kind != static_cast<uint8_t>(expected)) return Error{ErrorCode::kUnsupported, "frame kind", kind};
  FrameHeader f;
  f.kind = expected;
  for (StreamInfo& stream : f.streams) {
    const uint8_t codec = TILL_TRY(reader.U8());
    if (codec > static_cast<uint8_t>(Codec::kModel)) return Error{ErrorCode::kUnsupported, "stream codec", codec};
    stream.codec = static_cast<Codec>(codec);
  }
  f.index = TILL_TRY(reader.U32());
  f.op_count = TILL_TRY(reader.U32());
  f.target_offset = TILL_TRY(reader.U64());
  f.target_bytes = TILL_TRY(reader.U64());
  for (StreamInfo& stream : f.streams) {
    stream.coded_bytes = TILL_TRY(reader.U32());
    stream.plain_bytes = TILL_TRY(reader.U32());
  }
  TILL_TRY(CheckFrame(f, payload));
  return f;
}

Bytes EncodeFrameHeader(const FrameHeader& f) {
  ByteWriter out;
  out.Append(AsBytes(kFrameMagic));
  out.U8(static_cast<uint8_t>(f.kind));
  for (const StreamInfo& stream : f.streams) out.U8(static_cast<uint8_t>(stream.codec));
  out.U32(f.index);
  out.U32(f.op_count);
  out.U64(f.target_offset);
  out.U64(f.target_bytes);
  for (const StreamInfo& stream : f.streams) {
    out.U32(stream.coded_bytes);
    out.U32(stream.plain_bytes);
  }
  return std::move(out).Take();
}

}  // namespace till::delta
