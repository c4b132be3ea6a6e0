// Where the parts of a piece of MIPS code moved: the map section of a payload, read in place.
//   A region is code and data linked to run at one address (a kernel). Its entries say from which old offset on things
//   moved by how much. Bytes: docs/formats/mips.md. Memory: none but the caller's bytes, which must outlive the map.
//   Errors: kCorrupt (detail: offset in the map), kLimit (too many regions).
#pragma once

#include <array>

#include "core/bytes.h"

namespace till::delta {

class MipsMap {
 public:
  static constexpr size_t kMaxRegions = 16;
  static constexpr size_t kRegionHeaderBytes = 16;

  MipsMap() = default;
  static Result<MipsMap> Parse(ByteView plain);

  size_t region_count() const { return count_; }
  uint32_t load_address(size_t region) const { return regions_[region].load_address; }
  uint32_t size(size_t region) const { return regions_[region].size; }
  // The new offset of what was at `offset`, modulo 2^32. Behind the last entry's start its shift goes on.
  uint32_t Translate(size_t region, uint32_t offset) const;

 private:
  struct Region {
    uint32_t load_address = 0;
    uint32_t size = 0;
    ByteView starts;  // u32 each, rising
    ByteView shifts;  // i32 each
  };
  std::array<Region, kMaxRegions> regions_;
  size_t count_ = 0;
};

}  // namespace till::delta
