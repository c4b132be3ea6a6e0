#include "device/slots/device_name.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>

namespace till::device {
namespace {

// The last part of where a link of /sys leads; "" when there is none.
std::string LastOfLink(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = readlink(path.c_str(), target, sizeof(target));
  if (length <= 0) return "";
  const std::string_view text(target, static_cast<size_t>(length));
  return std::string(text.substr(text.rfind('/') + 1));
}

}  // namespace

std::string StorageOf(std::string_view kernel_name) {
  constexpr std::string_view kMtdBlock = "mtdblock";
  constexpr std::string_view kUbiBlock = "ubiblock";
  if (kernel_name.starts_with(kMtdBlock)) return "mtd" + std::string(kernel_name.substr(kMtdBlock.size()));
  if (kernel_name.starts_with(kUbiBlock)) return "ubi" + std::string(kernel_name.substr(kUbiBlock.size()));
  if (kernel_name.starts_with("mtd") && kernel_name.ends_with("ro")) kernel_name.remove_suffix(2);
  return std::string(kernel_name);
}

NodeName NameNode(const struct stat& node) {
  if (S_ISREG(node.st_mode)) return {NodeKind::kFile, ""};
  const bool block = S_ISBLK(node.st_mode);
  if (!block && !S_ISCHR(node.st_mode)) return {};
  const std::string link = std::string("/sys/dev/") + (block ? "block/" : "char/") +
                           std::to_string(major(node.st_rdev)) + ":" + std::to_string(minor(node.st_rdev));
  NodeName name{block ? NodeKind::kBlock : NodeKind::kOther, StorageOf(LastOfLink(link))};
  if (block) return name;
  const std::string subsystem = LastOfLink(link + "/subsystem");
  if (subsystem == "mtd") name.kind = NodeKind::kMtd;
  if (subsystem == "ubi") name.kind = NodeKind::kUbi;
  return name;
}

}  // namespace till::device
