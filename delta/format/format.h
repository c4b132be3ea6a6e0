// The words of a payload's body: header and frame headers (ops: delta/format/ops.h). Pure codec: no I/O, no state.
//   A payload file is a chunk-hash list (core/chunklist.h) and then the body: one header, perhaps a map, then frames.
//   A frame is decodable on its own; it carries three streams (control, diff, literal), each coded by itself. Numbers
//   are little endian; varints have one canonical form (core/bytes.h).
//   Minor version 2 adds opened stretches of the base, blocks made by encoders, prediction and stream codecs; a
//   payload of minor version 1 has frames of kind 1 only, one of 2 only frames of kind 2.
//   Errors: kCorrupt (detail: offset in what was given), kUnsupported (detail: the version or number asked for),
//   kLimit (detail: the bound). Full description: docs/formats/payload.md.
#pragma once

#include <array>

#include "core/bytes.h"
#include "core/crypto/hash.h"
#include "delta/format/recode.h"

namespace till::delta {

inline constexpr uint16_t kFormatVersion = 1;
// The highest set of ops, codecs and header fields this build knows: what a terminal reports as `till.format`.
inline constexpr uint16_t kMinorVersion = 2;

inline constexpr uint64_t kHeaderBytes = 192;
inline constexpr uint64_t kFrameHeaderBytes = 56;
inline constexpr unsigned kChunkLog2 = 15;                    // of the chunk-hash list; v1 knows no other
inline constexpr uint64_t kMaxFrameCodedBytes = 128 << 10;    // of one frame behind its header: lost by a kill
inline constexpr uint64_t kMaxFrameMadeBytes = 1 << 20;       // target bytes made by ops other than COPY in a frame
inline constexpr uint64_t kMaxFrameControlBytes = 256 << 10;  // of one frame of kind 1, decoded
inline constexpr uint64_t kMaxStreamPlainBytes = 8 << 20;     // of one stream of a frame of kind 2: nobody holds it
inline constexpr uint64_t kMaxFrameOps = 32 << 10;
inline constexpr uint64_t kMaxImageBytes = uint64_t{1} << 40;
inline constexpr unsigned kMinWindowLog = 10;
inline constexpr unsigned kMaxWindowLog = 20;
inline constexpr unsigned kMinLzmaWindowLog = 12;
inline constexpr uint64_t kMaxMapPlainBytes = 512 << 10;
inline constexpr unsigned kMaxCacheBlocks = 8;

enum class PayloadKind : uint8_t { kFull = 1, kDelta = 2 };
const char* PayloadKindName(PayloadKind kind);  // "full", "delta"

enum class Codec : uint8_t { kStored = 0, kZstd = 1, kLzma = 2, kModel = 3 };
constexpr uint8_t CodecBit(Codec codec) { return static_cast<uint8_t>(1 << static_cast<unsigned>(codec)); }
enum StreamIndex : size_t { kControl = 0, kDiff = 1, kLiteral = 2, kStreamCount = 3 };

struct PayloadHeader {
  uint16_t minor_version = 1;
  PayloadKind kind = PayloadKind::kFull;
  // No zstd or LZMA stream of this kind asks for a larger window. Minor version 1 has one number, the first, for all.
  std::array<uint8_t, kStreamCount> window_logs = {kMinWindowLog, 0, 0};
  uint32_t arena_bytes = 0;  // all memory an applier needs: at least ArenaBytesFor(*this)
  uint32_t frame_count = 0;
  uint32_t frame_plain_bytes_max = 0;  // largest sum of a frame's decoded streams
  uint32_t frame_coded_bytes_max = 0;  // largest frame without its header
  uint64_t base_size = 0;
  crypto::Sha256Digest base_sha256{};  // zero for a full payload
  uint64_t target_size = 0;
  crypto::Sha256Digest target_sha256{};
  uint64_t op_count = 0;
  uint64_t frames_bytes = 0;  // everything behind the header: the body has kHeaderBytes + frames_bytes

  // From minor version 2 on; zero before.
  uint32_t map_coded_bytes = 0;  // of the map section, between header and first frame
  uint32_t map_plain_bytes = 0;
  Codec map_codec = Codec::kStored;
  uint32_t instruction_estimate = 0;                     // 2^20 instructions of a 24Kf: the packer's word, informative
  uint8_t cache_blocks = 0;                              // opened segments kept; 0: no frame opens any
  std::array<uint8_t, kStreamCount> stream_codecs = {};  // CodecBit()s some frame uses for this stream
  uint8_t recode_count = 0;
  std::array<Recode, kMaxRecodes> recodes;
  uint32_t block_plain_bytes_max = 0;  // of a segment or a made block
  uint32_t block_coded_bytes_max = 0;  // of a made block; 0: no frame makes any

  uint64_t body_bytes() const { return kHeaderBytes + frames_bytes; }
  uint64_t first_frame_offset() const { return kHeaderBytes + map_coded_bytes; }
  unsigned WindowLogOf(StreamIndex stream) const { return window_logs[minor_version == 1 ? kControl : stream]; }
  bool operator==(const PayloadHeader&) const = default;
};

// Needs at least kHeaderBytes, looks at no more. Checks every bound that can be checked without the frames.
Result<PayloadHeader> DecodeHeader(ByteView body_start);
Bytes EncodeHeader(const PayloadHeader& header);

enum class FrameKind : uint8_t { kOps = 1, kSegments = 2 };

struct StreamInfo {
  Codec codec = Codec::kStored;
  uint32_t coded_bytes = 0;
  uint32_t plain_bytes = 0;
  bool operator==(const StreamInfo&) const = default;
};

struct FrameHeader {
  FrameKind kind = FrameKind::kOps;
  uint32_t index = 0;  // 0-based
  uint32_t op_count = 0;
  uint64_t target_offset = 0;
  uint64_t target_bytes = 0;
  std::array<StreamInfo, kStreamCount> streams;

  uint64_t coded_bytes() const;  // of the streams, without the frame header
  uint64_t plain_bytes() const;
  bool operator==(const FrameHeader&) const = default;
};

// From at least kFrameHeaderBytes; checked against the payload's header.
Result<FrameHeader> DecodeFrameHeader(ByteView bytes, const PayloadHeader& payload);
Bytes EncodeFrameHeader(const FrameHeader& frame);

}  // namespace till::delta
