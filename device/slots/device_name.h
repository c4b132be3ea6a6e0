// What a device node is, as the kernel names it in /sys/dev: for choosing a slot's kind, and for seeing that two nodes
// lead to the same storage.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

namespace till::device {

enum class NodeKind : uint8_t { kFile, kBlock, kMtd, kUbi, kOther };

struct NodeName {
  NodeKind kind = NodeKind::kOther;
  std::string storage;  // "mtd5", "ubi0_1", "mmcblk0p2"; "" for a file, or when the kernel does not say
};

NodeName NameNode(const struct stat& node);
// The storage behind a kernel name: mtd5ro and mtdblock5 are mtd5, ubiblock0_1 is ubi0_1.
std::string StorageOf(std::string_view kernel_name);

}  // namespace till::device
