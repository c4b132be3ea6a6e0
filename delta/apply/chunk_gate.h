// Body bytes come in any cutting and leave as whole chunks whose hash is the promised one: the gate every byte passes
// before a parser or a decoder sees it. A resume may begin within a chunk: what stood before was checked in an earlier
// life and is there as the state of its hash, so that the chunk's hash is still checked whole.
//   Memory: one chunk, given. Errors: kCorrupt (detail: body offset); kRefused when it is the chunk a resume began in.
#pragma once

#include "core/chunklist.h"

namespace till::delta {

class ChunkGate {
 public:
  // Neither is owned; `buffer` holds one chunk.
  ChunkGate(const ChunkList& chunks, MutableByteView buffer) : chunks_(chunks), buffer_(buffer) {}

  uint64_t next_offset() const { return index_ * chunks_.chunk_bytes() + from_ + filled_; }
  // Where what was given last begins.
  uint64_t chunk_start() const { return given_start_; }
  // The byte at this body offset is next; only between chunks. `before`: as StateBefore(body_offset) answered once.
  void JumpTo(uint64_t body_offset, const crypto::Sha256State& before);
  // The hash of the bytes of its chunk before an offset within what was given last. (Of no byte: zeros.)
  crypto::Sha256State StateBefore(uint64_t body_offset) const;
  // Takes from the front of `bytes` up to the end of a chunk. The chunk, or nothing when it is not whole yet. What is
  // returned is good until the next call.
  Result<ByteView> Take(ByteView& bytes);

 private:
  const ChunkList& chunks_;
  MutableByteView buffer_;
  uint64_t index_ = 0;
  uint64_t from_ = 0;  // bytes of this chunk that are not needed
  uint64_t filled_ = 0;
  crypto::Sha256State before_;  // of them, and of those before the chunk given last
  uint64_t given_start_ = 0;
};

}  // namespace till::delta
