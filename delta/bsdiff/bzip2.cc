#include "delta/bsdiff/bzip2.h"

#include <algorithm>
#include <climits>

namespace till::delta {
namespace {

constexpr size_t kPieceBytes = 16 << 10;
constexpr int kBlocksOf100k = 9;  // as bsdiff
constexpr int kSmall = 1;         // 2.4 MiB for a decoder, not 3.7, at half the speed

char* AsChars(std::byte* bytes) { return reinterpret_cast<char*>(bytes); }

}  // namespace

Result<Bytes> EncodeBzip2(ByteView plain) {
  // What the library asks for: one per cent more, and 600 bytes.
  const uint64_t bound = plain.size() + plain.size() / 100 + 601;
  if (bound > UINT_MAX) return Error{ErrorCode::kLimit, "too long for bzip2", plain.size()};
  Bytes coded(bound);
  auto length = static_cast<unsigned>(bound);
  // bzip2's face is older than const.
  char* from = AsChars(const_cast<std::byte*>(plain.data()));
  char nothing = 0;
  const int answer = BZ2_bzBuffToBuffCompress(AsChars(coded.data()), &length, plain.empty() ? &nothing : from,
                                              static_cast<unsigned>(plain.size()), kBlocksOf100k, 0, 0);
  if (answer != BZ_OK) return Error{ErrorCode::kLimit, "bzip2 has no memory", static_cast<uint64_t>(-answer)};
  coded.resize(length);
  return coded;
}

Bzip2Reader::Bzip2Reader(Source& source, uint64_t begin, uint64_t end)
    : source_(source), at_(begin), end_(end), coded_(kPieceBytes) {
  started_ = BZ2_bzDecompressInit(&stream_, 0, kSmall) == BZ_OK;
}

Bzip2Reader::~Bzip2Reader() {
  if (started_) BZ2_bzDecompressEnd(&stream_);
}

Status Bzip2Reader::Read(MutableByteView out) {
  if (!started_) return Error{ErrorCode::kLimit, "bzip2 has no memory"};
  while (!out.empty()) {
    if (ended_) return Error{ErrorCode::kCorrupt, "a bzip2 stream ends early", at_};
    if (stream_.avail_in == 0 && at_ < end_) {
      const auto part = static_cast<size_t>(std::min<uint64_t>(coded_.size(), end_ - at_));
      TILL_TRY(ReadFully(source_, at_, MutableByteView(coded_).first(part)));
      at_ += part;
      stream_.next_in = AsChars(coded_.data());
      stream_.avail_in = static_cast<unsigned>(part);
    }
    const auto wanted = static_cast<unsigned>(std::min<size_t>(out.size(), kPieceBytes));
    const unsigned had = stream_.avail_in;
    stream_.next_out = AsChars(out.data());
    stream_.avail_out = wanted;
    const int answer = BZ2_bzDecompress(&stream_);
    const unsigned got = wanted - stream_.avail_out;
    out = out.subspan(got);
    ended_ = answer == BZ_STREAM_END;
    const bool stuck = got == 0 && had == stream_.avail_in && at_ == end_;
    if ((answer != BZ_OK && !ended_) || (stuck && !ended_)) {
      return Error{ErrorCode::kCorrupt, "a bzip2 stream is damaged", at_};
    }
  }
  return Ok();
}

// The checksums stand behind the last byte: only who asks for one more gets to know.
Status Bzip2Reader::ExpectEnd() {
  std::byte more;
  const Status read = ended_ ? Status(Error{ErrorCode::kCorrupt, ""}) : Read(MutableByteView(&more, 1));
  if (ended_ && !read.ok()) return Ok();
  return read.ok() ? Status(Error{ErrorCode::kCorrupt, "more bytes than the target takes", at_}) : read;
}

}  // namespace till::delta
