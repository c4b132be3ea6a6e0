// Images made by the real mksquashfs from trees of structured random files, and the trees they were made from.
#pragma once

#include <map>
#include <string>

#include "core/bytes.h"

namespace till::delta::testing {

using Tree = std::map<std::string, Bytes>;  // "/usr/bin/x" → content

// Some 40 files, from empty ones to a few blocks long; the same seed gives the same tree.
Tree RandomTree(uint64_t seed);
// The next release of it: edits, files gone, new, renamed with their version number, moved and copied.
Tree NextRelease(const Tree& tree, uint64_t seed);

// `options` as mksquashfs takes them: "-comp xz -b 131072". Fixed times and owners are added.
Bytes MakeSquashfs(const Tree& tree, const std::string& options);
// What unsquashfs unpacks of it.
Tree Unsquash(ByteView image);

}  // namespace till::delta::testing
