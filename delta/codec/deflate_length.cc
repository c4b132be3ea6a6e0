#include "delta/codec/deflate_length.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <climits>

namespace till::delta {

Result<DeflateExtent> MeasureDeflate(ByteView bytes, uint64_t max_plain_bytes) {
  z_stream stream{};
  constexpr int kRawDeflate = -15;
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return Error{ErrorCode::kLimit, "no memory for inflating", 0};
  const size_t offered = std::min<size_t>(bytes.size(), UINT_MAX);
  // zlib does not write through it; its face is older than const.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(offered);
  std::array<Bytef, 16384> scratch;
  int answer = Z_OK;
  DeflateExtent extent;
  while (answer == Z_OK && extent.plain_bytes <= max_plain_bytes) {
    stream.next_out = scratch.data();
    stream.avail_out = scratch.size();
    answer = inflate(&stream, Z_NO_FLUSH);
    extent.plain_bytes += scratch.size() - stream.avail_out;
  }
  extent.coded_bytes = offered - stream.avail_in;
  inflateEnd(&stream);
  if (extent.plain_bytes > max_plain_bytes) return Error{ErrorCode::kLimit, "deflate stream", max_plain_bytes};
  if (answer != Z_STREAM_END) return Error{ErrorCode::kCorrupt, "deflate stream", extent.coded_bytes};
  return extent;
}

}  // namespace till::delta
