#include "tests/cdn-edge/testing.h"

#include "core/chunklist.h"

namespace till::edge::testing {

Bytes Noise(uint64_t size, unsigned seed) {
  Bytes bytes(size);
  uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (std::byte& byte : bytes) {  // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<std::byte>(state >> 32);
  }
  return bytes;
}

Payload MakePayload(uint64_t body_bytes, unsigned seed, unsigned chunk_log2) {
  const Bytes body = Noise(body_bytes, seed);
  MemorySource source(body);
  Payload payload;
  payload.bytes = ChunkList::Of(source, chunk_log2).value().Encode();
  payload.identity.list_length = payload.bytes.size();
  payload.identity.list_sha256 = crypto::Sha256Of(payload.bytes);
  payload.bytes.insert(payload.bytes.end(), body.begin(), body.end());
  payload.identity.size = payload.bytes.size();
  payload.identity.name = crypto::Sha256Of(payload.bytes);
  payload.hex = ToHex(payload.identity.name);
  return payload;
}

Payload MakePlain(uint64_t size, unsigned seed) {
  Payload payload;
  payload.bytes = Noise(size, seed);
  payload.identity.size = size;
  payload.identity.name = crypto::Sha256Of(payload.bytes);
  payload.hex = ToHex(payload.identity.name);
  return payload;
}

}  // namespace till::edge::testing
