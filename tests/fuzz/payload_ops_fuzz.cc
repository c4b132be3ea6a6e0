// Any bytes as one frame's streams, behind an honest header and honest hashes: the applier refuses, or writes exactly
// the target's length; never more, whatever the ops say. Input: u16 target length, u8 codecs, u16 lengths of control,
// diff (coded, plain) and literal (coded, plain), u8 op count; then the coded streams, cut or filled with zeros.
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/chunklist.h"
#include "delta/apply/applier.h"
#include "delta/format/arena.h"
#include "tests/fuzz/counting_target.h"

namespace {

using namespace till;
using namespace till::delta;
using namespace till::delta::fuzzing;

constexpr size_t kBaseBytes = 4096;

// Reads numbers from the front of the input; zeros behind its end.
class Front {
 public:
  explicit Front(ByteView input) : reader_(input) {}
  uint32_t Number() {
    const auto value = reader_.U16();
    return value.ok() ? *value : 0;
  }
  Bytes Rest(size_t count) {
    const ByteView have = *reader_.Take(std::min<uint64_t>(count, reader_.remaining()));
    Bytes bytes(have.begin(), have.end());
    bytes.resize(count);
    return bytes;
  }

 private:
  ByteReader reader_;
};

FrameHeader FrameFrom(Front& front) {
  FrameHeader frame;
  frame.target_bytes = 1 + front.Number();
  const uint32_t codecs = front.Number();
  frame.op_count = 1 + front.Number() % 64;
  for (size_t i = 0; i < kStreamCount; ++i) {
    StreamInfo& stream = frame.streams[i];
    stream.codec = (codecs >> i & 1) != 0 ? Codec::kZstd : Codec::kStored;
    stream.coded_bytes = front.Number() % 8192;
    stream.plain_bytes = stream.codec == Codec::kStored ? stream.coded_bytes : front.Number();
  }
  return frame;
}

Bytes BodyFrom(const PayloadHeader& header, const FrameHeader& frame, Front& front) {
  Bytes body = EncodeHeader(header);
  const Bytes frame_header = EncodeFrameHeader(frame);
  const Bytes streams = front.Rest(frame.coded_bytes());
  body.insert(body.end(), frame_header.begin(), frame_header.end());
  body.insert(body.end(), streams.begin(), streams.end());
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Front front(std::as_bytes(std::span(data, size)));
  const FrameHeader frame = FrameFrom(front);
  std::array<std::byte, kBaseBytes> base_bytes;
  for (size_t i = 0; i < kBaseBytes; ++i) base_bytes[i] = static_cast<std::byte>(i * 7 >> 3);
  PayloadHeader header;
  header.kind = PayloadKind::kDelta;
  header.window_logs[kControl] = 12;
  header.base_size = kBaseBytes;
  header.base_sha256 = crypto::Sha256Of(base_bytes);
  header.target_size = frame.target_bytes;
  header.frame_count = 1;
  header.op_count = frame.op_count;
  header.frame_plain_bytes_max = static_cast<uint32_t>(frame.plain_bytes());
  header.frame_coded_bytes_max = static_cast<uint32_t>(frame.coded_bytes());
  header.frames_bytes = kFrameHeaderBytes + frame.coded_bytes();
  header.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(header));
  const Bytes body = BodyFrom(header, frame, front);
  MemorySource body_source(body);
  const auto chunks = ChunkList::Of(body_source, kChunkLog2);
  MemorySource base_source(base_bytes);
  const auto base = VerifiedBase::Check(&base_source, header);
  if (!chunks.ok() || !base.ok()) return 0;
  CountingTarget target(header.target_size);
  const auto applier = Applier::Create({&*chunks, &header, &*base, &target, 8 << 20});
  if (!applier.ok() || !(*applier)->Start().ok()) return 0;
  if ((*applier)->Write(body).ok()) Check((*applier)->target_written() == header.target_size);
  Check(!(*applier)->Finish().ok());  // nobody finds the preimage of a zero digest
  return 0;
}
