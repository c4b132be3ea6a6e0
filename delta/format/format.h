// The words of a payload's body: header, frames, streams, ops. Pure codec: no I/O, no state.
//   A payload file is a chunk-hash list (core/chunklist.h) and then the body: one header, then frames. A frame is
//   decodable on its own; it carries three streams (control, diff, literal), each coded by itself. The control stream
//   holds the ops in target order. Numbers are little endian; varints have one canonical form (core/bytes.h).
//   Errors: kCorrupt (detail: offset in what was given), kUnsupported (detail: the version or number asked for),
//   kLimit (detail: the bound). Full description: docs/formats/payload.md.
#pragma once

#include <array>

#include "core/bytes.h"
#include "core/crypto/hash.h"

namespace till::delta {

inline constexpr uint16_t kFormatVersion = 1;
// The highest set of ops, codecs and header fields this build knows: what a terminal reports as `till.format`.
inline constexpr uint16_t kMinorVersion = 1;

inline constexpr uint64_t kHeaderBytes = 192;
inline constexpr uint64_t kFrameHeaderBytes = 56;
inline constexpr unsigned kChunkLog2 = 15;                    // of the chunk-hash list; v1 knows no other
inline constexpr uint64_t kMaxFrameCodedBytes = 128 << 10;    // of one frame behind its header: lost by a kill
inline constexpr uint64_t kMaxFrameMadeBytes = 1 << 20;       // target bytes made by ops other than COPY in a frame
inline constexpr uint64_t kMaxFrameControlBytes = 256 << 10;  // of one frame, decoded
inline constexpr uint64_t kMaxFrameOps = 32 << 10;
inline constexpr uint64_t kMaxImageBytes = uint64_t{1} << 40;
inline constexpr unsigned kMinWindowLog = 10;
inline constexpr unsigned kMaxWindowLog = 20;  // one frame's streams are no longer: more has no use

// What the applier takes besides a frame's own coded and plain bytes: the chunk being collected, the decoder's state
// (zstd 1.5: 95 KiB on 64-bit), the buffer base bytes pass through, and a page for alignment.
inline constexpr uint64_t kDecoderBytes = 160 << 10;
inline constexpr uint64_t kTransferBytes = 32 << 10;
inline constexpr uint64_t kArenaFixedBytes = (1 << kChunkLog2) + kDecoderBytes + kTransferBytes + 4096;

enum class PayloadKind : uint8_t { kFull = 1, kDelta = 2 };
const char* PayloadKindName(PayloadKind kind);  // "full", "delta"

struct PayloadHeader {
  uint16_t minor_version = kMinorVersion;
  PayloadKind kind = PayloadKind::kFull;
  uint8_t window_log = kMinWindowLog;  // no zstd stream in this payload asks for a larger window
  uint32_t arena_bytes = 0;            // all memory an applier needs; at least ArenaBytesFor the two maxima below
  uint32_t frame_count = 0;
  uint32_t frame_plain_bytes_max = 0;  // largest sum of a frame's decoded streams
  uint32_t frame_coded_bytes_max = 0;  // largest frame without its header
  uint64_t base_size = 0;
  crypto::Sha256Digest base_sha256{};  // zero for a full payload
  uint64_t target_size = 0;
  crypto::Sha256Digest target_sha256{};
  uint64_t op_count = 0;
  uint64_t frames_bytes = 0;  // everything behind the header: the body has kHeaderBytes + frames_bytes

  uint64_t body_bytes() const { return kHeaderBytes + frames_bytes; }
  bool operator==(const PayloadHeader&) const = default;
};

// The arena a payload with these maxima needs.
uint64_t ArenaBytesFor(uint64_t frame_plain_bytes_max, uint64_t frame_coded_bytes_max);

// Needs at least kHeaderBytes, looks at no more. Checks every bound that can be checked without the frames.
Result<PayloadHeader> DecodeHeader(ByteView body_start);
Bytes EncodeHeader(const PayloadHeader& header);

enum class FrameKind : uint8_t { kOps = 1 };
enum class Codec : uint8_t { kStored = 0, kZstd = 1 };
enum StreamIndex : size_t { kControl = 0, kDiff = 1, kLiteral = 2, kStreamCount = 3 };

struct StreamInfo {
  Codec codec = Codec::kStored;
  uint32_t coded_bytes = 0;
  uint32_t plain_bytes = 0;
  bool operator==(const StreamInfo&) const = default;
};

struct FrameHeader {
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

// COPY: base bytes as they are. DIFF: base bytes plus the diff stream's, byte by byte modulo 256. DATA: the literal
// stream's. Number 3 announces a further op whose number follows, for later minor versions.
enum class OpKind : uint8_t { kCopy = 0, kDiff = 1, kData = 2 };

struct Op {
  OpKind kind = OpKind::kCopy;
  uint64_t length = 0;       // target bytes made, at least 1
  uint64_t base_offset = 0;  // COPY and DIFF
  bool operator==(const Op&) const = default;
};

// Reads a frame's ops. Base offsets travel relative to the end of the last COPY or DIFF of the same frame (0 before
// the first), so the reader holds that position; it checks base bounds and that the frame makes no byte too many.
class OpReader {
 public:
  OpReader(ByteView control, const FrameHeader& frame, uint64_t base_size);
  bool at_end() const { return ops_left_ == 0; }
  Result<Op> Next();
  // After the last op: the control stream is used up and the frame made exactly its target bytes, out of exactly its
  // diff and literal bytes.
  Status Finish() const;

 private:
  ByteReader reader_;
  uint64_t ops_left_;
  uint64_t target_left_;
  uint64_t diff_left_;
  uint64_t literal_left_;
  uint64_t base_size_;
  uint64_t base_position_ = 0;
};

// Mirror of OpReader for the packer; `base_position` is carried from op to op within a frame.
void EncodeOp(const Op& op, uint64_t& base_position, ByteWriter& out);

}  // namespace till::delta
