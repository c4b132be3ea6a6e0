#include "delta/format/arena.h"

#include <algorithm>
#include <bit>

namespace till::delta {
namespace {

// zstd while it streams: state and literals, one coded block, the window and one more decoded block behind it.
uint64_t ZstdStreamBytes(uint64_t window) {
  const uint64_t block = std::min<uint64_t>(window, 128 << 10);
  return kZstdStreamBytes + window + 2 * block;
}

uint64_t StreamDecoderBytes(uint8_t codecs, unsigned window_log) {
  const uint64_t window = uint64_t{1} << window_log;
  uint64_t bytes = 0;
  if ((codecs & CodecBit(Codec::kZstd)) != 0) bytes = ZstdStreamBytes(window);
  if ((codecs & CodecBit(Codec::kLzma)) != 0) bytes = std::max(bytes, kLzmaDecoderBytes + window);
  if ((codecs & CodecBit(Codec::kModel)) != 0) bytes = std::max(bytes, kModelDecoderBytes);
  return bytes;
}

uint64_t MapDecoderBytes(const PayloadHeader& h) {
  if (h.map_plain_bytes == 0) return 0;
  return StreamDecoderBytes(CodecBit(h.map_codec), MapWindowLog(h));
}

}  // namespace

uint64_t ArenaParts::decoders_bytes() const {
  uint64_t sum = 0;
  for (const uint64_t bytes : decoders) sum += bytes;
  return std::max(sum, map_decoder);
}

uint64_t ArenaParts::blocks_bytes() const {
  return std::max(segments + cache + block_plain + block_coded + recode, map_coded);
}

unsigned MapWindowLog(const PayloadHeader& h) {
  return static_cast<unsigned>(std::countr_zero(std::bit_ceil(std::max<uint32_t>(h.map_plain_bytes, 4096))));
}

ArenaParts ArenaPartsFor(const PayloadHeader& h) {
  ArenaParts parts;
  parts.chunk = uint64_t{1} << kChunkLog2;
  parts.transfer = kTransferBytes;
  parts.coded = h.frame_coded_bytes_max;
  if (h.minor_version == 1) {
    parts.plain = h.frame_plain_bytes_max;
    parts.decoders[kControl] = kDecoderBytes;  // one, for one stream after the other
    return parts;
  }
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
    // A literal stream in a model is decoded by the diff stream's decoder.
    const uint8_t codecs = h.stream_codecs[stream] & (stream == kLiteral ? ~CodecBit(Codec::kModel) : 0xff);
    parts.decoders[stream] = StreamDecoderBytes(codecs, h.window_logs[stream]);
  }
  parts.map_decoder = MapDecoderBytes(h);
  parts.map_coded = h.map_coded_bytes;
  parts.map = h.map_plain_bytes;
  if (h.recode_count == 0) return parts;
  const bool opens = h.cache_blocks > 0;
  const bool makes = h.block_coded_bytes_max > 0;
  parts.segments = opens ? kSegmentTableBytes : 0;
  parts.cache = uint64_t{h.cache_blocks} * h.block_plain_bytes_max;
  parts.block_plain = makes ? h.block_plain_bytes_max : 0;
  parts.block_coded = CodedBound(h.block_plain_bytes_max);
  for (size_t i = 0; i < h.recode_count; ++i) {
    if (opens) parts.recode = std::max(parts.recode, RecodeDecodeBytes(h.recodes[i], h.block_plain_bytes_max));
    if (makes) parts.recode = std::max(parts.recode, RecodeEncodeBytes(h.recodes[i], h.block_plain_bytes_max));
  }
  return parts;
}

uint64_t ArenaBytesFor(const PayloadHeader& header) {
  const ArenaParts p = ArenaPartsFor(header);
  return p.chunk + p.transfer + p.coded + p.plain + p.decoders_bytes() + p.map + p.blocks_bytes() + kAlignmentBytes;
}

}  // namespace till::delta
