// liblz4 behind our memory rule: bare blocks.
#pragma once

#include "delta/codec/workspace.h"

namespace till::delta {

Result<size_t> Lz4Decode(ByteView coded, MutableByteView plain);
Result<size_t> Lz4Encode(bool high_compression, ByteView plain, MutableByteView coded, Workspace& workspace);

}  // namespace till::delta
