// SHA-256 that is put away in the middle of its input and taken up again, by another process too.
//   Errors: none (memory only). Source: FIPS 180-4; OpenSSL's SHA256_CTX does the work.
#pragma once

#include "core/crypto/hash.h"

namespace till::crypto {

// What the hash knows after `count` bytes; who keeps it knows `count`. Nobody can choose a state so that other bytes
// behind it end in a given digest: that would be a preimage of the compression.
struct Sha256State {
  static constexpr size_t kBlockBytes = 64;
  std::array<uint32_t, 8> chain{};
  std::array<std::byte, kBlockBytes> tail{};  // the last count % 64 bytes, then zeros
  bool operator==(const Sha256State&) const = default;
};

// After `bytes` more. With `count` 0 the state does not matter: it is the start.
Sha256State Sha256Continue(const Sha256State& state, uint64_t count, ByteView bytes);
// The digest of all of it when `bytes` are the rest.
Sha256Digest Sha256Complete(const Sha256State& state, uint64_t count, ByteView bytes);

}  // namespace till::crypto
