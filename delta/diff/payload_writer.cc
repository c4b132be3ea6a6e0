#include "delta/diff/payload_writer.h"

#include "core/chunklist.h"

namespace till::delta {

Result<Bytes> WritePayload(const PayloadHeader& header, ByteView rest) {
  Bytes body = EncodeHeader(header);
  body.insert(body.end(), rest.begin(), rest.end());
  if (body.size() > ChunkList::kMaxBodyBytes) {
    return Error{ErrorCode::kLimit, "payload too long", ChunkList::kMaxBodyBytes};
  }
  MemorySource source(body);
  Bytes file = TILL_TRY(ChunkList::Of(source, kChunkLog2)).Encode();
  file.insert(file.end(), body.begin(), body.end());
  return file;
}

}  // namespace till::delta
