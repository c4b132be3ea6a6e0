#include "delta/diff/arena_budget.h"

#include <algorithm>

#include "delta/format/arena.h"

namespace till::delta {

ArenaBudget::ArenaBudget(const Profile& profile) : profile_(profile) {
  header_.minor_version = 2;
  header_.kind = PayloadKind::kDelta;
  header_.frame_coded_bytes_max = kMaxFrameCodedBytes;
  header_.stream_codecs = {CodecBit(Codec::kLzma), CodecBit(Codec::kModel), CodecBit(Codec::kModel)};
  header_.window_logs = {kMinLzmaWindowLog, 0, 0};
  header_.cache_blocks = 1;
}

bool ArenaBudget::AddEncoder(const Recode& recode, uint64_t longest_plain_bytes) {
  PayloadHeader header = header_;
  header.block_plain_bytes_max = std::max(header.block_plain_bytes_max, static_cast<uint32_t>(longest_plain_bytes));
  header.block_coded_bytes_max = static_cast<uint32_t>(CodedBound(header.block_plain_bytes_max));
  if (header.recode_count == kMaxRecodes || !CheckRecode(recode).ok()) return false;
  header.recodes[header.recode_count++] = recode;
  return Take(header);
}

bool ArenaBudget::AddOpener(const Recode& recode, uint64_t longest_plain_bytes) {
  PayloadHeader header = header_;
  header.block_plain_bytes_max = std::max(header.block_plain_bytes_max, static_cast<uint32_t>(longest_plain_bytes));
  const auto known = header.recodes.begin() + header.recode_count;
  if (std::find(header.recodes.begin(), known, recode) == known) {
    if (header.recode_count == kMaxRecodes || !CheckRecode(recode).ok()) return false;
    header.recodes[header.recode_count++] = recode;
  }
  return Take(header);
}

bool ArenaBudget::Take(const PayloadHeader& header) {
  if (ArenaBytesFor(header) > profile_.max_arena_bytes) return false;
  header_ = header;
  return true;
}

unsigned ArenaBudget::cache_blocks() const {
  PayloadHeader header = header_;
  for (unsigned blocks = profile_.cache_blocks; blocks > 1; --blocks) {
    header.cache_blocks = static_cast<uint8_t>(blocks);
    if (ArenaBytesFor(header) <= profile_.ArenaCeiling(header)) return blocks;
  }
  return 1;
}

}  // namespace till::delta
