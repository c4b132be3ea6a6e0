#include "delta/container/squashfs.h"

#include <algorithm>

#include "delta/container/squashfs_directories.h"
#include "delta/container/squashfs_inodes.h"
#include "delta/container/squashfs_metadata.h"
#include "delta/container/squashfs_superblock.h"

namespace till::delta {
namespace {

constexpr uint64_t kMaxTableBytes = 128 << 20;  // of one table, plain: a million files
constexpr uint64_t kFragmentEntryBytes = 16;

const char* NameOf(RecodeCodec codec) {
  switch (codec) {
    case RecodeCodec::kZlib:
      return "squashfs 4.0 gzip";
    case RecodeCodec::kZstd:
      return "squashfs 4.0 zstd";
    case RecodeCodec::kLz4:
      return "squashfs 4.0 lz4";
    default:
      return "squashfs 4.0 xz";
  }
}

struct Fragment {
  uint64_t start = 0;
  uint32_t word = 0;
  uint32_t used_bytes = 0;  // by the files in it
};

class SquashfsReader {
 public:
  SquashfsReader(ByteView image, const SquashfsSuperblock& super) : image_(image), super_(super) {}

  std::optional<Container> Read() {
    contents_.name = NameOf(super_.codec);
    contents_.span = super_.bytes_used;
    if (super_.has_compressor_options) ReadOptions();
    const MetadataRun inode_table =
        ReadMetadata(image_, super_.codec, super_.inode_table, super_.directory_table, kMaxTableBytes);
    if (inode_table.plain.empty()) return std::nullopt;
    const SquashfsInodes inodes = ReadInodes(inode_table.plain, super_);
    AddTable(":squashfs/inodes", inode_table);
    ReadFragments();
    const MetadataRun directory_table =
        ReadMetadata(image_, super_.codec, super_.directory_table, EndOfDirectories(), kMaxTableBytes);
    AddTable(":squashfs/directories", directory_table);
    ReadIndexedTable(":squashfs/export", super_.export_table, uint64_t{super_.inode_count} * 8);
    ReadIndexedTable(":squashfs/ids", super_.id_table, uint64_t{super_.id_count} * 4);
    ReadXattrs();
    AddFiles(inodes, WalkPaths(super_, inodes, inode_table, directory_table));
    AddFragmentBlocks();
    ResolveBlocks();
    return std::move(contents_);
  }

 private:
  // Offset of the first metadata block of an indexed table: what its index begins with.
  uint64_t FirstBlockOf(uint64_t index) const {
    if (index == SquashfsSuperblock::kNoTable || index > super_.bytes_used || super_.bytes_used - index < 8) {
      return super_.bytes_used;
    }
    ByteReader in(image_.subspan(index, 8));
    const Result<uint64_t> first = in.U64();
    return first.ok() && *first < index ? *first : index;
  }

  uint64_t EndOfDirectories() const {
    uint64_t end = std::min(FirstBlockOf(super_.id_table), FirstBlockOf(super_.export_table));
    if (super_.fragment_count > 0) end = std::min(end, FirstBlockOf(super_.fragment_table));
    return end;
  }

  void AddTable(const char* path, const MetadataRun& run) {
    ContainedFile file;
    file.path = path;
    file.size = run.plain.size();
    file.extents = run.extents;
    for (Extent& extent : file.extents) {
      // Blocks are named by their offset until all are known: ResolveBlocks().
      if (extent.kind == Extent::Kind::kBlock) extent.block = AddPending(run.blocks[extent.block]);
    }
    if (!file.extents.empty()) contents_.files.push_back(std::move(file));
  }

  // Squashfs's own structures of options, by compressor: fs/squashfs/{zlib,lz4,zstd}_wrapper.c and mksquashfs. What xz
  // has there (dictionary, filters) each block says itself.
  void ReadOptions() {
    const MetadataRun run = ReadMetadata(image_, super_.codec, SquashfsSuperblock::kBytes, super_.inode_table, 1);
    AddTable(":squashfs/options", run);
    ByteReader in(run.plain);
    const Result<uint32_t> first = in.U32();
    const Result<uint32_t> second = in.U32();
    constexpr uint32_t kHighestLevel = 22;
    constexpr uint32_t kHighCompressionBit = 1;
    if (!first.ok()) return;
    if (super_.codec == RecodeCodec::kLz4) {
      options_.stated_level = second.ok() && (*second & kHighCompressionBit) != 0 ? 2 : 1;
    } else if (super_.codec != RecodeCodec::kXz && *first <= kHighestLevel) {
      options_.stated_level = static_cast<uint8_t>(*first);
    }
    if (super_.codec == RecodeCodec::kZlib && second.ok()) {
      options_.stated_strategies = static_cast<uint8_t>(*second >> 16);  // behind the window's u16
    }
  }

