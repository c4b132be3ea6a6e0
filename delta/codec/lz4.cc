#include "delta/codec/lz4.h"

#include <lz4.h>
#include <lz4hc.h>

namespace till::delta {
namespace {

const char* Chars(ByteView view) { return reinterpret_cast<const char*>(view.data()); }
char* Chars(MutableByteView view) { return reinterpret_cast<char*>(view.data()); }

}  // namespace

Result<size_t> Lz4Decode(ByteView coded, MutableByteView plain) {
  if (coded.size() > INT32_MAX || plain.size() > INT32_MAX) return Error{ErrorCode::kLimit, "lz4 block", INT32_MAX};
  const int made =
      LZ4_decompress_safe(Chars(coded), Chars(plain), static_cast<int>(coded.size()), static_cast<int>(plain.size()));
  if (made < 0) return Error{ErrorCode::kCorrupt, "not an lz4 block", 0};
  return static_cast<size_t>(made);
}

Result<size_t> Lz4Encode(bool high_compression, ByteView plain, MutableByteView coded, Workspace& workspace) {
  if (coded.size() > INT32_MAX) return Error{ErrorCode::kLimit, "lz4 block", INT32_MAX};
  const int state_bytes = high_compression ? LZ4_sizeofStateHC() : LZ4_sizeofState();
  void* const state = workspace.Allocate(static_cast<size_t>(state_bytes));
  if (state == nullptr) return Error{ErrorCode::kLimit, "workspace of an lz4 encoder", workspace.used()};
  const int plain_bytes = static_cast<int>(plain.size());
  const int room = static_cast<int>(coded.size());
  const int used =
      high_compression
          ? LZ4_compress_HC_extStateHC(state, Chars(plain), Chars(coded), plain_bytes, room, LZ4HC_CLEVEL_MAX)
          : LZ4_compress_fast_extState(state, Chars(plain), Chars(coded), plain_bytes, room, 1);
  if (used <= 0) return Error{ErrorCode::kLimit, "room for a coded block", coded.size()};
  return static_cast<size_t>(used);
}

}  // namespace till::delta
