// What a target image consists of: its chunks in order, each named by length and hash. With it a terminal finds in what
// it already holds, whatever that is, most of a release; the rest it fetches from the pack, which is the image itself.
//   Layout: docs/formats/chunks.md. Bounds: image up to 1 GiB, 65,536 chunks.
//   Errors: kCorrupt (offset), kUnsupported (version), kLimit.
#pragma once

#include <array>
#include <vector>

#include "core/bytes.h"
#include "core/crypto/hash.h"
#include "core/io.h"
#include "delta/chunks/chunker.h"

namespace till::delta {

// The first 12 bytes of a chunk's SHA-256. It finds chunks and refuses wrong bytes early; the image's own SHA-256, in
// full, decides at the end.
using ChunkName = std::array<std::byte, 12>;
ChunkName NameOf(ByteView chunk);

struct ChunkEntry {
  uint32_t length = 0;
  ChunkName name{};
};

struct ChunkIndex {
  static constexpr uint64_t kMaxImageBytes = uint64_t{1} << 30;
  static constexpr size_t kMaxChunks = 65'536;
  static constexpr size_t kHeaderBytes = 56;
  static constexpr size_t kMaxEntryBytes = 3 + sizeof(ChunkName);
  static constexpr uint64_t kMaxEncodedBytes = kHeaderBytes + kMaxChunks * kMaxEntryBytes;
  static constexpr uint16_t kVersion = 1;

  unsigned average_log2 = 12;
  uint64_t target_bytes = 0;
  crypto::Sha256Digest target_sha256{};
  std::vector<ChunkEntry> chunks;

  // Reads the image once. kLimit: too many chunks for this average.
  static Result<ChunkIndex> Of(Source& image, unsigned average_log2);
  // From exactly its bytes.
  static Result<ChunkIndex> Decode(ByteView bytes);
  Bytes Encode() const;
};

// The chunks of any bytes, one after the other, through a buffer of twice the longest chunk.
class ChunkReader {
 public:
  ChunkReader(Source& source, uint64_t bytes, unsigned average_log2)
      : source_(source), end_(bytes), chunker_(average_log2), buffer_(2 * chunker_.max_bytes()) {}
  // The next chunk, empty at the end; good until the next call.
  Result<ByteView> Next();
  uint64_t offset() const { return offset_ - last_; }  // of the chunk that Next() answered

 private:
  Source& source_;
  uint64_t end_;
  Chunker chunker_;
  Bytes buffer_;
  size_t start_ = 0;   // of what is not yet given away, in the buffer
  size_t filled_ = 0;  // end of it
  uint64_t read_ = 0;
  uint64_t offset_ = 0;
  size_t last_ = 0;
};

}  // namespace till::delta
