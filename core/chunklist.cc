#include "core/chunklist.h"

#include <algorithm>

namespace till {
namespace {

constexpr uint32_t kMagic = 0x4c484354;  // "TCHL" read as a little-endian number
constexpr uint8_t kVersion = 1;
constexpr unsigned kMinChunkLog2 = 12;
constexpr unsigned kMaxChunkLog2 = 20;

struct Header {
  unsigned chunk_log2;
  uint64_t body_length;
};

uint64_t CountChunks(const Header& header) {
  const uint64_t chunk_bytes = uint64_t{1} << header.chunk_log2;
  return (header.body_length + chunk_bytes - 1) >> header.chunk_log2;
}

Result<Header> ReadHeader(ByteReader& in) {
  const uint32_t magic = TILL_TRY(in.U32());
  const uint8_t version = TILL_TRY(in.U8());
  const uint8_t chunk_log2 = TILL_TRY(in.U8());
  const uint16_t zero = TILL_TRY(in.U16());
  const uint64_t body_length = TILL_TRY(in.U64());
  if (magic != kMagic) return Error{ErrorCode::kCorrupt, "not a chunk-hash list", 0};
  if (version != kVersion) return Error{ErrorCode::kCorrupt, "chunk-hash list of an unknown version", 4};
  if (chunk_log2 < kMinChunkLog2 || chunk_log2 > kMaxChunkLog2) {
    return Error{ErrorCode::kCorrupt, "chunk-hash list with a chunk size out of bounds", 5};
  }
  if (zero != 0) return Error{ErrorCode::kCorrupt, "chunk-hash list with reserved bits set", 6};
  if (body_length > ChunkList::kMaxBodyBytes)
    return Error{ErrorCode::kCorrupt, "chunk-hash list over too long a body", 8};
  return Header{chunk_log2, body_length};
}

}  // namespace

Result<uint64_t> ChunkList::EncodedLength(ByteView first_16_bytes) {
  ByteReader in(first_16_bytes);
  const Header header = TILL_TRY(ReadHeader(in));
  return kHeaderBytes + CountChunks(header) * sizeof(crypto::Sha256Digest);
}

Result<ChunkList> ChunkList::Decode(ByteView encoded) {
  ByteReader in(encoded);
  const Header header = TILL_TRY(ReadHeader(in));
  const uint64_t count = CountChunks(header);
  if (in.remaining() != count * sizeof(crypto::Sha256Digest)) {
    return Error{ErrorCode::kCorrupt, "chunk-hash list of the wrong length", in.offset()};
  }
  ChunkList list;
  list.chunk_log2_ = header.chunk_log2;
  list.body_length_ = header.body_length;
  list.hashes_.resize(static_cast<size_t>(count));
  for (crypto::Sha256Digest& hash : list.hashes_) {
    const ByteView bytes = TILL_TRY(in.Take(hash.size()));
    std::copy(bytes.begin(), bytes.end(), hash.begin());
  }
  return list;
}

Result<ChunkList> ChunkList::Of(Source& body, unsigned chunk_log2) {
  if (chunk_log2 < kMinChunkLog2 || chunk_log2 > kMaxChunkLog2) {
    return Error{ErrorCode::kInvalid, "chunk size out of bounds", chunk_log2};
  }
  if (body.size() > kMaxBodyBytes) return Error{ErrorCode::kLimit, "too long for a chunk-hash list", kMaxBodyBytes};
  ChunkList list;
  list.chunk_log2_ = chunk_log2;
  list.body_length_ = body.size();
  Bytes chunk(static_cast<size_t>(std::min(list.chunk_bytes(), list.body_length_)));
  for (uint64_t offset = 0; offset < list.body_length_; offset += list.chunk_bytes()) {
    const MutableByteView part(chunk.data(),
                               static_cast<size_t>(std::min<uint64_t>(chunk.size(), list.body_length_ - offset)));
    TILL_TRY(ReadFully(body, offset, part));
    list.hashes_.push_back(crypto::Sha256Of(part));
  }
  return list;
}

Bytes ChunkList::Encode() const {
  ByteWriter out;
  out.U32(kMagic);
  out.U8(kVersion);
  out.U8(static_cast<uint8_t>(chunk_log2_));
  out.U16(0);
  out.U64(body_length_);
  for (const crypto::Sha256Digest& hash : hashes_) out.Append(hash);
  return std::move(out).Take();
}

uint64_t ChunkList::ChunkLength(size_t index) const {
  assert(index < hashes_.size());
  return std::min(chunk_bytes(), body_length_ - (static_cast<uint64_t>(index) << chunk_log2_));
}

bool ChunkList::MatchesRest(size_t index, const crypto::Sha256State& before, uint64_t from, ByteView rest) const {
  return index < hashes_.size() && from + rest.size() == ChunkLength(index) &&
         crypto::Sha256Complete(before, from, rest) == hashes_[index];
}

}  // namespace till
