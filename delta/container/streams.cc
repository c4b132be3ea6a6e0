#include "delta/container/streams.h"

#include "delta/codec/deflate_length.h"
#include "delta/container/decode.h"

namespace till::delta {
namespace {

constexpr uint64_t kXzHeaderBytes = 12;
constexpr uint8_t kGzipExtra = 4, kGzipName = 8, kGzipComment = 16, kGzipChecksum = 2;

Result<uint64_t> GzipHeaderBytes(ByteView bytes) {
  ByteReader in(bytes);
  TILL_TRY(in.Skip(3));
  const uint8_t flags = TILL_TRY(in.U8());
  TILL_TRY(in.Skip(6));
  if ((flags & kGzipExtra) != 0) TILL_TRY(in.Skip(TILL_TRY(in.U16())));
  for (const uint8_t text : {kGzipName, kGzipComment}) {
    if ((flags & text) == 0) continue;
    while (TILL_TRY(in.U8()) != 0) {
    }
  }
  if ((flags & kGzipChecksum) != 0) TILL_TRY(in.Skip(2));
  return in.offset();
}

// A stream of one block that tells its sizes, as lzma_stream_buffer_encode() writes: header, block, index, footer.
Result<uint64_t> XzStreamBytes(ByteView bytes, uint64_t& plain_bytes) {
  ByteReader in(bytes);
  TILL_TRY(in.Skip(6 + 1));
  const uint8_t check = TILL_TRY(in.U8());
  TILL_TRY(in.Skip(4));
  const uint64_t header_bytes = (uint64_t{TILL_TRY(in.U8())} + 1) * 4;
  const uint8_t flags = TILL_TRY(in.U8());
  if ((flags & 0xC0) != 0xC0) return Error{ErrorCode::kUnsupported, "xz block without sizes"};
  const uint64_t compressed_bytes = TILL_TRY(in.Varint());
  plain_bytes = TILL_TRY(in.Varint());
  if (compressed_bytes > bytes.size()) return Error{ErrorCode::kCorrupt, "xz block", 0};
  constexpr uint8_t kCheckBytes[] = {0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64};
  const uint64_t unpadded = header_bytes + compressed_bytes + kCheckBytes[check & 15];
  const uint64_t index_at = kXzHeaderBytes + (unpadded + 3) / 4 * 4;
  ByteReader index(bytes);
  TILL_TRY(index.Skip(index_at));
  if (TILL_TRY(index.U8()) != 0 || TILL_TRY(index.Varint()) != 1) {
    return Error{ErrorCode::kUnsupported, "xz file of several blocks"};
  }
  TILL_TRY(index.Varint());
  TILL_TRY(index.Varint());
  const uint64_t index_bytes = (index.offset() - index_at + 3) / 4 * 4 + 4;
  return index_at + index_bytes + kXzHeaderBytes;
}

std::optional<CodedBlock> Checked(CodedBlock block, ByteView image) {
  Bytes plain(block.plain_bytes);
  const Result<size_t> length = DecodeBlock(block, image.subspan(block.offset, block.coded_bytes), plain);
  if (!length.ok() || *length != block.plain_bytes || *length == 0) return std::nullopt;
  return block;
}

Container OneFile(const char* name, uint64_t span, const CodedBlock& block) {
  Container container;
  container.name = name;
  container.span = span;
  container.of_streams = true;
  container.blocks.push_back(block);
  container.files.push_back(
      {":" + std::string(name), {}, 0, block.plain_bytes, {{Extent::Kind::kBlock, 0, 0, block.plain_bytes}}});
  return container;
}

}  // namespace

std::optional<CodedBlock> OpenGzip(ByteView image, uint64_t at, uint64_t length) {
  const ByteView bytes = image.subspan(at, length);
  const Result<uint64_t> header = GzipHeaderBytes(bytes);
  if (!header.ok()) return std::nullopt;
  const Result<DeflateExtent> extent = MeasureDeflate(bytes.subspan(*header), kMaxBlockPlainBytes);
  if (!extent.ok() || extent->plain_bytes == 0) return std::nullopt;
  return CodedBlock{at + *header, static_cast<uint32_t>(extent->coded_bytes),
                    static_cast<uint32_t>(extent->plain_bytes), RecodeCodec::kZlib, true};
}

std::optional<CodedBlock> OpenXz(ByteView image, uint64_t at, uint64_t length) {
  uint64_t plain_bytes = 0;
  const Result<uint64_t> coded_bytes = XzStreamBytes(image.subspan(at, length), plain_bytes);
  if (!coded_bytes.ok() || *coded_bytes > length || plain_bytes > kMaxBlockPlainBytes) return std::nullopt;
  return Checked({at, static_cast<uint32_t>(*coded_bytes), static_cast<uint32_t>(plain_bytes), RecodeCodec::kXz, false},
                 image);
}

std::optional<CodedBlock> OpenLzma(ByteView image, uint64_t at, uint64_t length) {
  ByteReader in(image.subspan(at, length));
  if (!in.Skip(5).ok()) return std::nullopt;
  const Result<uint64_t> plain_bytes = in.U64();
  if (!plain_bytes.ok() || *plain_bytes > kMaxBlockPlainBytes || length > CodedBound(kMaxBlockPlainBytes)) {
    return std::nullopt;
  }
  return Checked({at, static_cast<uint32_t>(length), static_cast<uint32_t>(*plain_bytes), RecodeCodec::kLzma, false},
                 image);
}

std::optional<Container> ReadGzip(ByteView image, uint64_t start) {
  const std::optional<CodedBlock> block = OpenGzip(image, start, image.size() - start);
  if (!block) return std::nullopt;
  constexpr uint64_t kTrailerBytes = 8;
  return OneFile("gzip", block->offset + block->coded_bytes + kTrailerBytes - start, *block);
}

std::optional<Container> ReadXz(ByteView image, uint64_t start) {
  const std::optional<CodedBlock> block = OpenXz(image, start, image.size() - start);
  if (!block) return std::nullopt;
  return OneFile("xz", block->coded_bytes, *block);
}

}  // namespace till::delta
