// Where a delta's bytes go: each frame's coded bytes shared out among the files of the target image.
//   A frame's coded bytes are exact. Within a frame the control stream is shared by the bytes each op takes in it, the
//   diff stream by the bytes an op corrects, the literal stream by the bytes it brings: coders give no price per op, so
//   shares within a frame are estimates (docs/packing.md). The sum is the payload, to the byte.
//   Memory: both images opened. Errors: kCorrupt, kRefused (images that are not the payload's), kLimit.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"

namespace till::packer {

enum class Cause : uint8_t { kCode, kData, kNew, kTables, kMoved, kSentAsIs, kFrame };
inline constexpr size_t kCauseCount = 7;
const char* CauseName(Cause cause);  // "code changed", ...

struct FileCost {
  std::string path;  // "(between files)", "(header, hashes, map)" for what is no file
  Cause cause = Cause::kData;
  uint64_t bytes = 0;          // of the payload
  uint64_t changed_bytes = 0;  // of the file: corrected or brought
};

struct PayloadCost {
  uint64_t payload_bytes = 0;
  std::vector<FileCost> files;  // per file and cause, dearest first
};

Result<PayloadCost> CostOf(ByteView payload, ByteView base, ByteView target);

// One page that needs no network: a treemap, area = bytes of the payload, colour = cause.
std::string CostPage(const PayloadCost& cost, const std::string& title);

}  // namespace till::packer
