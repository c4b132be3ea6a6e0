// An image opened: its compressed blocks and its files found, the blocks decoded on demand.
//   Open() never fails: what is unknown or broken stays plain bytes. Nothing in the image can make it take more than
//   kMaxHeldBytes of memory for plain bytes: blocks beyond are plain bytes too, as are those that do not decode.
//   Opened: squashfs 4.0 (xz, gzip, zstd, lz4), uImage, FIT, gzip, xz and LZMA streams, tar and cpio, wherever in the
//   image they begin.
//   Thread rule: one thread at a time; DecodedPlain() may be called by many.
#pragma once

#include "core/io.h"
#include "delta/container/coded_block.h"

namespace till::delta {

class ExpandedImage {
 public:
  static constexpr uint64_t kMaxHeldBytes = uint64_t{1} << 30;

  // `image` outlives the answer.
  static ExpandedImage Open(ByteView image);

  ByteView image() const { return image_; }
  const std::vector<CodedBlock>& blocks() const { return blocks_; }  // ascending, not overlapping
  const std::vector<ContainedFile>& files() const { return files_; }
  // "squashfs 4.0 xz at 0", one per container found.
  const std::vector<std::string>& containers() const { return containers_; }

  ByteView Coded(uint32_t block) const { return image_.subspan(blocks_[block].offset, blocks_[block].coded_bytes); }
  // The plain bytes, decoded at the first call and kept; empty when the block cannot be decoded.
  ByteView Plain(uint32_t block);
  // The same for many, on `threads` threads.
  void DecodeBlocks(const std::vector<uint32_t>& wanted, unsigned threads);
  // Of a block that one of the two above saw before.
  ByteView DecodedPlain(uint32_t block) const { return plains_[block].bytes; }
  // Frees a block's plain bytes; the next Plain() decodes them again.
  void Forget(uint32_t block);

 private:
  struct Held {
    Bytes bytes;
    bool tried = false;
  };

  ByteView image_;
  std::vector<CodedBlock> blocks_;
  std::vector<ContainedFile> files_;
  std::vector<std::string> containers_;
  std::vector<Held> plains_;
  uint64_t held_bytes_ = 0;
};

// The whole image with every block replaced by its plain bytes, in image order, nothing omitted: what `tillpack
// expand` writes, and what byte-level peers are given to compare with. Answers its length.
Result<uint64_t> WriteExpanded(ExpandedImage& image, Sink& out);

}  // namespace till::delta
