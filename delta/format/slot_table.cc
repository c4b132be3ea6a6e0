#include "delta/format/slot_table.h"

#include <algorithm>

namespace till::delta {
namespace {

constexpr uint32_t kMagic = 0x544c5354;  // "TSLT"
constexpr uint8_t kVersion = 1;
constexpr uint64_t kBlockBytes = uint64_t{1} << SlotTable::kBlockLog2;

uint64_t BlockCount(uint64_t image_bytes) { return (image_bytes + kBlockBytes - 1) / kBlockBytes; }

Result<crypto::Sha256Digest> TakeDigest(ByteReader& reader) {
  crypto::Sha256Digest digest;
  std::ranges::copy(TILL_TRY(reader.Take(digest.size())), digest.begin());
  return digest;
}

}  // namespace

Result<SlotTable> SlotTable::Of(Source& image, uint64_t image_bytes) {
  if (image_bytes == 0 || image_bytes > kMaxImageBytes)
    return Error{ErrorCode::kLimit, "no slot table holds an image of this size", image_bytes};
  SlotTable table;
  table.image_bytes = image_bytes;
  crypto::Sha256 whole;
  Bytes block(kBlockBytes);
  for (size_t index = 0; index < BlockCount(image_bytes); ++index) {
    const MutableByteView part(block.data(), table.BlockBytes(index));
    TILL_TRY(ReadFully(image, index * kBlockBytes, part));
    whole.Update(part);
    table.blocks.push_back(crypto::Sha256Of(part));
  }
  table.image_sha256 = whole.Finish();
  return table;
}

Result<SlotTable> SlotTable::Decode(ByteView bytes) {
  ByteReader reader(bytes);
  if (TILL_TRY(reader.U32()) != kMagic) return Error{ErrorCode::kCorrupt, "no slot table stands here", 0};
  const uint8_t version = TILL_TRY(reader.U8());
  if (version != kVersion) return Error{ErrorCode::kUnsupported, "a slot table of another version", version};
  if (TILL_TRY(reader.U8()) != kBlockLog2) return Error{ErrorCode::kCorrupt, "blocks of another size", 5};
  const uint16_t entry_bytes = TILL_TRY(reader.U16());
  SlotTable table;
  table.image_bytes = TILL_TRY(reader.U64());
  if (table.image_bytes == 0 || table.image_bytes > kMaxImageBytes || entry_bytes > kMaxEntryBytes)
    return Error{ErrorCode::kCorrupt, "a size of the slot table is beyond its bounds", 8};
  table.image_sha256 = TILL_TRY(TakeDigest(reader));
  const uint64_t count = BlockCount(table.image_bytes);
  if (reader.remaining() < (count + 1) * sizeof(crypto::Sha256Digest) + entry_bytes)
    return Error{ErrorCode::kCorrupt, "the slot table ends early", reader.offset()};
  table.blocks.reserve(count);
  for (uint64_t i = 0; i < count; ++i) table.blocks.push_back(TILL_TRY(TakeDigest(reader)));
  table.entry = AsText(TILL_TRY(reader.Take(entry_bytes)));
  const uint64_t end = reader.offset();
  if (TILL_TRY(TakeDigest(reader)) != crypto::Sha256Of(bytes.first(end)))
    return Error{ErrorCode::kCorrupt, "the slot table's own hash does not hold", end};
  return table;
}

Bytes SlotTable::Encode() const {
  ByteWriter writer;
  writer.U32(kMagic);
  writer.U8(kVersion);
  writer.U8(kBlockLog2);
  writer.U16(static_cast<uint16_t>(entry.size()));
  writer.U64(image_bytes);
  writer.Append(image_sha256);
  for (const crypto::Sha256Digest& block : blocks) writer.Append(block);
  writer.Append(AsBytes(entry));
  writer.Append(crypto::Sha256Of(writer.bytes()));
  return std::move(writer).Take();
}

uint64_t SlotTable::BlockBytes(size_t index) const {
  return std::min(kBlockBytes, image_bytes - static_cast<uint64_t>(index) * kBlockBytes);
}

bool SlotTable::Matches(size_t index, ByteView bytes) const {
  return index < blocks.size() && bytes.size() == BlockBytes(index) && crypto::Sha256Of(bytes) == blocks[index];
}

}  // namespace till::delta
