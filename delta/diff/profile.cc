#include "delta/diff/profile.h"

#include <algorithm>

namespace till::delta {
namespace {

// 580 MHz at 2.5 cycles an instruction.
constexpr uint64_t kMt7688 = 232'000'000;

constexpr Profile kProfiles[] = {
    // A second of the till's time against 8 KiB of a metered link: a block is made again when that saves more.
    {"mt7688-64m", 6'815'744, 4 << 20, 2 << 20, 3, kMt7688, kMt7688 / 8192},
    {"mt7688-128m", 16 << 20, 16 << 20, 16 << 20, 4, kMt7688, kMt7688 / 8192},
    {"generic", 64 << 20, 64 << 20, 64 << 20, 4, 2'000'000'000, 2'000'000'000 / 65536},
};

constexpr uint32_t kSmallBlockBytes = 128 << 10;

// xz and zstd hold tables for all of a block, deflate and lz4 for 32 and 64 KiB of it.
bool IsSmallEncoder(const Recode& recode) {
  return recode.codec == RecodeCodec::kZlib || recode.codec == RecodeCodec::kLz4;
}

}  // namespace

uint64_t Profile::ArenaCeiling(const PayloadHeader& h) const {
  if (h.block_coded_bytes_max == 0) return no_block_arena_bytes;
  const auto end = h.recodes.begin() + h.recode_count;
  const bool is_small =
      h.block_plain_bytes_max <= kSmallBlockBytes || std::all_of(h.recodes.begin(), end, IsSmallEncoder);
  return is_small ? small_block_arena_bytes : max_arena_bytes;
}

const Profile* FindProfile(std::string_view name) {
  for (const Profile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

std::string_view ProfileNames() { return "mt7688-64m, mt7688-128m, generic"; }

uint64_t EncodeInstructions(const Recode& recode, uint64_t plain_bytes) {
  switch (recode.codec) {
    case RecodeCodec::kXz:
    case RecodeCodec::kLzma:
      return plain_bytes * (recode.xz().extreme ? 1862 : 1625);
    case RecodeCodec::kZlib:
      return plain_bytes * (recode.zlib().level >= 7 ? 551 : 250);
    case RecodeCodec::kZstd:
      return plain_bytes * (recode.parameters[0] >= 16 ? 2029 : recode.parameters[0] >= 10 ? 1000 : 150);
    case RecodeCodec::kLz4:
      return plain_bytes * (recode.parameters[0] != 0 ? 200 : 20);
    case RecodeCodec::kNone:
      return 0;
  }
  return 0;
}

uint64_t DecodeInstructions(const Recode& recode, uint64_t plain_bytes) {
  switch (recode.codec) {
    case RecodeCodec::kXz:
    case RecodeCodec::kLzma:
      return plain_bytes * 97;
    case RecodeCodec::kZlib:
      return plain_bytes * 20;
    case RecodeCodec::kZstd:
      return plain_bytes * 31;
    case RecodeCodec::kLz4:
      return plain_bytes * 8;
    case RecodeCodec::kNone:
      return 0;
  }
  return 0;
}

uint64_t StreamInstructions(Codec codec, uint64_t plain_bytes) {
  switch (codec) {
    case Codec::kStored:
      return plain_bytes * 4;
    case Codec::kZstd:
      return plain_bytes * 31;
    case Codec::kLzma:
      return plain_bytes * 97;
    case Codec::kModel:
      return plain_bytes * 300;
  }
  return 0;
}

uint64_t LiteralInstructions(uint64_t literal_bytes) { return literal_bytes * 9000; }

uint64_t HashInstructions(uint64_t bytes) { return bytes * 38; }

}  // namespace till::delta
