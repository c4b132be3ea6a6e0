// Reads a stream of the residual coder: target bytes, given the bytes the base predicts for them, or none (literal).
//   memory  kBytes of the caller's workspace, aligned to 8; nothing else. `coded` stays the caller's.
//   errors  kCorrupt (coded bytes left over or missing; detail: how many were used), kLimit (workspace too small).
//   rule    a word of the base is coded as one unit: every piece of a DIFF op but its last must end at a word's end,
//           see phase(). Other cuts give other bytes. Literals may be cut anywhere.
//   Whatever the coded bytes are, Read takes time in proportion to out.size() and stays inside its memory.
//   docs/formats/residual.md. Thread rule: one thread at a time.
#pragma once

#include "core/bytes.h"
#include "delta/residual/range_coder.h"

namespace till::delta {

class ResidualModel;

class ResidualDecoder {
 public:
  static constexpr size_t kBytes = 640 << 10;

  static Result<ResidualDecoder> Create(MutableByteView workspace, ByteView coded);
  // Before the first byte of each DIFF op: where in the frame's address space its first base byte is.
  void StartOp(uint64_t address);
  // Where in its word (0 to 3) the next predicted byte stands: a piece of n bytes ends at a word's end if
  // (phase() + n) is a multiple of 4.
  unsigned phase() const;
  // predicted: empty, or one byte for each of `out`.
  Status Read(ByteView predicted, MutableByteView out);
  Status Finish() const;

 private:
  ResidualDecoder(ResidualModel* model, ByteView coded) : model_(model), coder_(coded) {}

  ResidualModel* model_;
  RangeDecoder coder_;
};

}  // namespace till::delta
