// What lies in a slot's last erase block: the SHA-256 of each 64 KiB of the image and the image's signed entry, so that
// a base is checked block by block as it is read instead of whole beforehand. Layout: docs/formats/slot-table.md.
//   The table is trusted no further than `image_sha256` is: who reads it compares that (and the entry) with signed
//   metadata or rebuilds the table from the slot. Pure codec: no I/O. Bounds: image up to 1 GiB, entry up to 8 KiB.
//   Errors: kCorrupt (offset), kUnsupported (version), kLimit.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/crypto/hash.h"
#include "core/io.h"

namespace till::delta {

struct SlotTable {
  static constexpr unsigned kBlockLog2 = 16;
  static constexpr uint64_t kMaxImageBytes = uint64_t{1} << 30;
  static constexpr size_t kMaxEntryBytes = 8 << 10;

  uint64_t image_bytes = 0;
  crypto::Sha256Digest image_sha256{};
  std::vector<crypto::Sha256Digest> blocks;  // of 64 KiB; the last covers what is left
  std::string entry;                         // JSON: path, length, sha256, custom, as the metadata signs them

  // Reads the image once. kIo, kLimit.
  static Result<SlotTable> Of(Source& image, uint64_t image_bytes);
  // From the bytes of the last erase block (more may follow the table).
  static Result<SlotTable> Decode(ByteView bytes);

  Bytes Encode() const;
  uint64_t BlockBytes(size_t index) const;
  // True when `bytes` are exactly block `index`.
  bool Matches(size_t index, ByteView bytes) const;
};

}  // namespace till::delta
