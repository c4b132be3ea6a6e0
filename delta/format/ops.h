// What a frame's control stream says: the segments of the base it opens, and ops in target order.
//   A frame's address space is [0, base size) = the base's bytes, and behind it the plain bytes of the frame's
//   segments, one after the other. Ops of minor version 1 know only the first part.
//   ControlReader buffers 256 bytes; OpReader checks every length and position before anybody acts on it.
//   Errors: kCorrupt (detail: offset in the control stream), kUnsupported (detail: op number), kLimit (the bound).
//   Full description: docs/formats/payload.md.
#pragma once

#include <array>
#include <span>

#include "delta/format/format.h"
#include "delta/format/input.h"

namespace till::delta {

inline constexpr size_t kMaxFrameSegments = 1024;

// A stretch of the base that a recode opens.
struct Segment {
  uint64_t offset = 0;  // in the base
  uint32_t coded_bytes = 0;
  uint32_t plain_bytes = 0;
  uint8_t recode = 0;    // index in the header's list
  uint64_t address = 0;  // of its first plain byte in the frame's address space: told by ReadSegments()
  bool operator==(const Segment&) const = default;
};

enum class OpKind : uint8_t {
  kCopy = 0,     // bytes of the address space as they are
  kDiff = 1,     // the same, predicted, corrected by the diff stream
  kData = 2,     // the literal stream's
  kBlock = 3,    // what the next ops make is encoded, corrected by the fixes behind them, and goes to the target
  kPredict = 4,  // how DIFF ops predict from here on
};

struct Op {
  OpKind kind = OpKind::kCopy;
  uint64_t length = 0;       // COPY, DIFF, DATA: bytes made. BLOCK: coded bytes, as they land in the target
  uint64_t base_offset = 0;  // COPY, DIFF: in the frame's address space
  uint32_t plain_bytes = 0;  // BLOCK: made by the ops that follow
  uint32_t recode = 0;       // BLOCK: index in the header's list
  uint32_t predictor = 0;    // PREDICT: 0 the bytes themselves, 1 MIPS addresses (delta/mips)
  uint64_t region = 0;       // PREDICT
  int64_t bias = 0;          // PREDICT
  bool operator==(const Op&) const = default;
};

// A stretch of a made block that its encoder got wrong.
struct Fix {
  uint64_t gap = 0;  // from the end of the previous fix, or the block's start
  uint64_t length = 0;
};

// Numbers from a stream of known length.
class ControlReader {
 public:
  ControlReader(ByteInput& input, uint64_t plain_bytes) : input_(input), unread_(plain_bytes) {}
  Result<uint64_t> Varint();
  Result<int64_t> SignedVarint();
  Status Take(MutableByteView out);
  uint64_t offset() const { return offset_; }
  bool at_end() const { return unread_ == 0 && at_ == filled_; }

 private:
  Result<uint8_t> Byte();

  ByteInput& input_;
  uint64_t unread_;  // not yet in the buffer
  uint64_t offset_ = 0;
  size_t at_ = 0;
  size_t filled_ = 0;
  std::array<std::byte, 256> buffer_;
};

// The segment table a control stream of frame kind 2 starts with. `room` holds kMaxFrameSegments or fewer; the used
// front of it is returned.
Result<std::span<const Segment>> ReadSegments(ControlReader& control, const PayloadHeader& payload,
                                              std::span<Segment> room);
void EncodeSegments(std::span<const Segment> segments, const PayloadHeader& payload, ByteWriter& out);

// Reads a frame's ops. Base offsets travel relative to the end of the last COPY or DIFF of the same frame (0 before
// the first), so the reader holds that position.
//   while (!ops.at_end()) { op = ops.Next(); act; if (ops.block_is_full()) { count = ops.BeginFixes(); count times
//   NextFix(), then its bytes from FixBytes() } }  ops.Finish()
class OpReader {
 public:
  // `address_space`: base size and the segments' plain bytes.
  OpReader(ControlReader& control, const FrameHeader& frame, const PayloadHeader& payload, uint64_t address_space);

  bool at_end() const { return ops_left_ == 0; }
  Result<Op> Next();
  // The ops since the last BLOCK made all its plain bytes: its fixes are next.
  bool block_is_full() const { return in_block_ && block_left_ == 0; }
  Result<uint64_t> BeginFixes();
  Result<Fix> NextFix();
  Status FixBytes(MutableByteView out) { return control_.Take(out); }
  // After the last op: the control stream is used up and the frame made exactly its target bytes, out of exactly its
  // diff and literal bytes.
  Status Finish() const;

 private:
  Result<Op> NextWithNumber(uint64_t number, uint64_t offset);
  Result<Op> NextBlock(uint64_t offset);
  Status Charge(const Op& op, uint64_t offset);
  Status Locate(Op& op, uint64_t offset);

  ControlReader& control_;
  const PayloadHeader& payload_;
  const bool knows_blocks_;
  const uint64_t address_space_;
  uint64_t ops_left_;
  uint64_t target_left_;
  uint64_t diff_left_;
  uint64_t literal_left_;
  uint64_t made_left_ = kMaxFrameMadeBytes;
  uint64_t position_ = 0;
  bool in_block_ = false;
  uint64_t block_left_ = 0;  // plain bytes
  uint64_t fix_room_ = 0;    // coded bytes behind the last fix
};

// Mirrors of the readers, for the packer; `position` is carried from op to op within a frame.
void EncodeOp(const Op& op, uint64_t& position, ByteWriter& out);
// `fixes` and their bytes, one after the other.
void EncodeFixes(std::span<const Fix> fixes, ByteView bytes, ByteWriter& out);

}  // namespace till::delta
