// Patches of the trade's format on the command line: `tillpack delta --format bsdiff40`, and what `tillpack apply` and
// `info` do when they are given one.
#pragma once

#include <string>

#include "core/bytes.h"
#include "packer/commands.h"

namespace till::packer {

struct PatchPaths {
  std::string base;
  std::string patch;
  std::string out;  // "": nothing is written, the image is hashed
  uint64_t max_memory_bytes = 0;
};

bool IsBsdiffPatch(const std::string& path);
// Exit codes as for payloads: 3 a damaged patch, 4 more memory or a longer image than allowed.
int ApplyBsdiffPatch(const GlobalOptions& options, const PatchPaths& paths);
int TellAboutBsdiffPatch(const GlobalOptions& options, const std::string& path);

}  // namespace till::packer
