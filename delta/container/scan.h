// Finds the containers in an image by their signatures, wherever they begin, and in containers again (a squashfs in a
// tar, a cpio in a gzip stream), and collects blocks and files of all.
//   What one container spans is searched again only where its files lie as they are, and what a single stream holds as
//   far as archives go: a block cannot be made of blocks. kMaxDepth levels.
//   Bounded: kMaxTrials signatures are followed that lead to nothing, and kMaxContainers that lead to one.
#pragma once

#include "delta/container/coded_block.h"

namespace till::delta {

inline constexpr unsigned kMaxContainerDepth = 4;

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
  bool of_streams = false;  // each block is all of a file, which may be an archive
};

ScanResult ScanForContainers(ByteView image);

}  // namespace till::delta
