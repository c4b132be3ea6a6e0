// Flattened image trees (U-Boot's FIT): the members under /images, the compressed ones as blocks.
//   Members whose names differ only in a number at the end (frame-01, frame-02 …: `tillpack kernel`) are one file.
//   Hostile trees: every offset and length is checked, depth and the number of nodes are bounded.
//   Source: Devicetree Specification 0.4, chapter 5; U-Boot doc/uImage.FIT/source_file_format.txt.
#pragma once

#include <optional>

#include "delta/container/scan.h"

namespace till::delta {

std::optional<Container> ReadFit(ByteView image, uint64_t start);
// The legacy format: its payload is opened when it is one small LZMA or gzip stream.
std::optional<Container> ReadUimage(ByteView image, uint64_t start);

}  // namespace till::delta
