// How an applier's memory is divided: one arena, every part computed from the payload's header alone.
//   The numbers are the same on every machine and part of the format (docs/formats/payload.md, "Memory").
#pragma once

#include "delta/format/format.h"

namespace till::delta {

// Minor version 1: one zstd decoder for whole streams (zstd 1.5: 95 KiB on 64 bits).
inline constexpr uint64_t kDecoderBytes = 160 << 10;
// From 2 on, one for each stream, besides windows: zstd (95 KiB and 128 KiB for literals), LZMA, model.
inline constexpr uint64_t kZstdStreamBytes = 240 << 10;
inline constexpr uint64_t kLzmaDecoderBytes = 64 << 10;
inline constexpr uint64_t kModelDecoderBytes = 640 << 10;
inline constexpr uint64_t kTransferBytes = 32 << 10;
inline constexpr uint64_t kSegmentTableBytes = 32 << 10;
inline constexpr uint64_t kAlignmentBytes = 4096;

struct ArenaParts {
  uint64_t chunk = 0;     // being collected
  uint64_t transfer = 0;  // bytes on their way from base to target
  uint64_t coded = 0;     // one frame's streams
  uint64_t plain = 0;     // the same decoded; minor version 1 only
  std::array<uint64_t, kStreamCount> decoders{};
  uint64_t map = 0;          // decoded, for as long as frames come
  uint64_t map_decoder = 0;  // before the first frame, in the place of the stream decoders
  uint64_t map_coded = 0;    // before the first frame, in the place of all that follows
  uint64_t segments = 0;     // the table of one frame's
  uint64_t cache = 0;        // opened segments
  uint64_t block_plain = 0;
  uint64_t block_coded = 0;  // of a made block, or of a segment on its way in
  uint64_t recode = 0;       // the encoder's or opener's own memory

  uint64_t decoders_bytes() const;
  uint64_t blocks_bytes() const;
};

// The map's own window: the smallest that holds all of it, 4 KiB at least.
unsigned MapWindowLog(const PayloadHeader& header);
ArenaParts ArenaPartsFor(const PayloadHeader& header);
uint64_t ArenaBytesFor(const PayloadHeader& header);

}  // namespace till::delta