  MetadataRun ReadIndexedTable(const char* path, uint64_t index, uint64_t plain_bytes) {
    if (index == SquashfsSuperblock::kNoTable || plain_bytes == 0) return {};
    MetadataRun run =
        ReadMetadata(image_, super_.codec, FirstBlockOf(index), index, std::min<uint64_t>(plain_bytes, kMaxTableBytes));
    AddTable(path, run);
    return run;
  }

  void ReadFragments() {
    const MetadataRun run =
        ReadIndexedTable(":squashfs/fragments", super_.fragment_table, super_.fragment_count * kFragmentEntryBytes);
    ByteReader in(run.plain);
    for (uint32_t i = 0; i < super_.fragment_count && in.remaining() >= kFragmentEntryBytes; ++i) {
      Fragment fragment;
      fragment.start = *in.U64();
      fragment.word = *in.U32();
      (void)in.U32();
      fragments_.push_back(fragment);
    }
  }

  void ReadXattrs() {
    const uint64_t at = super_.xattr_table;
    if (at == SquashfsSuperblock::kNoTable || super_.bytes_used < 16 || at > super_.bytes_used - 16) return;
    ByteReader in(image_.subspan(at, 16));
    const uint64_t pairs_start = *in.U64();
    const uint64_t ids = *in.U32();
    const uint64_t first_id_block = FirstBlockOf(at + 16);
    AddTable(":squashfs/xattr-ids",
             ReadMetadata(image_, super_.codec, first_id_block, at, std::min<uint64_t>(ids * 16, kMaxTableBytes)));
    if (pairs_start >= super_.directory_table && pairs_start < first_id_block) {
      AddTable(":squashfs/xattrs", ReadMetadata(image_, super_.codec, pairs_start, first_id_block, kMaxTableBytes));
    }
  }

  // A place for a block that may turn out to overlap another; the same block asked for twice is one.
  uint32_t AddPending(const CodedBlock& block) {
    const auto [at, fresh] = pending_at_.try_emplace(block.offset, static_cast<uint32_t>(pending_.size()));
    if (fresh) {
      pending_.push_back(block);
      pending_.back().stated_level = options_.stated_level;
      pending_.back().stated_strategies = options_.stated_strategies;
    } else {
      CodedBlock& known = pending_[at->second];
      known.plain_bytes = std::max(known.plain_bytes, block.plain_bytes);
    }
    return at->second;
  }

  // One data block or fragment: where its bytes [offset, +length) lie.
  Extent DataExtent(uint64_t start, uint32_t word, uint32_t block_plain_bytes, uint32_t offset, uint32_t length) {
    const uint32_t coded_bytes = word & (kSquashfsStoredBit - 1);
    if ((word & kSquashfsStoredBit) != 0) return {Extent::Kind::kRaw, 0, start + offset, length};
    return {Extent::Kind::kBlock, AddPending({start, coded_bytes, block_plain_bytes, super_.codec}), offset, length};
  }

  // A stored block holds what it takes; a compressed one may hold anything up to a block.
  bool InsideData(uint64_t start, uint32_t word, uint64_t needed_bytes) const {
    const uint64_t coded_bytes = word & (kSquashfsStoredBit - 1);
    if ((word & kSquashfsStoredBit) != 0 && needed_bytes > coded_bytes) return false;
    return start >= SquashfsSuperblock::kBytes && start <= super_.bytes_used && coded_bytes > 0 &&
           coded_bytes <= super_.block_bytes && coded_bytes <= super_.bytes_used - start;
  }

