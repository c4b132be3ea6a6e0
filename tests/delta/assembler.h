// Payloads of minor version 2 put together by hand, op by op: the assembler plays along and knows what target they
// make. No differ, so that these tests run on the terminal's build too.
#pragma once

#include <string>
#include <vector>

#include "delta/format/ops.h"
#include "tests/delta/craft.h"

namespace till::delta::testing {

// One stream coded with codec and (zstd, LZMA) window; empty and incompressible ones come back stored.
struct Coded {
  Codec codec = Codec::kStored;
  Bytes bytes;
};
Coded CodeStream(Codec codec, unsigned window_log, ByteView plain);
// A block as RecodeEncode makes it.
Bytes EncodeBlock(const Recode& recode, ByteView plain);

class Assembler {
 public:
  explicit Assembler(Bytes base);
  static Assembler Full() { return Assembler(Bytes()); }

  PayloadHeader& header() { return header_; }
  const Bytes& base() const { return base_; }
  const Bytes& target() const { return target_; }
  uint8_t AddRecode(const Recode& recode);
  void SetCodec(StreamIndex stream, Codec codec, unsigned window_log = 14);

  void SetMap(const Bytes& plain, Codec codec);

  void BeginFrame(std::vector<Segment> segments = {});
  uint64_t SegmentAddress(size_t index) const { return segments_[index].address; }
  // The plain bytes of the address space.
  Bytes Read(uint64_t address, uint64_t length) const;
  void Copy(uint64_t address, uint64_t length);
  void Diff(uint64_t address, ByteView made);
  void Data(ByteView made);
  // 1: MIPS; then `region` of the map, where the base's (or the segments') first byte has the offset `bias`.
  void Predict(uint32_t predictor, uint64_t region = 0, int64_t bias = 0);
  // What the open predictor makes of so many bytes from there.
  Bytes Predicted(uint64_t address, uint64_t length) const;
  void Raw(ByteView control) { control_.Append(control), ++ops_; }
  void BeginBlock(uint32_t recode, uint32_t plain_bytes);
  // `wanted`: what shall stand in the target; empty: what the encoder gives. Differences become fixes.
  void EndBlock(ByteView wanted = {});
  void EndFrame();
  // How many bytes the open frame has made, and its control bytes: frames are closed in time by it.
  size_t control_bytes() const { return control_.size(); }

  // Fills the header's totals in and signs the body.
  Bytes File();
  std::vector<CraftedFrame>& frames() { return frames_; }

 private:
  ByteWriter& control() { return in_block_ ? block_control_ : control_; }
  void Make(ByteView bytes);
  uint64_t RegionOffset(uint64_t address) const;
  bool CodeContent(CraftedFrame& frame);

  Bytes base_;
  Bytes target_;
  PayloadHeader header_;
  std::array<Codec, kStreamCount> codecs_{};
  std::vector<CraftedFrame> frames_;
  Bytes map_;
  Bytes map_coded_;
  Op predict_{.kind = OpKind::kPredict};

  std::vector<Segment> segments_;
  Bytes opened_;  // plain bytes of the frame's segments
  struct Piece {
    uint64_t address;
    Bytes from;  // empty for literals
    Bytes made;
  };
  std::vector<Piece> content_;
  uint64_t frame_start_ = 0;
  ByteWriter control_;
  ByteWriter block_control_;
  std::array<Bytes, kStreamCount> plain_;
  uint64_t position_ = 0;
  uint32_t ops_ = 0;
  bool in_block_ = false;
  Op block_;
  Bytes block_plain_;
};

struct Assembled {
  Bytes base;
  Bytes target;
  Bytes file;
};
// A random base with coded blocks in it and a payload with every kind of op, of about so many bytes. The same seed
// gives the same on every machine with the pinned codecs. Stream codecs are drawn from `codecs` (CodecBit()s).
Assembled RandomAssembled(uint64_t seed, size_t about_bytes, uint8_t codecs = 15);
// Two frames with a map-less mix of every op: what the hostile tests spoil.
Assembler SmallAssembler();

}  // namespace till::delta::testing
