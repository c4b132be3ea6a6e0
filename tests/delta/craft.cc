#include "tests/delta/craft.h"

#include <algorithm>

#include "delta/format/arena.h"

namespace till::delta::testing {

Bytes Text(std::string_view text) {
  const ByteView bytes = AsBytes(text);
  return Bytes(bytes.begin(), bytes.end());
}

Bytes Noise(size_t count, uint64_t seed) {
  Bytes bytes(count);
  uint64_t state = seed * 2 + 1;
  for (std::byte& b : bytes) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    b = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

Bytes SignBody(ByteView body) {
  MemorySource source(body);
  Bytes file = ChunkList::Of(source, kChunkLog2).value().Encode();
  file.insert(file.end(), body.begin(), body.end());
  return file;
}

ByteView BodyOf(const Bytes& file) {
  return ByteView(file).subspan(ChunkList::EncodedLength(ByteView(file).first(16)).value());
}

Craft::Craft(Bytes base, Bytes target) : base_(std::move(base)), target_(std::move(target)) {
  header_.kind = PayloadKind::kDelta;
  header_.base_size = base_.size();
  header_.base_sha256 = crypto::Sha256Of(base_);
  header_.target_size = target_.size();
  header_.target_sha256 = crypto::Sha256Of(target_);
}

Craft Craft::Full(Bytes target) {
  Craft craft({}, std::move(target));
  craft.header_.kind = PayloadKind::kFull;
  craft.header_.base_sha256 = {};
  return craft;
}

CraftedFrame& Craft::AddFrame(const std::vector<Op>& ops) {
  CraftedFrame frame;
  frame.header.index = static_cast<uint32_t>(frames_.size());
  frame.header.op_count = static_cast<uint32_t>(ops.size());
  frame.header.target_offset = made_;
  ByteWriter control;
  uint64_t position = 0;
  for (const Op& op : ops) {
    EncodeOp(op, position, control);
    for (uint64_t i = 0; i < op.length; ++i) {
      const auto byte = static_cast<uint8_t>(target_[made_ + i]);
      if (op.kind == OpKind::kData) frame.coded[kLiteral].push_back(std::byte{byte});
      if (op.kind == OpKind::kDiff) {
        const auto from = static_cast<uint8_t>(base_[op.base_offset + i]);
        frame.coded[kDiff].push_back(static_cast<std::byte>(byte - from));
      }
    }
    made_ += op.length;
  }
  frame.header.target_bytes = made_ - frame.header.target_offset;
  frame.coded[kControl] = std::move(control).Take();
  for (size_t i = 0; i < kStreamCount; ++i) {
    const auto bytes = static_cast<uint32_t>(frame.coded[i].size());
    frame.header.streams[i] = {Codec::kStored, bytes, bytes};
  }
  frames_.push_back(std::move(frame));
  return frames_.back();
}

void Craft::FillTotals() {
  header_.frame_count = static_cast<uint32_t>(frames_.size());
  header_.frames_bytes = header_.op_count = 0;
  header_.frame_plain_bytes_max = header_.frame_coded_bytes_max = 0;
  for (const CraftedFrame& frame : frames_) {
    const auto plain = static_cast<uint32_t>(frame.header.plain_bytes());
    const auto coded = static_cast<uint32_t>(frame.header.coded_bytes());
    header_.frame_plain_bytes_max = std::max(header_.frame_plain_bytes_max, plain);
    header_.frame_coded_bytes_max = std::max(header_.frame_coded_bytes_max, coded);
    header_.op_count += frame.header.op_count;
    header_.frames_bytes += kFrameHeaderBytes;
    for (const Bytes& stream : frame.coded) header_.frames_bytes += stream.size();
  }
  header_.window_logs[kControl] = kMaxWindowLog;
  header_.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(header_));
}

Bytes Craft::Body() const {
  Bytes body = EncodeHeader(header_);
  for (const CraftedFrame& frame : frames_) {
    const Bytes header = EncodeFrameHeader(frame.header);
    body.insert(body.end(), header.begin(), header.end());
    for (const Bytes& stream : frame.coded) body.insert(body.end(), stream.begin(), stream.end());
  }
  return body;
}

Craft ThreeFrames() {
  const Bytes base = Noise(80'000, 1);
  Bytes target(base.begin(), base.begin() + 40'000);
  const Bytes fresh = Noise(20'000, 2);
  target.insert(target.end(), fresh.begin(), fresh.end());
  for (size_t i = 0; i < 30'000; ++i) {  // moved, and every 10th byte changed
    target.push_back(i % 10 == 0 ? std::byte{7} : base[50'000 + i]);
  }
  target.insert(target.end(), base.begin(), base.begin() + 10'000);
  Craft craft(base, target);
  craft.AddFrame({{OpKind::kCopy, 40'000, 0}, {OpKind::kData, 15'000, 0}});
  craft.AddFrame({{OpKind::kData, 5'000, 0}, {OpKind::kDiff, 30'000, 50'000}});
  craft.AddFrame({{OpKind::kCopy, 9'999, 0}, {OpKind::kDiff, 1, 9'999}});
  return craft;
}

Status MemoryTarget::Write(ByteView bytes) {
  if (++writes_ == fail_at_) return Error{ErrorCode::kIo, "told to fail", 5};
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return Ok();
}

Applied ApplyFile(const Bytes& file, const Bytes& base, size_t piece) {
  MemoryTarget target;
  const auto run = [&]() -> Status {
    MemorySource payload(file);
    const PayloadFile opened = TILL_TRY(OpenPayload(payload));
    MemorySource base_source(base);
    const VerifiedBase verified = TILL_TRY(VerifiedBase::Check(&base_source, opened.header));
    const auto applier = TILL_TRY(Applier::Create({.chunks = &opened.chunks,
                                                   .header = &opened.header,
                                                   .base = &verified,
                                                   .target = &target,
                                                   .max_arena_bytes = 64 << 20}));
    TILL_TRY(applier->Start());
    ByteView rest = ByteView(file).subspan(opened.body_offset);
    while (!rest.empty()) {
      const size_t count = piece == 0 ? rest.size() : std::min(piece, rest.size());
      TILL_TRY(applier->Write(rest.first(count)));
      rest = rest.subspan(count);
    }
    return applier->Finish();
  };
  const Status status = run();
  return {status, target.bytes()};
}

}  // namespace till::delta::testing
