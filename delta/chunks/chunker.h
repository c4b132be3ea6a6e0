// Cuts bytes into content-defined chunks: the same stretch gives the same cuts wherever it lies.
//   Gear hash with normalised cutting after FastCDC (Xia et al., USENIX ATC 2016), 32 bits wide so that a MIPS32 takes
//   four instructions a byte. Part of the format (docs/formats/chunks.md): never changed, only versioned.
//   A chunk has average/4 to 4 x average bytes; the last one of a stream may be shorter. Pure, no memory.
#pragma once

#include "core/bytes.h"

namespace till::delta {

inline constexpr unsigned kMinAverageLog2 = 10;
inline constexpr unsigned kMaxAverageLog2 = 16;

class Chunker {
 public:
  explicit Chunker(unsigned average_log2) : average_log2_(average_log2) {}
  size_t min_bytes() const { return size_t{1} << (average_log2_ - 2); }
  size_t max_bytes() const { return size_t{1} << (average_log2_ + 2); }
  // The length of the chunk that `bytes` begins with: `bytes` holds max_bytes(), or all that is left.
  size_t CutLength(ByteView bytes) const;

 private:
  unsigned average_log2_;
};

}  // namespace till::delta
