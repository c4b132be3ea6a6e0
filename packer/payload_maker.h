// Makes one payload and proves it: the real applier rebuilds the target under the arena that the payload declares.
//   Memory: both images, what delta/diff/diff.h says, and the payload. Same inputs, same bytes. Any thread.
#pragma once

#include <functional>
#include <string>

#include "delta/apply/payload_file.h"
#include "delta/diff/diff.h"

namespace till::packer {

inline constexpr uint64_t kMaxImageFileBytes = uint64_t{2} << 30;  // both images of a delta are held in memory

struct PayloadRequest {
  std::string base_path;  // "" for the full payload
  std::string target_path;
  const delta::Profile* profile = nullptr;
  unsigned threads = 1;  // the payload does not depend on it
  // Called from the thread that makes; false cancels.
  std::function<bool(const delta::DiffProgress&)> progress;
};

struct MadePayload {
  Bytes bytes;
  delta::PayloadFile facts;
  crypto::Sha256Digest sha256{};  // of `bytes`
  delta::DiffCounts counts;       // of a delta
};

// kCanceled, kLimit (an image above 2 GiB; no delta fits the profile), kIo, kNotFound; `error_path` names the file a
// read failed on, if one did.
Result<MadePayload> MakePayload(const PayloadRequest& request, std::string* error_path = nullptr);

// What the payload's own estimate means on the terminal: 2^20 instructions at 2.5 cycles and 580 MHz (the 2.5 is an
// assumption, docs/packing.md). 0: the payload makes no estimate.
double ApplySeconds(uint64_t instruction_estimate);

}  // namespace till::packer
