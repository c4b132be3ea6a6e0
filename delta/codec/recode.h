// Opens and makes blocks with the pinned codecs: the terminal's encoders, byte for byte those of the packer.
//   What is called, so that another program can do the same (versions: tools/pinned_codecs.json)
//     xz     lzma_stream_buffer_encode(), LZMA_CHECK_CRC32; lzma_lzma_preset(preset | extreme), then lc, lp, pb and
//            dict_size set; a BCJ filter before LZMA2 when one is named. One stream, one block, sizes in its header.
//     zlib   deflateInit2(level, Z_DEFLATED, ±window bits, memory level, strategy), one deflate(Z_FINISH)
//     zstd   ZSTD_compressCCtx(level): content size in the header, no checksum
//     lz4    LZ4_compress_default(), or LZ4_compress_HC(LZ4HC_CLEVEL_MAX): a bare block
//     lzma   13 bytes (properties, dictionary, plain length) and a raw LZMA1 stream without end marker
//   Memory: only `workspace` (RecodeDecodeBytes(), RecodeEncodeBytes()). Thread rule: pure functions.
//   Errors: kCorrupt (not such a block, or not exactly these bytes), kLimit (workspace or room too small).
#pragma once

#include "delta/format/recode.h"

namespace till::delta {

// All of `coded` as one block; answers its plain length, at most plain.size(). Only zlib's wrapper is looked at among
// the parameters: every codec here says itself how it was made.
Result<size_t> RecodeDecode(const Recode& recode, ByteView coded, MutableByteView plain, MutableByteView workspace);

// `coded` has at least CodedBound(plain.size()) bytes: exactly so many are offered to the encoder. Answers how many it
// used. An empty block is refused.
Result<size_t> RecodeEncode(const Recode& recode, ByteView plain, MutableByteView coded, MutableByteView workspace);

}  // namespace till::delta
