// Any bytes as a coded block: opened to at most the room given, in the memory declared for it, or refused; and what is
// opened is made again without harm. covers D04 D05 D06
// Input: u8 codec, u16 room, u8 dictionary or level, the block.
#include <cstdint>
#include <cstdlib>

#include "delta/codec/recode.h"

namespace {

using namespace till;
using namespace till::delta;

Recode RecodeFrom(uint8_t codec, uint8_t parameter) {
  switch (codec % 6) {
    case 0:
      return Recode::Xz({.preset = 1, .dictionary = static_cast<uint8_t>(12 + parameter % 9)});
    case 1:
      return Recode::Zlib({.level = static_cast<uint8_t>(1 + parameter % 9)});
    case 2:
      return Recode::Zlib({.level = static_cast<uint8_t>(1 + parameter % 9), .raw_deflate = true});
    case 3:
      return Recode::Zstd(static_cast<uint8_t>(1 + parameter % 5));
    case 4:
      return Recode::Lz4(parameter % 2 == 1);
    default:
      return Recode::Lzma({.preset = 1, .dictionary = static_cast<uint8_t>(12 + parameter % 9)});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const Recode recode = RecodeFrom(data[0], data[3]);
  const size_t room = data[1] | size_t{data[2]} << 8;
  Bytes plain(room);
  Bytes memory(RecodeDecodeBytes(recode, room));
  const auto made = RecodeDecode(recode, std::as_bytes(std::span(data + 4, size - 4)), plain, memory);
  if (!made.ok()) return 0;
  if (*made > room) abort();
  plain.resize(*made);
  Bytes coded(CodedBound(plain.size()));
  memory.resize(RecodeEncodeBytes(recode, plain.size()));
  memory.shrink_to_fit();
  const auto used = RecodeEncode(recode, plain, coded, memory);
  if (used.ok() == plain.empty()) abort();
  if (used.ok() && *used > coded.size()) abort();
  return 0;
}
