#include "tests/delta/assembler.h"

#include <algorithm>

#include "delta/codec/recode.h"
#include "delta/format/arena.h"
#include "delta/mips/predictor.h"
#include "delta/residual/encoder.h"

namespace till::delta::testing {
namespace {

Bytes Join(ByteView a, ByteView b) {
  Bytes all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

}  // namespace

Bytes EncodeBlock(const Recode& recode, ByteView plain) {
  Bytes coded(CodedBound(plain.size()));
  Bytes memory(RecodeEncodeBytes(recode, plain.size()));
  coded.resize(RecodeEncode(recode, plain, coded, memory).value());
  return coded;
}

Coded CodeStream(Codec codec, unsigned window_log, ByteView plain) {
  Coded stored{Codec::kStored, Bytes(plain.begin(), plain.end())};
  if (plain.empty() || codec == Codec::kStored) return stored;
  Coded coded{codec, {}};
  if (codec == Codec::kZstd) {
    Bytes room(CodedBound(plain.size()));
    Bytes memory(RecodeEncodeBytes(Recode::Zstd(3), plain.size()));
    if (plain.size() > size_t{1} << window_log) return stored;  // (its window would be the content)
    room.resize(RecodeEncode(Recode::Zstd(3), plain, room, memory).value());
    coded.bytes = std::move(room);
  } else if (codec == Codec::kModel) {
    ResidualEncoder encoder;
    encoder.Write({}, plain);
    coded.bytes = encoder.Finish();
  } else {
    // A .lzma file is 13 bytes, the first of them the properties, and the raw stream.
    const Bytes file = EncodeBlock(Recode::Lzma({.dictionary = static_cast<uint8_t>(window_log)}), plain);
    coded.bytes = Join(ByteView(file).first(1), ByteView(file).subspan(13));
  }
  return coded.bytes.size() < plain.size() ? coded : stored;
}

Assembler::Assembler(Bytes base) : base_(std::move(base)) {
  header_.minor_version = 2;
  header_.kind = base_.empty() ? PayloadKind::kFull : PayloadKind::kDelta;
  header_.base_size = base_.size();
  if (!base_.empty()) header_.base_sha256 = crypto::Sha256Of(base_);
  header_.window_logs = {};
  header_.stream_codecs = {CodecBit(Codec::kStored), CodecBit(Codec::kStored), CodecBit(Codec::kStored)};
}

uint8_t Assembler::AddRecode(const Recode& recode) {
  header_.recodes[header_.recode_count] = recode;
  return header_.recode_count++;
}

void Assembler::SetCodec(StreamIndex stream, Codec codec, unsigned window_log) {
  codecs_[stream] = codec;
  header_.stream_codecs[stream] |= CodecBit(codec);
  if (codec == Codec::kZstd || codec == Codec::kLzma) {
    header_.window_logs[stream] = std::max(header_.window_logs[stream], static_cast<uint8_t>(window_log));
  }
}

void Assembler::SetMap(const Bytes& plain, Codec codec) {
  map_ = plain;
  header_.map_plain_bytes = static_cast<uint32_t>(plain.size());
  const Coded coded = CodeStream(codec, MapWindowLog(header_), plain);
  header_.map_codec = coded.codec;
  header_.map_coded_bytes = static_cast<uint32_t>(coded.bytes.size());
  map_coded_ = coded.bytes;
}

uint64_t Assembler::RegionOffset(uint64_t address) const {
  return (address < base_.size() ? address : address - base_.size()) + static_cast<uint64_t>(predict_.bias);
}

void Assembler::Predict(uint32_t predictor, uint64_t region, int64_t bias) {
  predict_ = {.kind = OpKind::kPredict, .predictor = predictor, .region = region, .bias = bias};
  EncodeOp(predict_, position_, control());
  ++ops_;
}

Bytes Assembler::Predicted(uint64_t address, uint64_t length) const {
  Bytes bytes = Read(address, length);
  if (predict_.predictor == 0) return bytes;
  const MipsMap map = MipsMap::Parse(map_).value();
  MipsPredictor predictor(map);
  predictor.Start(predict_.region, static_cast<uint32_t>(RegionOffset(address)));
  predictor.Predict(bytes);
  return bytes;
}

void Assembler::BeginFrame(std::vector<Segment> segments) {
  segments_ = std::move(segments);
  opened_.clear();
  frame_start_ = target_.size();
  control_ = block_control_ = ByteWriter();
  plain_ = {};
  content_.clear();
  predict_ = {.kind = OpKind::kPredict};
  position_ = ops_ = 0;
  for (Segment& s : segments_) {
    s.address = base_.size() + opened_.size();
    const Recode& recode = header_.recodes[s.recode];
    Bytes plain(s.plain_bytes);
    Bytes memory(4 << 20);
    assert(RecodeDecode(recode, ByteView(base_).subspan(s.offset, s.coded_bytes), plain, memory).value() ==
           s.plain_bytes);
    opened_.insert(opened_.end(), plain.begin(), plain.end());
    header_.block_plain_bytes_max = std::max(header_.block_plain_bytes_max, s.plain_bytes);
    header_.cache_blocks = std::max<uint8_t>(header_.cache_blocks, 1);
  }
}

Bytes Assembler::Read(uint64_t address, uint64_t length) const {
  const Bytes& from = address < base_.size() ? base_ : opened_;
  const uint64_t at = address < base_.size() ? address : address - base_.size();
  const ByteView bytes = ByteView(from).subspan(at, length);
  return Bytes(bytes.begin(), bytes.end());
}

void Assembler::Make(ByteView bytes) {
  Bytes& to = in_block_ ? block_plain_ : target_;
  to.insert(to.end(), bytes.begin(), bytes.end());
  ++ops_;
}

void Assembler::Copy(uint64_t address, uint64_t length) {
  EncodeOp({.kind = OpKind::kCopy, .length = length, .base_offset = address}, position_, control());
  Make(Read(address, length));
}

void Assembler::Diff(uint64_t address, ByteView made) {
  EncodeOp({.kind = OpKind::kDiff, .length = made.size(), .base_offset = address}, position_, control());
  const Bytes from = Predicted(address, made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    plain_[kDiff].push_back(static_cast<std::byte>(static_cast<uint8_t>(made[i]) - static_cast<uint8_t>(from[i])));
  }
  content_.push_back(
      {predict_.predictor == 0 ? address : RegionOffset(address), from, Bytes(made.begin(), made.end())});
  Make(made);
}

void Assembler::Data(ByteView made) {
  content_.push_back({0, {}, Bytes(made.begin(), made.end())});
  EncodeOp({.kind = OpKind::kData, .length = made.size()}, position_, control());
  plain_[kLiteral].insert(plain_[kLiteral].end(), made.begin(), made.end());
  Make(made);
}

// Diff and literal bytes in op order, as one model stream. False when it is not shorter.
bool Assembler::CodeContent(CraftedFrame& frame) {
  if (codecs_[kDiff] != Codec::kModel || content_.empty()) return false;
  ResidualEncoder encoder;
  for (const Piece& piece : content_) {
    if (!piece.from.empty()) encoder.StartOp(piece.address, piece.address & 3);
    encoder.Write(piece.from, piece.made);
  }
  const Bytes coded = encoder.Finish();
  if (coded.size() >= plain_[kDiff].size() + plain_[kLiteral].size()) return false;
  frame.coded[kDiff] = coded;
  frame.header.streams[kDiff] = {Codec::kModel, static_cast<uint32_t>(coded.size()),
                                 static_cast<uint32_t>(plain_[kDiff].size())};
  frame.header.streams[kLiteral] = {Codec::kModel, 0, static_cast<uint32_t>(plain_[kLiteral].size())};
  header_.stream_codecs[kLiteral] |= CodecBit(Codec::kModel);
  return true;
}

void Assembler::BeginBlock(uint32_t recode, uint32_t plain_bytes) {
  block_ = {.kind = OpKind::kBlock, .plain_bytes = plain_bytes, .recode = recode};
  block_plain_.clear();
  block_control_ = ByteWriter();
  in_block_ = true;
}

void Assembler::EndBlock(ByteView wanted) {
  assert(block_plain_.size() == block_.plain_bytes);
  const Bytes made = EncodeBlock(header_.recodes[block_.recode], block_plain_);
  if (wanted.empty()) wanted = made;
  assert(wanted.size() == made.size());
  std::vector<Fix> fixes;
  Bytes fix_bytes;
  uint64_t end = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    if (made[i] == wanted[i]) continue;
    if (fixes.empty() || i != end) {
      fixes.push_back({i - end, 1});
    } else {
      ++fixes.back().length;
    }
    fix_bytes.push_back(wanted[i]);
    end = i + 1;
  }
  in_block_ = false;
  block_.length = made.size();
  EncodeOp(block_, position_, control_);
  control_.Append(block_control_.bytes());
  EncodeFixes(fixes, fix_bytes, control_);
  Make(wanted);
  header_.block_plain_bytes_max = std::max(header_.block_plain_bytes_max, block_.plain_bytes);
  header_.block_coded_bytes_max = std::max(header_.block_coded_bytes_max, static_cast<uint32_t>(made.size()));
}

void Assembler::EndFrame() {
  CraftedFrame frame;
  frame.header.kind = FrameKind::kSegments;
  frame.header.index = static_cast<uint32_t>(frames_.size());
  frame.header.op_count = ops_;
  frame.header.target_offset = frame_start_;
  frame.header.target_bytes = target_.size() - frame_start_;
  // Written at the end: the block's longest length is known by then. (All frames of one payload must agree on it, so
  // the tests set it before the first frame.)
  ByteWriter control;
  EncodeSegments(segments_, header_, control);
  control.Append(control_.bytes());
  plain_[kControl] = std::move(control).Take();
  const bool in_model = CodeContent(frame);
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
    if (in_model && stream != kControl) continue;
    // Alone, diff and literal stream are never a model's.
    const Codec codec = stream != kControl && codecs_[stream] == Codec::kModel ? Codec::kStored : codecs_[stream];
    const Coded coded = CodeStream(codec, header_.window_logs[stream], plain_[stream]);
    frame.header.streams[stream] = {coded.codec, static_cast<uint32_t>(coded.bytes.size()),
                                    static_cast<uint32_t>(plain_[stream].size())};
    frame.coded[stream] = coded.bytes;
  }
  frames_.push_back(std::move(frame));
}

Bytes Assembler::File() {
  header_.target_size = target_.size();
  header_.target_sha256 = crypto::Sha256Of(target_);
  header_.frame_count = static_cast<uint32_t>(frames_.size());
  header_.frames_bytes = header_.op_count = 0;
  Bytes frames;
  for (const CraftedFrame& frame : frames_) {
    const FrameHeader& h = frame.header;
    header_.frame_plain_bytes_max = std::max(header_.frame_plain_bytes_max, static_cast<uint32_t>(h.plain_bytes()));
    header_.frame_coded_bytes_max = std::max(header_.frame_coded_bytes_max, static_cast<uint32_t>(h.coded_bytes()));
    header_.op_count += h.op_count;
    frames = Join(frames, EncodeFrameHeader(h));
    for (const Bytes& stream : frame.coded) frames = Join(frames, stream);
  }
  header_.frames_bytes = map_coded_.size() + frames.size();
  header_.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(header_));
  return SignBody(Join(Join(EncodeHeader(header_), map_coded_), frames));
}

}  // namespace till::delta::testing
