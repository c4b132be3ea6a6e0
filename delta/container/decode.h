// Decodes one coded block with the terminal's own decoders, in memory taken for the call.
#pragma once

#include "delta/container/coded_block.h"

namespace till::delta {

// What the block itself says about how it was coded: codec, dictionary, filter, lc/lp/pb, window. What it does not say
// (preset, level) is left at the codec's usual value; decoding does not need it.
Recode DecodingOf(const CodedBlock& block, ByteView coded);
// Answers the plain length. kCorrupt when it is broken or longer than `plain`.
Result<size_t> DecodeBlock(const CodedBlock& block, ByteView coded, MutableByteView plain);

}  // namespace till::delta
