// Checks a release folder as a terminal would: metadata from the trusted root down, every file against its signed
// entry, and (apply_all) every payload applied by the real applier, in a process whose memory the kernel limits to the
// declared arena.
#pragma once

#include <functional>
#include <string>

#include "packer/release_record.h"

namespace till::packer {

struct VerifyOptions {
  std::string out_folder;    // holds tuf/ and the earlier releases' images
  std::string trusted_root;  // file; "" = out/tuf/1.root.json
  bool apply_all = false;
  // The program that applies each payload in a process of its own, limited to the memory the payload declares; "" =
  // here, held to it by the applier alone.
  std::string tillpack;
  int64_t now_unix_s = 0;
};

struct VerifiedPayload {
  std::string file;
  bool applied = false;         // false: only its bytes were checked
  std::string skipped_because;  // with apply_all: the base image is not here any more
  uint64_t arena_bytes = 0;
  uint64_t peak_rss_kib = 0;  // of the applying process; 0: not applied, or unknown
  uint64_t grown_rss_kib = 0;
  bool limit_enforced = false;
};

// kRefused or kCorrupt for whatever does not hold; `error_context` names the file.
Status VerifyRelease(const VerifyOptions& options, const ReleaseRecord& release,
                     const std::function<void(const VerifiedPayload&)>& on_payload, std::string& error_context);

}  // namespace till::packer
