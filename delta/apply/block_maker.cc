#include "delta/apply/block_maker.h"

#include <algorithm>

#include "delta/codec/recode.h"

namespace till::delta {

MutableByteView BlockMaker::Room(uint64_t count) const {
  return arena_.block_plain.subspan(filled_, std::min<uint64_t>(count, block_.plain_bytes - filled_));
}

Result<MutableByteView> BlockMaker::Encode() {
  assert(filled_ == block_.plain_bytes);
  const Result<size_t> used = RecodeEncode(header_.recodes[block_.recode], arena_.block_plain.first(block_.plain_bytes),
                                           arena_.block_coded, arena_.recode);
  if (!used.ok()) return Error{ErrorCode::kCorrupt, "a block that cannot be encoded", block_.length};
  if (*used != block_.length) return Error{ErrorCode::kCorrupt, "an encoded block of another length", *used};
  return arena_.block_coded.first(block_.length);
}

}  // namespace till::delta
