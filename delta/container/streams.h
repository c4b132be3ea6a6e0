// Single compressed streams: gzip members, xz files of one block, .lzma files. Opened when a terminal could make them
// again: at most 1 MiB plain.
#pragma once

#include <optional>

#include "delta/container/scan.h"

namespace till::delta {

// The coded part of the stream that begins at `at` and has at most `length` bytes; of gzip that is what stands between
// its header and its checksum. Decoded once, so that it is known to be whole.
std::optional<CodedBlock> OpenGzip(ByteView image, uint64_t at, uint64_t length);
std::optional<CodedBlock> OpenXz(ByteView image, uint64_t at, uint64_t length);
std::optional<CodedBlock> OpenLzma(ByteView image, uint64_t at, uint64_t length);

std::optional<Container> ReadGzip(ByteView image, uint64_t start);
std::optional<Container> ReadXz(ByteView image, uint64_t start);

}  // namespace till::delta
