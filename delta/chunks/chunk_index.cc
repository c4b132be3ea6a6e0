#include "delta/chunks/chunk_index.h"

#include <algorithm>

namespace till::delta {
namespace {

constexpr uint32_t kMagic = 0x58494354;  // "TCIX"

Result<uint32_t> DecodeLength(ByteReader& reader, const Chunker& chunker, bool is_last) {
  const uint64_t length = TILL_TRY(reader.Varint());
  if (length == 0 || length > chunker.max_bytes() || (!is_last && length < chunker.min_bytes()))
    return Error{ErrorCode::kCorrupt, "a chunk of an impossible length", reader.offset()};
  return static_cast<uint32_t>(length);
}

}  // namespace

ChunkName NameOf(ByteView chunk) {
  const crypto::Sha256Digest digest = crypto::Sha256Of(chunk);
  ChunkName name;
  std::copy_n(digest.begin(), name.size(), name.begin());
  return name;
}

Result<ByteView> ChunkReader::Next() {
  if (filled_ - start_ < chunker_.max_bytes() && read_ < end_) {
    std::copy(buffer_.begin() + static_cast<ptrdiff_t>(start_), buffer_.begin() + static_cast<ptrdiff_t>(filled_),
              buffer_.begin());
    filled_ -= start_;
    start_ = 0;
    const auto part = static_cast<size_t>(std::min<uint64_t>(buffer_.size() - filled_, end_ - read_));
    TILL_TRY(ReadFully(source_, read_, MutableByteView(buffer_).subspan(filled_, part)));
    filled_ += part;
    read_ += part;
  }
  const ByteView rest = ByteView(buffer_).subspan(start_, filled_ - start_);
  last_ = rest.empty() ? 0 : chunker_.CutLength(rest);
  start_ += last_;
  offset_ += last_;
  return rest.first(last_);
}

Result<ChunkIndex> ChunkIndex::Of(Source& image, unsigned average_log2) {
  if (image.size() == 0 || image.size() > kMaxImageBytes)
    return Error{ErrorCode::kLimit, "no chunk index holds an image of this size", image.size()};
  ChunkIndex index;
  index.average_log2 = average_log2;
  index.target_bytes = image.size();
  crypto::Sha256 whole;
  ChunkReader reader(image, image.size(), average_log2);
  for (ByteView chunk = TILL_TRY(reader.Next()); !chunk.empty(); chunk = TILL_TRY(reader.Next())) {
    if (index.chunks.size() == kMaxChunks)
      return Error{ErrorCode::kLimit, "more chunks than an index holds", kMaxChunks};
    whole.Update(chunk);
    index.chunks.push_back({static_cast<uint32_t>(chunk.size()), NameOf(chunk)});
  }
  index.target_sha256 = whole.Finish();
  return index;
}

Result<ChunkIndex> ChunkIndex::Decode(ByteView bytes) {
  ByteReader reader(bytes);
  if (TILL_TRY(reader.U32()) != kMagic) return Error{ErrorCode::kCorrupt, "no chunk index stands here", 0};
  const uint16_t version = TILL_TRY(reader.U16());
  if (version != kVersion) return Error{ErrorCode::kUnsupported, "a chunk index of another version", version};
  ChunkIndex index;
  index.average_log2 = TILL_TRY(reader.U8());
  const uint8_t zero = TILL_TRY(reader.U8());
  if (zero != 0 || index.average_log2 < kMinAverageLog2 || index.average_log2 > kMaxAverageLog2)
    return Error{ErrorCode::kCorrupt, "a chunk size beyond its bounds", 6};
  index.target_bytes = TILL_TRY(reader.U64());
  const uint64_t count = TILL_TRY(reader.U64());
  std::ranges::copy(TILL_TRY(reader.Take(index.target_sha256.size())), index.target_sha256.begin());
  if (index.target_bytes == 0 || index.target_bytes > kMaxImageBytes || count == 0 || count > kMaxChunks)
    return Error{ErrorCode::kCorrupt, "a size of the chunk index is beyond its bounds", 8};
  if (count * (1 + sizeof(ChunkName)) > reader.remaining())
    return Error{ErrorCode::kCorrupt, "the chunk index ends early", reader.offset()};
  const Chunker chunker(index.average_log2);
  index.chunks.reserve(count);
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    ChunkEntry entry;
    entry.length = TILL_TRY(DecodeLength(reader, chunker, i + 1 == count));
    std::ranges::copy(TILL_TRY(reader.Take(entry.name.size())), entry.name.begin());
    total += entry.length;
    index.chunks.push_back(entry);
  }
  if (total != index.target_bytes || !reader.at_end())
    return Error{ErrorCode::kCorrupt, "the chunks are not as long as the image", reader.offset()};
  return index;
}

Bytes ChunkIndex::Encode() const {
  ByteWriter writer;
  writer.U32(kMagic);
  writer.U16(kVersion);
  writer.U8(static_cast<uint8_t>(average_log2));
  writer.U8(0);
  writer.U64(target_bytes);
  writer.U64(chunks.size());
  writer.Append(target_sha256);
  for (const ChunkEntry& entry : chunks) {
    writer.Varint(entry.length);
    writer.Append(entry.name);
  }
  return std::move(writer).Take();
}

}  // namespace till::delta
