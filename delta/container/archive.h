// tar (ustar, with GNU's long names) and cpio (newc): files whose contents lie in the image as they are.
//   Bounded: names of at most 4 KiB, headers checked, the walk ends at the first that makes no sense.
#pragma once

#include <optional>

#include "delta/container/scan.h"

namespace till::delta {

std::optional<Container> ReadTar(ByteView image, uint64_t start);
std::optional<Container> ReadCpio(ByteView image, uint64_t start);

}  // namespace till::delta
