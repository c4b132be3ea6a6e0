// Puts header, body and chunk-hash list of a payload together.
#pragma once

#include "core/bytes.h"
#include "delta/format/format.h"

namespace till::delta {

// `rest`: what follows the header. kLimit when the chunk list cannot hold so much.
Result<Bytes> WritePayload(const PayloadHeader& header, ByteView rest);

}  // namespace till::delta
