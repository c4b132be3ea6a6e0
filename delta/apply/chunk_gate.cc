#include "delta/apply/chunk_gate.h"

#include <algorithm>

namespace till::delta {

Result<ByteView> ChunkGate::Take(ByteView& bytes) {
  if (index_ >= chunks_.chunk_count()) {
    return Error{ErrorCode::kCorrupt, "bytes behind the payload's end", next_offset()};
  }
  const uint64_t length = chunks_.ChunkLength(index_);
  const size_t count = std::min<uint64_t>(bytes.size(), length - filled_);
  std::ranges::copy(bytes.first(count), buffer_.subspan(filled_).begin());
  filled_ += count;
  bytes = bytes.subspan(count);
  if (filled_ < length) return ByteView();
  const ByteView chunk = buffer_.first(length);
  if (!chunks_.Matches(index_, chunk)) {
    return Error{ErrorCode::kCorrupt, "chunk hash differs", index_ * chunks_.chunk_bytes()};
  }
  ++index_;
  filled_ = 0;
  return chunk;
}

}  // namespace till::delta
