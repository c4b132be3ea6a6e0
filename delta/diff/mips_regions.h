// Finds the kernels among what a plan takes from the base, and maps how their parts moved (delta/mips).
//   A region is a base file of at least 256 KiB that reads as MIPS code linked to run at one address, or the whole
//   image if it holds no such file. Only what pays is mapped. Memory: the regions' bytes, old and new, while made.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "delta/container/expanded_image.h"
#include "delta/diff/plan.h"
#include "delta/mips/map.h"
#include "delta/mips/map_builder.h"

namespace till::delta {

class MipsRegions {
 public:
  static MipsRegions Find(const ExpandedImage& base, const ExpandedImage& target, const Plan& plan);

  struct Place {
    size_t region = 0;
    uint64_t offset = 0;
  };
  // Where in a mapped region so many base bytes lie; none if they do not wholly.
  std::optional<Place> PlaceOf(Address at, uint64_t length) const;
  // The map section, plain; empty if nothing is mapped.
  ByteView map_plain() const { return map_plain_; }

 private:
  struct Part {
    size_t region;
    uint64_t offset;
    uint64_t length;
  };
  Bytes map_plain_;
  std::map<Address, Part> parts_;  // of mapped regions, by where they lie in the base
};

}  // namespace till::delta
