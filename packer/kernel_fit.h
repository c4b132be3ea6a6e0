// Packs a kernel so that a terminal can make its changed parts again: a FIT whose kernel is cut into frames of 256 KiB,
// each an LZMA stream of its own with the pinned encoder.
//   U-Boot boots it as it is: the first frame is the kernel, the others are its `loadables`, each with its own load
//   address, so that the whole lies decompressed where it belongs (CONFIG_FIT, CONFIG_LZMA). A frame that LZMA makes
//   more than 20 times shorter is padded with zeros: U-Boot gives a loadable no more room (boot/image-fit.c, 2023.01).
//   A frame that LZMA makes no shorter (a packed initramfs inside) is stored. Deterministic. Source of the layout:
//   U-Boot doc/uImage.FIT/source_file_format.txt.
#pragma once

#include <string>

#include "core/bytes.h"

namespace till::packer {

inline constexpr uint32_t kKernelFrameBytes = 256 << 10;

// A kernel as it lies in memory, and where.
struct PlainKernel {
  Bytes code;
  uint32_t load_address = 0;
  uint32_t entry_address = 0;
  uint32_t timestamp = 0;  // of the uImage: the same kernel gives the same FIT
  std::string name;
};

// From a uImage with an LZMA, gzip or stored kernel; its addresses come with it. kUnsupported when it is none.
Result<PlainKernel> ReadUimageKernel(ByteView image);

struct PackedKernel {
  Bytes fit;
  uint32_t frames = 0;
  uint32_t padded_frames = 0;
};

Result<PackedKernel> PackKernel(const PlainKernel& kernel);

}  // namespace till::packer
