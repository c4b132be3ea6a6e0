// zlib behind our memory rule: one block at a time, everything from a Workspace.
#pragma once

#include "delta/codec/workspace.h"
#include "delta/format/recode.h"

namespace till::delta {

Result<size_t> ZlibDecode(bool raw_deflate, ByteView coded, MutableByteView plain, Workspace& workspace);
Result<size_t> ZlibEncode(const ZlibParameters& p, ByteView plain, MutableByteView coded, Workspace& workspace);

}  // namespace till::delta
