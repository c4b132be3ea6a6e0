// Runs of made-up code and data for the residual coder's tests: the same for a seed on every machine.
#pragma once

#include <vector>

#include "core/bytes.h"
#include "delta/residual/encoder.h"

namespace till::delta {

struct ResidualRun {
  uint64_t address = 0;
  unsigned phase = 0;
  Bytes predicted;  // empty: literal
  Bytes actual;
};

std::vector<ResidualRun> MakeResidualRuns(uint32_t seed, size_t bytes);
void WriteResidualRuns(const std::vector<ResidualRun>& runs, ResidualEncoder& encoder);
Bytes EncodeResidualRuns(const std::vector<ResidualRun>& runs);
Bytes ActualBytesOf(const std::vector<ResidualRun>& runs);

}  // namespace till::delta
