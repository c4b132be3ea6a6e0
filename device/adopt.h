// `tilld adopt`: tells a terminal what its running slot holds, as the factory does once. Writes the slot table and, if
// there is no boot record yet, a fresh one.
#pragma once

#include <optional>
#include <string>

#include "device/refusal.h"
#include "device/runner.h"

namespace till::device {

struct AdoptInput {
  SlotId slot = SlotId::kA;
  std::string component;  // "" = the one that boots
  std::string version;
  uint64_t length_bytes = 0;  // of the image; 0 = from a squashfs superblock, else the whole slot
  uint32_t rollback_index = 0;
};

struct Adopted {
  SlotImage image;
  bool signed_image = false;  // the metadata at hand names it
  bool changed = false;       // it was not known as this before
};

std::optional<Refusal> Adopt(const Config& config, const AdoptInput& input, Parts parts, Adopted& out);

}  // namespace till::device
