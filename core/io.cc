#include "core/io.h"

#include <algorithm>
#include <cstring>

namespace till {

Status ReadFully(Source& source, uint64_t offset, MutableByteView out) {
  while (!out.empty()) {
    const size_t got = TILL_TRY(source.ReadAt(offset, out));
    if (got == 0) return Error{ErrorCode::kCorrupt, "source ends too early", offset};
    offset += got;
    out = out.subspan(got);
  }
  return Ok();
}

Result<uint64_t> Copy(Source& source, Sink& sink) {
  Bytes buffer(64 * 1024);
  uint64_t offset = 0;
  for (;;) {
    const size_t got = TILL_TRY(source.ReadAt(offset, buffer));
    if (got == 0) return offset;
    TILL_TRY(sink.Write(ByteView(buffer).first(got)));
    offset += got;
  }
}

Result<size_t> MemorySource::ReadAt(uint64_t offset, MutableByteView out) {
  if (offset >= bytes_.size()) return size_t{0};
  const size_t count = std::min<size_t>(out.size(), bytes_.size() - static_cast<size_t>(offset));
  if (count != 0) std::memcpy(out.data(), bytes_.data() + offset, count);
  return count;
}

Status MemorySink::Write(ByteView bytes) {
  if (bytes.size() > limit_bytes_ - bytes_.size())
    return Error{ErrorCode::kLimit, "more bytes than allowed", limit_bytes_};
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return Ok();
}

}  // namespace till
