// The members of a tar archive (ustar, and GNU's long names) in any Source, found without unpacking: name, place and
// length of each regular file.
//   Untrusted: what the members hold is checked by their signed hashes; here only bounds count.
//   Bounds: 4096 members, names of 1024 bytes. Errors: kCorrupt (offset of the header), kLimit, and the source's.
#pragma once

#include <string>
#include <vector>

#include "core/io.h"

namespace till::device {

struct TarMember {
  std::string name;  // without a leading "./"
  uint64_t offset = 0;
  uint64_t length = 0;
};

Result<std::vector<TarMember>> IndexTar(Source& archive);

}  // namespace till::device
