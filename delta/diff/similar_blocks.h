// Which blocks of the base share most bytes with a piece of the target, by samples: every 16 bytes whose hash ends in
// six zeros is remembered with its block. Two pieces that share a run of some 200 bytes share a sample.
//   Memory: 12 bytes a sample, one sample in 64 bytes.
#pragma once

#include <unordered_map>
#include <vector>

#include "delta/container/expanded_image.h"

namespace till::delta {

class SimilarBlocks {
 public:
  // Of all blocks of `base` that decode.
  explicit SimilarBlocks(ExpandedImage& base);
  // At most `count` blocks, those with most samples in common first.
  std::vector<uint32_t> Of(ByteView bytes, size_t count) const;

 private:
  std::unordered_map<uint32_t, uint32_t> block_of_;
};

}  // namespace till::delta
