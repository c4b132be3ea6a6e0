// The superblock of squashfs 4.0, checked against the image's length.
#pragma once

#include "core/bytes.h"
#include "delta/format/recode.h"

namespace till::delta {

struct SquashfsSuperblock {
  static constexpr uint64_t kBytes = 96;
  static constexpr uint64_t kNoTable = ~uint64_t{0};

  uint32_t inode_count = 0;
  uint32_t block_bytes = 0;
  uint32_t fragment_count = 0;
  RecodeCodec codec = RecodeCodec::kXz;
  bool has_compressor_options = false;
  uint16_t id_count = 0;
  uint64_t root_inode = 0;
  uint64_t bytes_used = 0;
  uint64_t id_table = 0;
  uint64_t xattr_table = 0;  // kNoTable when there is none; so with export and fragments
  uint64_t inode_table = 0;
  uint64_t directory_table = 0;
  uint64_t fragment_table = 0;
  uint64_t export_table = 0;

  // kCorrupt (not a squashfs, or tables outside of it), kUnsupported (version, compressor).
  static Result<SquashfsSuperblock> Read(ByteView image);
};

}  // namespace till::delta
