#include "delta/apply/chunk_gate.h"

#include <algorithm>

namespace till::delta {

Result<ByteView> ChunkGate::Take(ByteView& bytes) {
  if (index_ >= chunks_.chunk_count()) {
    return Error{ErrorCode::kCorrupt, "bytes behind the payload's end", next_offset()};
  }
  const uint64_t length = chunks_.ChunkLength(index_) - from_;
  const size_t count = std::min<uint64_t>(bytes.size(), length - filled_);
  std::ranges::copy(bytes.first(count), buffer_.subspan(filled_).begin());
  filled_ += count;
  bytes = bytes.subspan(count);
  if (filled_ < length) return ByteView();
  const ByteView chunk = buffer_.first(length);
  if (!chunks_.MatchesRest(index_, before_, from_, chunk)) {
    const uint64_t start = index_ * chunks_.chunk_bytes();
    if (from_ > 0) return Error{ErrorCode::kRefused, "wrong bytes, or a checkpoint of another payload", start};
    return Error{ErrorCode::kCorrupt, "chunk hash differs", start};
  }
  given_start_ = index_ * chunks_.chunk_bytes() + from_;
  ++index_;
  from_ = filled_ = 0;
  return chunk;
}

void ChunkGate::JumpTo(uint64_t body_offset, const crypto::Sha256State& before) {
  index_ = body_offset / chunks_.chunk_bytes();
  from_ = body_offset % chunks_.chunk_bytes();
  before_ = before;
}

crypto::Sha256State ChunkGate::StateBefore(uint64_t body_offset) const {
  const uint64_t count = body_offset % chunks_.chunk_bytes();
  if (count == 0) return {};
  const uint64_t known = given_start_ % chunks_.chunk_bytes();
  return crypto::Sha256Continue(before_, known, buffer_.first(count - known));
}

}  // namespace till::delta
