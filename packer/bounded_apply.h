// A payload applied as a proof: the result is hashed and thrown away, and the kernel refuses memory beyond what the
// payload declares. In a child process, so that the limit binds the applier and nothing else.
#pragma once

#include <string>

#include "core/crypto/hash.h"
#include "core/result.h"

namespace till::packer {

struct ProofPaths {
  std::string base;  // "" for a full payload
  std::string payload;
};

struct Proof {
  crypto::Sha256Digest target{};
  uint64_t arena_bytes = 0;
  uint64_t peak_rss_kib = 0;    // of the whole process; 0: unknown
  uint64_t grown_rss_kib = 0;   // of it, since the applier began
  bool limit_enforced = false;  // false under a sanitizer, which needs the address space for itself
};

// From here on this process cannot map more than `bytes` besides what it has (RLIMIT_AS, RLIMIT_DATA). Answers false
// where that cannot be done.
bool LimitGrowth(uint64_t bytes);

// In this process. With `enforce` the limit is arena + chunk list + 512 KiB, and it stays.
// kRefused (wrong base, other image than promised), kCorrupt, kLimit, kUnsupported, kIo.
Result<Proof> ProveHere(const ProofPaths& paths, bool enforce);

// In a child: `tillpack` is the program to start, which runs `apply --check`. kLimit when the child died for want of
// memory; else what its exit code says.
Result<Proof> ProveInChild(const std::string& tillpack, const ProofPaths& paths);

}  // namespace till::packer
