// Body bytes come in any cutting and leave as whole chunks whose hash is the promised one: the gate every byte passes
// before a parser or a decoder sees it.
//   Memory: one chunk, given. Errors: kCorrupt (detail: body offset).
#pragma once

#include "core/chunklist.h"

namespace till::delta {

class ChunkGate {
 public:
  // Neither is owned; `buffer` holds one chunk.
  ChunkGate(const ChunkList& chunks, MutableByteView buffer) : chunks_(chunks), buffer_(buffer) {}

  uint64_t next_offset() const { return index_ * chunks_.chunk_bytes() + filled_; }
  // Of the chunk given last.
  uint64_t chunk_start() const { return (index_ - 1) * chunks_.chunk_bytes(); }
  // The chunk that holds this body offset is next; only between chunks.
  void JumpTo(uint64_t body_offset) { index_ = body_offset / chunks_.chunk_bytes(); }
  // Takes from the front of `bytes` up to the end of a chunk. The chunk, or nothing when it is not whole yet. What is
  // returned is good until the next call.
  Result<ByteView> Take(ByteView& bytes);

 private:
  const ChunkList& chunks_;
  MutableByteView buffer_;
  uint64_t index_ = 0;
  uint64_t filled_ = 0;
};

}  // namespace till::delta
