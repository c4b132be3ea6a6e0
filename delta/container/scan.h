// Finds the containers in an image by their signatures, wherever they begin, and collects blocks and files of all.
//   What one container spans is not searched again. Bounded: kMaxTrials signatures are followed, no more.
#pragma once

#include "delta/container/coded_block.h"

namespace till::delta {

struct ScanResult {
  std::vector<CodedBlock> blocks;  // ascending, not overlapping
  std::vector<ContainedFile> files;
  std::vector<std::string> containers;
};

// What one reader found in image[start, start + span); offsets count from the image's start.
struct Container {
  uint64_t span = 0;  // bytes that need no further search
  std::string name;
  std::vector<CodedBlock> blocks;
  std::vector<ContainedFile> files;
};

ScanResult ScanForContainers(ByteView image);

}  // namespace till::delta
