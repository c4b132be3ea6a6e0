// Raw LZMA1 streams for the packer, as LzmaInput (delta/codec/lzma.h) reads them: a properties byte, then the stream
// without end marker. Deterministic for one version of liblzma.
#pragma once

#include "core/bytes.h"

namespace till::delta {

struct LzmaProperties {
  unsigned lc = 3;
  unsigned lp = 0;
  unsigned pb = 2;
};

// Empty when it would not be shorter than `plain`. The window is 2^window_log bytes, window_log 12 to 20.
Bytes EncodeLzma(ByteView plain, const LzmaProperties& properties, unsigned window_log);

}  // namespace till::delta
