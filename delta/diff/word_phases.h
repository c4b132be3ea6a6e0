// Where in its 32-bit word a byte of the base stands: code is aligned in its file, not in the block that holds it.
#pragma once

#include <map>

#include "delta/container/coded_block.h"
#include "delta/diff/address.h"

namespace till::delta {

class WordPhases {
 public:
  explicit WordPhases(const std::vector<ContainedFile>& files);
  uint8_t Of(Address at) const;

 private:
  std::map<Address, uint8_t> phase_at_;  // of each extent's first byte
};

}  // namespace till::delta
