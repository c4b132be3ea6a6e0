// The inode table of a squashfs: what each inode holds, by its place in the table.
#pragma once

#include <unordered_map>

#include "delta/container/squashfs_superblock.h"

namespace till::delta {

struct SquashfsInode {
  enum class Kind : uint8_t { kFile, kDirectory, kOther };
  static constexpr uint32_t kNoFragment = ~uint32_t{0};

  Kind kind = Kind::kOther;
  uint16_t mode = 0;
  uint64_t size = 0;  // of a file; of a directory its listing's bytes
  // kFile
  uint64_t blocks_start = 0;
  std::vector<uint32_t> block_words;  // coded length, bit 24: stored; 0: a hole
  uint32_t fragment = kNoFragment;
  uint32_t fragment_offset = 0;
  // kDirectory
  uint64_t listing_block = 0;  // coded offset from the directory table's start
  uint32_t listing_offset = 0;
};

inline constexpr uint32_t kSquashfsStoredBit = 1 << 24;

struct SquashfsInodes {
  std::vector<SquashfsInode> inodes;
  std::unordered_map<uint64_t, uint32_t> index_at;  // offset in the table's plain bytes → index
};

// Reads inodes in the order they lie until the table ends or one does not make sense: what came before stands.
SquashfsInodes ReadInodes(ByteView table, const SquashfsSuperblock& super);

}  // namespace till::delta
