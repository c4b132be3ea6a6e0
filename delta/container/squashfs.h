// Reads squashfs 4.0 (xz, gzip, zstd, lz4): every compressed block in image order, and the files by path.
//   Hostile images: every offset, count and length is checked against the image; tables are read in order and within
//   their bounds; a directory is entered once; names and paths are bounded. What breaks ends the reading of that table,
//   and what was found so far stands (data blocks need the inode table only).
//   Source: Documentation/filesystems/squashfs.rst and fs/squashfs/squashfs_fs.h of Linux 6.1.
#pragma once

#include <optional>

#include "delta/container/scan.h"

namespace till::delta {

// Nothing when superblock or inode table cannot be read at all.
std::optional<Container> ReadSquashfs(ByteView image, uint64_t start);

}  // namespace till::delta
