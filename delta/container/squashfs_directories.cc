#include "delta/container/squashfs_directories.h"

#include <optional>

namespace till::delta {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxAliases = 64;        // of one file: more paths to it help nobody
constexpr uint32_t kListingOverhead = 3;  // a listing's size counts "." and ".." in

class Walk {
 public:
  Walk(const SquashfsSuperblock& super, const SquashfsInodes& inodes, const MetadataRun& inode_table,
       const MetadataRun& directory_table)
      : super_(super), inodes_(inodes), inode_table_(inode_table), directories_(directory_table) {
    paths_.resize(inodes.inodes.size());
    entered_.resize(inodes.inodes.size());
  }

  std::vector<std::vector<std::string>> Run() {
    if (const auto root = InodeAt(super_.root_inode >> 16, super_.root_inode & 0xffff)) Enter(*root, "");
    while (!pending_.empty()) {
      const auto [inode, path] = std::move(pending_.back());
      pending_.pop_back();
      // A broken listing ends that directory; what it named before stands.
      (void)ReadListing(inodes_.inodes[inode], path);
    }
    return std::move(paths_);
  }

 private:
  std::optional<uint32_t> InodeAt(uint64_t block, uint64_t offset) const {
    const auto start = inode_table_.plain_offset_of.find(super_.inode_table + block);
    if (start == inode_table_.plain_offset_of.end()) return std::nullopt;
    const auto index = inodes_.index_at.find(start->second + offset);
    if (index == inodes_.index_at.end()) return std::nullopt;
    return index->second;
  }

  void Enter(uint32_t inode, std::string path) {
    if (entered_[inode] || inodes_.inodes[inode].kind != SquashfsInode::Kind::kDirectory) return;
    entered_[inode] = true;
    pending_.emplace_back(inode, std::move(path));
  }

  Status ReadListing(const SquashfsInode& directory, const std::string& path) {
    if (directory.size <= kListingOverhead) return Ok();
    const auto start = directories_.plain_offset_of.find(super_.directory_table + directory.listing_block);
    if (start == directories_.plain_offset_of.end()) return Error{ErrorCode::kCorrupt, "squashfs listing", 0};
    ByteReader table(directories_.plain);
    TILL_TRY(table.Skip(start->second + directory.listing_offset));
    ByteReader in(TILL_TRY(table.Take(directory.size - kListingOverhead)));
    while (!in.at_end()) {
      const uint64_t count = uint64_t{TILL_TRY(in.U32())} + 1;
      const uint32_t inode_block = TILL_TRY(in.U32());
      TILL_TRY(in.U32());  // inode number
      for (uint64_t i = 0; i < count; ++i) TILL_TRY(ReadEntry(in, inode_block, path));
    }
    return Ok();
  }

  Status ReadEntry(ByteReader& in, uint32_t inode_block, const std::string& directory) {
    const uint16_t offset = TILL_TRY(in.U16());
    TILL_TRY(in.Skip(2 + 2));  // inode number's difference, type
    const uint16_t length = TILL_TRY(in.U16());
    const ByteView name = TILL_TRY(in.Take(uint64_t{length} + 1));
    const auto inode = InodeAt(inode_block, offset);
    if (!inode || directory.size() + 1 + name.size() > kMaxPathBytes) return Ok();
    std::string path = directory + '/';
    path += AsText(name);
    if (inodes_.inodes[*inode].kind == SquashfsInode::Kind::kFile) {
      if (paths_[*inode].size() < kMaxAliases) paths_[*inode].push_back(std::move(path));
    } else {
      Enter(*inode, std::move(path));
    }
    return Ok();
  }

  const SquashfsSuperblock& super_;
  const SquashfsInodes& inodes_;
  const MetadataRun& inode_table_;
  const MetadataRun& directories_;
  std::vector<std::vector<std::string>> paths_;
  std::vector<bool> entered_;
  std::vector<std::pair<uint32_t, std::string>> pending_;
};

}  // namespace

std::vector<std::vector<std::string>> WalkPaths(const SquashfsSuperblock& super, const SquashfsInodes& inodes,
                                                const MetadataRun& inode_table, const MetadataRun& directory_table) {
  return Walk(super, inodes, inode_table, directory_table).Run();
}

}  // namespace till::delta
