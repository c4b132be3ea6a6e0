// Checks a release folder as a terminal would: metadata from the trusted root down, every file against its signed
// entry, and (apply_all) every payload applied by the real applier under its declared arena.
#pragma once

#include <functional>
#include <string>

#include "packer/release_record.h"

namespace till::packer {

struct VerifyOptions {
  std::string out_folder;    // holds tuf/ and the earlier releases' images
  std::string trusted_root;  // file; "" = out/tuf/1.root.json
  bool apply_all = false;
  int64_t now_unix_s = 0;
};

struct VerifiedPayload {
  std::string file;
  bool applied = false;         // false: only its bytes were checked
  std::string skipped_because;  // with apply_all: the base image is not here any more
  uint64_t arena_bytes = 0;
};

// kRefused or kCorrupt for whatever does not hold; `error_context` names the file.
Status VerifyRelease(const VerifyOptions& options, const ReleaseRecord& release,
                     const std::function<void(const VerifiedPayload&)>& on_payload, std::string& error_context);

}  // namespace till::packer
