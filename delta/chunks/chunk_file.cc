#include "delta/chunks/chunk_file.h"

#include <algorithm>

namespace till::delta {
namespace {

// Index and image as one body, so that the chunk-hash list covers both.
class Body : public Source {
 public:
  Body(ByteView index, Source& image) : index_(index), image_(image) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= index_.size()) return image_.ReadAt(offset - index_.size(), out);
    const size_t part = std::min<size_t>(out.size(), index_.size() - offset);
    std::ranges::copy(index_.subspan(offset, part), out.begin());
    return part;
  }
  uint64_t size() const override { return index_.size() + image_.size(); }

 private:
  ByteView index_;
  Source& image_;
};

}  // namespace

Result<ChunkFile> OpenChunkFile(Source& file) {
  Bytes start(ChunkList::kHeaderBytes);
  TILL_TRY(ReadFully(file, 0, start));
  ChunkFile opened;
  opened.list_bytes = TILL_TRY(ChunkList::EncodedLength(start));
  if (opened.list_bytes > file.size())
    return Error{ErrorCode::kCorrupt, "the file ends in its chunk list", file.size()};
  Bytes list_bytes(opened.list_bytes);
  TILL_TRY(ReadFully(file, 0, list_bytes));
  const ChunkList list = TILL_TRY(ChunkList::Decode(list_bytes));
  opened.list_sha256 = crypto::Sha256Of(list_bytes);
  if (opened.list_bytes + list.body_length() != file.size())
    return Error{ErrorCode::kCorrupt, "the file is not as long as its chunk list says", file.size()};
  // How long the index is stands nowhere in the file: what is left besides an image of the length that it names.
  Bytes header(ChunkIndex::kHeaderBytes);
  TILL_TRY(ReadFully(file, opened.list_bytes, header));
  ByteReader reader(header);
  TILL_TRY(reader.Skip(8));
  const uint64_t target_bytes = TILL_TRY(reader.U64());
  if (target_bytes > list.body_length() || list.body_length() - target_bytes > ChunkIndex::kMaxEncodedBytes ||
      list.body_length() - target_bytes < ChunkIndex::kHeaderBytes) {
    return Error{ErrorCode::kCorrupt, "no chunk index stands here", opened.list_bytes};
  }
  opened.index_bytes = list.body_length() - target_bytes;
  Bytes index(opened.index_bytes);
  TILL_TRY(ReadFully(file, opened.list_bytes, index));
  opened.index_sha256 = crypto::Sha256Of(index);
  opened.index = TILL_TRY(ChunkIndex::Decode(index));
  return opened;
}

Result<ChunkFile> WriteChunkFile(Source& image, unsigned average_log2, Sink& out) {
  ChunkFile made;
  made.index = TILL_TRY(ChunkIndex::Of(image, average_log2));
  const Bytes index = made.index.Encode();
  made.index_bytes = index.size();
  made.index_sha256 = crypto::Sha256Of(index);
  Body body(index, image);
  const Bytes list = TILL_TRY(ChunkList::Of(body)).Encode();
  made.list_bytes = list.size();
  made.list_sha256 = crypto::Sha256Of(list);
  TILL_TRY(out.Write(list));
  TILL_TRY(Copy(body, out));
  return made;
}

}  // namespace till::delta
