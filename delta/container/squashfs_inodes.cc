#include "delta/container/squashfs_inodes.h"

namespace till::delta {
namespace {

enum InodeType : uint16_t {
  kDirectory = 1,
  kFile = 2,
  kSymlink = 3,
  kBlockDevice = 4,
  kCharDevice = 5,
  kFifo = 6,
  kSocket = 7,
  kLongDirectory = 8,
  kLongFile = 9,
  kLongSymlink = 10,
  kLongBlockDevice = 11,
  kLongCharDevice = 12,
  kLongFifo = 13,
  kLongSocket = 14,
};

Status ReadFileTail(ByteReader& in, uint32_t block_bytes, SquashfsInode& inode) {
  uint64_t blocks = inode.size / block_bytes;
  if (inode.fragment == SquashfsInode::kNoFragment && inode.size % block_bytes != 0) ++blocks;
  if (blocks > in.remaining() / 4)
    return Error{ErrorCode::kCorrupt, "squashfs file longer than its inode", in.offset()};
  inode.block_words.reserve(blocks);
  for (uint64_t i = 0; i < blocks; ++i) inode.block_words.push_back(TILL_TRY(in.U32()));
  return Ok();
}

Status ReadFile(ByteReader& in, uint32_t block_bytes, SquashfsInode& inode) {
  inode.kind = SquashfsInode::Kind::kFile;
  inode.blocks_start = TILL_TRY(in.U32());
  inode.fragment = TILL_TRY(in.U32());
  inode.fragment_offset = TILL_TRY(in.U32());
  inode.size = TILL_TRY(in.U32());
  return ReadFileTail(in, block_bytes, inode);
}

Status ReadLongFile(ByteReader& in, uint32_t block_bytes, SquashfsInode& inode) {
  inode.kind = SquashfsInode::Kind::kFile;
  inode.blocks_start = TILL_TRY(in.U64());
  inode.size = TILL_TRY(in.U64());
  TILL_TRY(in.Skip(8 + 4));  // bytes in holes, links
  inode.fragment = TILL_TRY(in.U32());
  inode.fragment_offset = TILL_TRY(in.U32());
  TILL_TRY(in.Skip(4));  // xattr
  return ReadFileTail(in, block_bytes, inode);
}

Status ReadDirectory(ByteReader& in, SquashfsInode& inode) {
  inode.kind = SquashfsInode::Kind::kDirectory;
  inode.listing_block = TILL_TRY(in.U32());
  TILL_TRY(in.Skip(4));  // links
  inode.size = TILL_TRY(in.U16());
  inode.listing_offset = TILL_TRY(in.U16());
  return in.Skip(4);  // parent
}

Status ReadLongDirectory(ByteReader& in, SquashfsInode& inode) {
  inode.kind = SquashfsInode::Kind::kDirectory;
  TILL_TRY(in.Skip(4));  // links
  inode.size = TILL_TRY(in.U32());
  inode.listing_block = TILL_TRY(in.U32());
  TILL_TRY(in.Skip(4));  // parent
  const uint16_t indexes = TILL_TRY(in.U16());
  inode.listing_offset = TILL_TRY(in.U16());
  TILL_TRY(in.Skip(4));  // xattr
  for (unsigned i = 0; i < indexes; ++i) {
    TILL_TRY(in.Skip(4 + 4));
    TILL_TRY(in.Skip(uint64_t{TILL_TRY(in.U32())} + 1));
  }
  return Ok();
}

Status ReadSymlink(ByteReader& in, uint64_t behind) {
  TILL_TRY(in.Skip(4));
  const uint32_t length = TILL_TRY(in.U32());
  return in.Skip(length + behind);
}

Status ReadBody(ByteReader& in, uint16_t type, uint32_t block_bytes, SquashfsInode& inode) {
  switch (type) {
    case kDirectory:
      return ReadDirectory(in, inode);
    case kLongDirectory:
      return ReadLongDirectory(in, inode);
    case kFile:
      return ReadFile(in, block_bytes, inode);
    case kLongFile:
      return ReadLongFile(in, block_bytes, inode);
    case kSymlink:
      return ReadSymlink(in, 0);
    case kLongSymlink:
      return ReadSymlink(in, 4);
    case kBlockDevice:
    case kCharDevice:
      return in.Skip(8);
    case kLongBlockDevice:
    case kLongCharDevice:
      return in.Skip(12);
    case kFifo:
    case kSocket:
      return in.Skip(4);
    case kLongFifo:
    case kLongSocket:
      return in.Skip(8);
    default:
      return Error{ErrorCode::kCorrupt, "squashfs inode type", type};
  }
}

Result<SquashfsInode> ReadInode(ByteReader& in, uint32_t block_bytes) {
  SquashfsInode inode;
  const uint16_t type = TILL_TRY(in.U16());
  inode.mode = TILL_TRY(in.U16());
  TILL_TRY(in.Skip(2 + 2 + 4 + 4));  // owner, group, time, number
  TILL_TRY(ReadBody(in, type, block_bytes, inode));
  return inode;
}

}  // namespace

SquashfsInodes ReadInodes(ByteView table, const SquashfsSuperblock& super) {
  SquashfsInodes found;
  ByteReader in(table);
  while (!in.at_end() && found.inodes.size() < super.inode_count) {
    const uint64_t at = in.offset();
    Result<SquashfsInode> inode = ReadInode(in, super.block_bytes);
    if (!inode.ok()) break;
    found.index_at[at] = static_cast<uint32_t>(found.inodes.size());
    found.inodes.push_back(std::move(inode).value());
  }
  return found;
}

}  // namespace till::delta
