// Decoded bytes of one stream, in order, as they are asked for: nobody holds a stream whole.
#pragma once

#include <algorithm>

#include "core/bytes.h"

namespace till::delta {

class ByteInput {
 public:
  virtual ~ByteInput() = default;
  // Exactly out.size() bytes, or an error (kCorrupt: the stream is broken or ends early).
  virtual Status Read(MutableByteView out) = 0;
};

// Bytes that are in memory already.
class MemoryInput final : public ByteInput {
 public:
  MemoryInput() = default;
  explicit MemoryInput(ByteView bytes) : rest_(bytes) {}
  Status Read(MutableByteView out) override {
    if (out.size() > rest_.size()) return Error{ErrorCode::kCorrupt, "a stream ends early", rest_.size()};
    std::ranges::copy(rest_.first(out.size()), out.begin());
    rest_ = rest_.subspan(out.size());
    return Ok();
  }

 private:
  ByteView rest_;
};

}  // namespace till::delta
