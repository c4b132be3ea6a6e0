// The chunk-hash list: the first, self-delimiting section of every payload. Whoever knows its SHA-256 from signed
// metadata can check every later byte of the payload before using it. The edge knows this section and nothing behind
// it.
//
//   magic "TCHL"  u8 version = 1  u8 chunk_log2 (15 = 32 KiB)  u16 zero  u64 body_length  then SHA-256 per chunk
//
//   `body_length` bytes follow the list; chunk i covers body bytes [i << chunk_log2, ...), the last one may be short.
//   All numbers little endian. Bounds: chunk_log2 12..20, body up to 4 GiB, so a list is at most 32 MiB + 16.
#pragma once

#include <vector>

#include "core/bytes.h"
#include "core/crypto/sha256_state.h"
#include "core/io.h"

namespace till {

class ChunkList {
 public:
  static constexpr uint64_t kHeaderBytes = 16;
  static constexpr unsigned kDefaultChunkLog2 = 15;
  static constexpr uint64_t kMaxBodyBytes = uint64_t{4} << 30;

  // How long the whole list is, from its first 16 bytes: kCorrupt when they are not a list's.
  static Result<uint64_t> EncodedLength(ByteView first_16_bytes);
  // The list from exactly its bytes. kCorrupt (offset).
  static Result<ChunkList> Decode(ByteView encoded);
  // The list over a body.
  static Result<ChunkList> Of(Source& body, unsigned chunk_log2 = kDefaultChunkLog2);

  Bytes Encode() const;
  uint64_t encoded_length() const { return kHeaderBytes + hashes_.size() * sizeof(crypto::Sha256Digest); }
  uint64_t body_length() const { return body_length_; }
  uint64_t chunk_bytes() const { return uint64_t{1} << chunk_log2_; }
  size_t chunk_count() const { return hashes_.size(); }
  // The length of chunk `index`; every chunk but the last has chunk_bytes().
  uint64_t ChunkLength(size_t index) const;
  const crypto::Sha256Digest& hash(size_t index) const { return hashes_[index]; }
  // True when `bytes` are exactly chunk `index`.
  bool Matches(size_t index, ByteView bytes) const { return MatchesRest(index, {}, 0, bytes); }
  // True when `rest` and the `from` bytes before it, of which only the hash's state is left, are chunk `index`.
  bool MatchesRest(size_t index, const crypto::Sha256State& before, uint64_t from, ByteView rest) const;

 private:
  ChunkList() = default;
  unsigned chunk_log2_ = kDefaultChunkLog2;
  uint64_t body_length_ = 0;
  std::vector<crypto::Sha256Digest> hashes_;
};

}  // namespace till
