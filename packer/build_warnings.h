// What makes a build irreproducible, seen from two images of it: files that changed only in a build id, a date, a time
// stamp. Each costs every terminal bytes at every release, and the mend is in the build, not in the delta.
//   Looks into squashfs images (delta/container); other images give no warnings. Memory: changed blocks of both images,
//   opened. Deterministic; in order of path.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"

namespace till::packer {

struct BuildWarning {
  std::string file;  // path in the image, or "times of files"
  std::string what;  // "only its build id changed"
  std::string mend;
};

// At most kMaxBuildWarnings.
inline constexpr size_t kMaxBuildWarnings = 20;
std::vector<BuildWarning> LookForIrreproducibility(ByteView base, ByteView target);

}  // namespace till::packer
