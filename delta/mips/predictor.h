// Predicts MIPS code and data that holds absolute addresses: j and jal, pointers, and the lower halves of addresses
// built with lui, as they will read when what they point to has moved (MipsMap). Exact rules: docs/formats/mips.md.
//   Works on whole words in place, in order; a DIFF op is begun with Start(), and its pieces may be cut wherever the
//   region's words end. Memory: about 200 bytes. No errors: what cannot be predicted stays.
#pragma once

#include <array>

#include "delta/mips/map.h"

namespace till::delta {

class MipsPredictor {
 public:
  MipsPredictor() = default;
  explicit MipsPredictor(const MipsMap& map) : map_(&map) {}

  // A DIFF op begins at this offset of a region of the map (which exists).
  void Start(size_t region, uint32_t offset);
  // Base bytes become predicted bytes. Bytes before the first and behind the last whole word stay as they are.
  void Predict(MutableByteView bytes);

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;
  static constexpr uint32_t kLookBackBytes = 64 * 4;
  struct Upper {
    uint32_t value = 0;
    uint32_t offset = kNowhere;
  };

  uint32_t PredictWord(uint32_t word);
  uint32_t PredictLower(uint32_t word, const Upper& upper) const;
  void Follow(uint32_t word);
  bool InRegion(uint32_t address) const { return address - load_address_ < size_; }
  uint32_t Moved(uint32_t address) const { return load_address_ + map_->Translate(region_, address - load_address_); }

  const MipsMap* map_ = nullptr;
  size_t region_ = 0;
  uint32_t load_address_ = 0;
  uint32_t size_ = 0;
  uint32_t offset_ = 0;
  std::array<Upper, 32> upper_;  // what lui left in each register
};

}  // namespace till::delta
