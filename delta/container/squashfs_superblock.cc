#include "delta/container/squashfs_superblock.h"

namespace till::delta {
namespace {

constexpr uint32_t kMagic = 0x73717368;
constexpr uint16_t kFlagCompressorOptions = 0x400;
constexpr uint32_t kMinBlockBytes = 4096;
constexpr uint32_t kMaxBlockBytes = 1 << 20;

Result<RecodeCodec> CodecOf(uint16_t compressor) {
  switch (compressor) {
    case 1:
      return RecodeCodec::kZlib;
    case 4:
      return RecodeCodec::kXz;
    case 5:
      return RecodeCodec::kLz4;
    case 6:
      return RecodeCodec::kZstd;
    default:
      return Error{ErrorCode::kUnsupported, "squashfs compressor", compressor};
  }
}

bool WithinOrNone(uint64_t table, const SquashfsSuperblock& super) {
  return table == SquashfsSuperblock::kNoTable || (table >= super.directory_table && table <= super.bytes_used);
}

}  // namespace

Result<SquashfsSuperblock> SquashfsSuperblock::Read(ByteView image) {
  ByteReader in(image.first(std::min<size_t>(image.size(), kBytes)));
  if (image.size() < kBytes || TILL_TRY(in.U32()) != kMagic) return Error{ErrorCode::kCorrupt, "not a squashfs", 0};
  SquashfsSuperblock super;
  super.inode_count = TILL_TRY(in.U32());
  TILL_TRY(in.U32());  // when it was made
  super.block_bytes = TILL_TRY(in.U32());
  super.fragment_count = TILL_TRY(in.U32());
  const uint16_t compressor = TILL_TRY(in.U16());
  const uint16_t block_log = TILL_TRY(in.U16());
  super.has_compressor_options = (TILL_TRY(in.U16()) & kFlagCompressorOptions) != 0;
  super.id_count = TILL_TRY(in.U16());
  const uint16_t major = TILL_TRY(in.U16());
  const uint16_t minor = TILL_TRY(in.U16());
  if (major != 4 || minor != 0) return Error{ErrorCode::kUnsupported, "squashfs version", major};
  super.root_inode = TILL_TRY(in.U64());
  super.bytes_used = TILL_TRY(in.U64());
  super.id_table = TILL_TRY(in.U64());
  super.xattr_table = TILL_TRY(in.U64());
  super.inode_table = TILL_TRY(in.U64());
  super.directory_table = TILL_TRY(in.U64());
  super.fragment_table = TILL_TRY(in.U64());
  super.export_table = TILL_TRY(in.U64());
  super.codec = TILL_TRY(CodecOf(compressor));
  if (super.block_bytes < kMinBlockBytes || super.block_bytes > kMaxBlockBytes || block_log > 20 ||
      super.block_bytes != uint32_t{1} << block_log) {
    return Error{ErrorCode::kCorrupt, "squashfs block size", 12};
  }
  if (super.bytes_used < kBytes || super.bytes_used > image.size()) {
    return Error{ErrorCode::kCorrupt, "squashfs longer than its image", 40};
  }
  if (super.inode_table < kBytes || super.inode_table > super.directory_table ||
      super.directory_table > super.bytes_used || !WithinOrNone(super.fragment_table, super) ||
      !WithinOrNone(super.export_table, super) || !WithinOrNone(super.id_table, super) ||
      !WithinOrNone(super.xattr_table, super)) {
    return Error{ErrorCode::kCorrupt, "squashfs tables", 48};
  }
  return super;
}

}  // namespace till::delta
