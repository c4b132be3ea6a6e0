// Small images for tests: noise by a seed, with changes.
#pragma once

#include "core/bytes.h"

namespace till::packer {

inline Bytes Noise(uint32_t seed, size_t size) {
  Bytes bytes(size);
  uint32_t state = seed * 2654435761U + 1;
  for (std::byte& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    byte = static_cast<std::byte>(state);
  }
  return bytes;
}

// The same with 1,000 other bytes at `at`.
inline Bytes Changed(Bytes image, size_t at) {
  for (size_t i = at; i < at + 1'000 && i < image.size(); ++i) image[i] = std::byte{7};
  return image;
}

}  // namespace till::packer
