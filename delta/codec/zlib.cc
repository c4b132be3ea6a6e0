#include "delta/codec/zlib.h"

#include <zlib.h>

namespace till::delta {
namespace {

void* Allocate(void* workspace, unsigned count, unsigned size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(size_t{count}, size_t{size}, &bytes)) return nullptr;
  return static_cast<Workspace*>(workspace)->Allocate(bytes);
}
void Free(void* /*workspace*/, void* /*memory*/) {}

Error NoMemory(const Workspace& workspace) {
  return Error{ErrorCode::kLimit, "workspace of a zlib coder", workspace.used()};
}

// zlib's counters are 32 bits wide and its input not const; blocks are 1 MiB at most.
z_stream StreamOver(ByteView in, MutableByteView out, Workspace& workspace) {
  z_stream stream{};
  stream.zalloc = Allocate;
  stream.zfree = Free;
  stream.opaque = &workspace;
  stream.next_in = const_cast<uint8_t*>(Octets(in));
  stream.avail_in = static_cast<unsigned>(in.size());
  stream.next_out = Octets(out);
  stream.avail_out = static_cast<unsigned>(out.size());
  return stream;
}

}  // namespace

Result<size_t> ZlibDecode(bool raw_deflate, ByteView coded, MutableByteView plain, Workspace& workspace) {
  if (coded.size() > UINT32_MAX || plain.size() > UINT32_MAX) return Error{ErrorCode::kLimit, "zlib block", UINT32_MAX};
  z_stream stream = StreamOver(coded, plain, workspace);
  if (inflateInit2(&stream, raw_deflate ? -MAX_WBITS : MAX_WBITS) != Z_OK) return NoMemory(workspace);
  const int answer = inflate(&stream, Z_FINISH);
  if (answer == Z_MEM_ERROR) return NoMemory(workspace);
  if (answer != Z_STREAM_END || stream.avail_in != 0) return Error{ErrorCode::kCorrupt, "not a zlib block", 0};
  return plain.size() - stream.avail_out;
}

Result<size_t> ZlibEncode(const ZlibParameters& p, ByteView plain, MutableByteView coded, Workspace& workspace) {
  if (coded.size() > UINT32_MAX) return Error{ErrorCode::kLimit, "zlib block", UINT32_MAX};
  z_stream stream = StreamOver(plain, coded, workspace);
  const int window_bits = p.raw_deflate ? -int{p.window_bits} : int{p.window_bits};
  const int begun = deflateInit2(&stream, p.level, Z_DEFLATED, window_bits, p.mem_level, p.strategy);
  if (begun == Z_STREAM_ERROR) return Error{ErrorCode::kCorrupt, "parameter of a recode", 0};
  if (begun != Z_OK) return NoMemory(workspace);
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
    return Error{ErrorCode::kLimit, "room for a coded block", coded.size()};
  }
  return coded.size() - stream.avail_out;
}

}  // namespace till::delta
