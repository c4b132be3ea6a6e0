// Any bytes as a frame's control stream: every op that is read lies in the address space, makes something, and stays
// within what the frame may make; encoding it again gives the same bytes. covers D01 D02 D03 D09
// Input: u8 bits (blocks, segments), then the control stream.
#include <cstdint>
#include <cstdlib>

#include "delta/format/ops.h"

namespace {

using namespace till;
using namespace till::delta;

void Check(bool holds) {
  if (!holds) abort();
}

PayloadHeader HeaderFor(uint8_t bits) {
  PayloadHeader header;
  header.minor_version = 2;
  header.kind = PayloadKind::kDelta;
  header.base_size = 1 << 20;
  header.recode_count = 2;
  header.cache_blocks = (bits & 1) != 0 ? 2 : 0;
  header.block_plain_bytes_max = 1 << 16;
  header.block_coded_bytes_max = (bits & 2) != 0 ? 1 << 15 : 0;
  return header;
}

// Reads all; how many target bytes were made.
Result<uint64_t> ReadAll(ControlReader& control, const PayloadHeader& header, const FrameHeader& frame,
                         ByteWriter& again) {
  static std::array<Segment, kMaxFrameSegments> room;
  const auto segments = TILL_TRY(ReadSegments(control, header, room));
  EncodeSegments(segments, header, again);
  uint64_t space = header.base_size;
  for (const Segment& s : segments) {
    Check(s.address == space && s.plain_bytes > 0 && s.plain_bytes <= header.block_plain_bytes_max);
    Check(s.offset + s.coded_bytes <= header.base_size && s.recode < header.recode_count);
    space += s.plain_bytes;
  }
  OpReader ops(control, frame, header, space);
  uint64_t made = 0;
  uint64_t position = 0;
  uint64_t block_left = 0;
  while (!ops.at_end()) {
    const Op op = TILL_TRY(ops.Next());
    EncodeOp(op, position, again);
    if (op.kind == OpKind::kPredict) continue;
    Check(op.length > 0);
    if (op.kind == OpKind::kCopy || op.kind == OpKind::kDiff) {
      const uint64_t end = op.base_offset < header.base_size ? header.base_size : space;
      Check(op.base_offset <= end && op.length <= end - op.base_offset);
    }
    if (op.kind == OpKind::kBlock) {
      block_left = op.plain_bytes;
      made += op.length;
    } else if (block_left > 0) {
      Check(op.length <= block_left);
      block_left -= op.length;
    } else {
      made += op.length;
    }
    if (!ops.block_is_full()) continue;
    Check(block_left == 0);
    const uint64_t fixes = TILL_TRY(ops.BeginFixes());
    again.Varint(fixes);
    for (uint64_t i = 0; i < fixes; ++i) {
      const Fix fix = TILL_TRY(ops.NextFix());
      Check(fix.length > 0 && fix.gap + fix.length <= header.block_coded_bytes_max);
      Bytes bytes(fix.length);
      TILL_TRY(ops.FixBytes(bytes));
      again.Varint(fix.gap);
      again.Varint(fix.length);
      again.Append(bytes);
    }
  }
  TILL_TRY(ops.Finish());
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const PayloadHeader header = HeaderFor(data[0]);
  const ByteView bytes = std::as_bytes(std::span(data + 4, size - 4));
  FrameHeader frame;
  frame.kind = FrameKind::kSegments;
  frame.op_count = 1 + data[1] % 32;
  frame.target_bytes = (data[2] | data[3] << 8) + 1;
  frame.streams[kControl].plain_bytes = static_cast<uint32_t>(bytes.size());
  frame.streams[kDiff].plain_bytes = 1 << 12;
  frame.streams[kLiteral].plain_bytes = 1 << 12;
  MemoryInput input(bytes);
  ControlReader control(input, bytes.size());
  ByteWriter again;
  const auto made = ReadAll(control, header, frame, again);
  // (Diff and literal lengths are fixed here: few inputs come this far.)
  if (made.ok()) Check(*made == frame.target_bytes && std::ranges::equal(again.bytes(), bytes));
  return 0;
}
