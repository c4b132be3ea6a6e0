#include "delta/format/format.h"

#include <algorithm>
#include <string_view>

namespace till::delta {
namespace {

constexpr std::string_view kMagic = "TILLPYLD";
constexpr std::string_view kFrameMagic = "TFRM";
constexpr uint64_t kHeaderPadding = 56;
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

Status CheckFrameTotals(const PayloadHeader& h) {
  if (h.frame_coded_bytes_max > kMaxFrameCodedBytes) {
    return Error{ErrorCode::kLimit, "frame too long when coded", kMaxFrameCodedBytes};
  }
  if (h.frame_plain_bytes_max > kMaxFrameMadeBytes + kMaxFrameControlBytes) {
    return Error{ErrorCode::kLimit, "frame too long when decoded", kMaxFrameMadeBytes + kMaxFrameControlBytes};
  }
  const uint64_t frames = h.frame_count;
  if ((frames == 0) != (h.target_size == 0) || frames > h.target_size) return Corrupt("frame count", 24);
  if (h.frames_bytes < frames * (kFrameHeaderBytes + 1) ||
      h.frames_bytes > frames * (kFrameHeaderBytes + h.frame_coded_bytes_max)) {
    return Corrupt("length of all frames", 128);
  }
  if (h.op_count < frames || h.op_count > frames * kMaxFrameOps) return Corrupt("op count", 120);
  return Ok();
}

Status CheckHeader(const PayloadHeader& h) {
  if (h.window_log < kMinWindowLog) return Corrupt("window log", 17);
  if (h.window_log > kMaxWindowLog) return Error{ErrorCode::kLimit, "window log", kMaxWindowLog};
  if (h.base_size > kMaxImageBytes || h.target_size > kMaxImageBytes) {
    return Error{ErrorCode::kLimit, "image too long", kMaxImageBytes};
  }
  if (h.kind == PayloadKind::kFull && (h.base_size != 0 || h.base_sha256 != crypto::Sha256Digest{})) {
    return Corrupt("a full payload names a base", 40);
  }
  TILL_TRY(CheckFrameTotals(h));
  if (h.arena_bytes > kMaxArenaBytes) return Error{ErrorCode::kLimit, "arena too large", kMaxArenaBytes};
  if (h.arena_bytes < ArenaBytesFor(h.frame_plain_bytes_max, h.frame_coded_bytes_max)) {
    return Corrupt("arena smaller than its frames need", 20);
  }
  return Ok();
}

Status CheckStream(const StreamInfo& s) {
  const bool fits =
      s.codec == Codec::kStored ? s.coded_bytes == s.plain_bytes : s.coded_bytes > 0 && s.coded_bytes < s.plain_bytes;
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
  for (const StreamInfo& stream : f.streams) TILL_TRY(CheckStream(stream));
  if (f.coded_bytes() > payload.frame_coded_bytes_max || f.plain_bytes() > payload.frame_plain_bytes_max) {
    return Corrupt("frame longer than the header allows", 32);
  }
  const uint64_t control = f.streams[kControl].plain_bytes;
  if (control < f.op_count || control > kMaxFrameControlBytes) return Corrupt("control stream length", 36);
  const uint64_t made = uint64_t{f.streams[kDiff].plain_bytes} + f.streams[kLiteral].plain_bytes;
  if (made > kMaxFrameMadeBytes || made > f.target_bytes) return Corrupt("frame makes too much", 44);
  return Ok();
}

}  // namespace

const char* PayloadKindName(PayloadKind kind) { return kind == PayloadKind::kFull ? "full" : "delta"; }

uint64_t ArenaBytesFor(uint64_t frame_plain_bytes_max, uint64_t frame_coded_bytes_max) {
  return kArenaFixedBytes + frame_plain_bytes_max + frame_coded_bytes_max;
}

Result<PayloadHeader> DecodeHeader(ByteView body_start) {
  ByteReader reader(body_start.first(std::min<size_t>(body_start.size(), kHeaderBytes)));
  PayloadHeader h;
  h.minor_version = TILL_TRY(DecodeVersions(reader));
  const uint8_t kind = TILL_TRY(reader.U8());
  if (kind != static_cast<uint8_t>(PayloadKind::kFull) && kind != static_cast<uint8_t>(PayloadKind::kDelta)) {
    return Corrupt("payload kind", 16);
  }
  h.kind = static_cast<PayloadKind>(kind);
  h.window_log = TILL_TRY(reader.U8());
  TILL_TRY(ExpectZeros(reader, 2));
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
  TILL_TRY(ExpectZeros(reader, kHeaderPadding));
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
  out.U8(h.window_log);
  out.U16(0);
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
  for (uint64_t i = 0; i < kHeaderPadding; ++i) out.U8(0);
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
  if (kind != static_cast<uint8_t>(FrameKind::kOps)) return Error{ErrorCode::kUnsupported, "frame kind", kind};
  FrameHeader f;
  for (StreamInfo& stream : f.streams) {
    const uint8_t codec = TILL_TRY(reader.U8());
    if (codec > static_cast<uint8_t>(Codec::kZstd)) return Error{ErrorCode::kUnsupported, "stream codec", codec};
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
  out.U8(static_cast<uint8_t>(FrameKind::kOps));
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
