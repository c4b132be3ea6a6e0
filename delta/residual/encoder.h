// Writes a stream of the residual coder; the mirror of ResidualDecoder (delta/residual/decoder.h), for the packer.
//   Deterministic. Memory: 640 KiB and the coded bytes. May be copied: to try an op and go back.
#pragma once

#include <memory>

#include "core/bytes.h"
#include "delta/residual/range_coder.h"

namespace till::delta {

class ResidualModel;

class ResidualEncoder {
 public:
  ResidualEncoder();
  ~ResidualEncoder();
  ResidualEncoder(const ResidualEncoder& other);
  ResidualEncoder& operator=(const ResidualEncoder& other);

  // As the decoder's: before each DIFF op's first byte. `phase`: where in its word that byte stands, 0 to 3.
  void StartOp(uint64_t address, unsigned phase);
  // predicted: empty, or as long as `bytes`. Pieces are cut as the decoder's rule says.
  void Write(ByteView predicted, ByteView bytes);
  // What Finish() would answer now, at most.
  size_t coded_bytes_bound() const { return coder_.bytes_bound(); }
  // At least one byte. The encoder is spent afterwards.
  Bytes Finish() { return coder_.Finish(); }

 private:
  std::unique_ptr<ResidualModel> model_;
  RangeEncoder coder_;
};

}  // namespace till::delta