  bool AddBlocks(const SquashfsInode& inode, ContainedFile& file) {
    uint64_t at = inode.blocks_start;
    uint64_t left = inode.size;
    for (const uint32_t word : inode.block_words) {
      const auto length = static_cast<uint32_t>(std::min<uint64_t>(left, super_.block_bytes));
      left -= length;
      if (word == 0) {
        file.extents.push_back({Extent::Kind::kHole, 0, 0, length});
        continue;
      }
      if (!InsideData(at, word, length)) return false;
      file.extents.push_back(DataExtent(at, word, length, 0, length));
      at += word & (kSquashfsStoredBit - 1);
    }
    if (left == 0) return true;
    if (inode.fragment >= fragments_.size() || left > super_.block_bytes ||
        inode.fragment_offset > super_.block_bytes - left) {
      return false;
    }
    Fragment& fragment = fragments_[inode.fragment];
    const auto end = static_cast<uint32_t>(inode.fragment_offset + left);
    if (!InsideData(fragment.start, fragment.word, end)) return false;
    fragment.used_bytes = std::max(fragment.used_bytes, end);
    file.extents.push_back(
        DataExtent(fragment.start, fragment.word, end, inode.fragment_offset, static_cast<uint32_t>(left)));
    return true;
  }

  void AddFiles(const SquashfsInodes& inodes, std::vector<std::vector<std::string>> paths) {
    for (size_t i = 0; i < inodes.inodes.size(); ++i) {
      const SquashfsInode& inode = inodes.inodes[i];
      if (inode.kind != SquashfsInode::Kind::kFile || inode.size == 0) continue;
      ContainedFile file;
      file.mode = inode.mode;
      file.size = inode.size;
      if (!AddBlocks(inode, file) || paths[i].empty()) continue;
      file.path = std::move(paths[i].front());
      file.aliases.assign(std::make_move_iterator(paths[i].begin() + 1), std::make_move_iterator(paths[i].end()));
      contents_.files.push_back(std::move(file));
    }
  }

  // Fragments that no file claims are still blocks.
  void AddFragmentBlocks() {
    for (const Fragment& fragment : fragments_) {
      if ((fragment.word & kSquashfsStoredBit) != 0 || !InsideData(fragment.start, fragment.word, 0)) continue;
      AddPending({fragment.start, fragment.word & (kSquashfsStoredBit - 1), super_.block_bytes, super_.codec});
    }
  }

  // Keeps the blocks that do not overlap, in order, and lets the files name them by their index.
  void ResolveBlocks() {
    std::vector<uint32_t> order(pending_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return pending_[a].offset < pending_[b].offset; });
    constexpr uint32_t kDropped = ~uint32_t{0};
    std::vector<uint32_t> index(pending_.size(), kDropped);
    uint64_t end = 0;
    for (const uint32_t i : order) {
      if (pending_[i].offset < end) continue;
      end = pending_[i].offset + pending_[i].coded_bytes;
      index[i] = static_cast<uint32_t>(contents_.blocks.size());
      contents_.blocks.push_back(pending_[i]);
    }
    std::erase_if(contents_.files, [&](ContainedFile& file) {
      for (Extent& extent : file.extents) {
        if (extent.kind != Extent::Kind::kBlock) continue;
        extent.block = index[extent.block];
        if (extent.block == kDropped) return true;
      }
      return false;
    });
  }

  ByteView image_;
  const SquashfsSuperblock& super_;
  Container contents_;
  CodedBlock options_;  // its stated_ fields: what each block gets
  std::vector<Fragment> fragments_;
  std::vector<CodedBlock> pending_;
  std::unordered_map<uint64_t, uint32_t> pending_at_;
};

}  // namespace

std::optional<Container> ReadSquashfs(ByteView image, uint64_t start) {
  const ByteView own = image.subspan(start);
  const Result<SquashfsSuperblock> super = SquashfsSuperblock::Read(own);
  if (!super.ok()) return std::nullopt;
  std::optional<Container> container = SquashfsReader(own, *super).Read();
  if (!container) return std::nullopt;
  for (CodedBlock& block : container->blocks) block.offset += start;
  for (ContainedFile& file : container->files) {
    for (Extent& extent : file.extents) {
      if (extent.kind == Extent::Kind::kRaw) extent.offset += start;
    }
  }
  return container;
}

}  // namespace till::delta
