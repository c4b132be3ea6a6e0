// Walks the directories of a squashfs and gives each file inode the paths that lead to it.
#pragma once

#include "delta/container/squashfs_inodes.h"
#include "delta/container/squashfs_metadata.h"

namespace till::delta {

// For each inode its paths in the order of the walk; none for inodes that no path leads to. Every directory is entered
// once; depth, path length and the number of names are bounded.
std::vector<std::vector<std::string>> WalkPaths(const SquashfsSuperblock& super, const SquashfsInodes& inodes,
                                                const MetadataRun& inode_table, const MetadataRun& directory_table);

}  // namespace till::delta
