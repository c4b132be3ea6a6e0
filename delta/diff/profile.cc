#include "delta/diff/profile.h"

#include <algorithm>

namespace till::delta {
namespace {

// 580 MHz at 2.5 cycles an instruction.
constexpr uint64_t kMt7688 = 232'000'000;

constexpr Profile kProfiles[] = {
    // A second of the till's time against 6 KiB of a metered link: a block is made again when that saves more.
    {"mt7688-64m", 6'815'744, 4 << 20, 2 << 20, 3, kMt7688, kMt7688 / 6144},
    {"mt7688-128m", 16 << 20, 16 << 20, 16 << 20, 4, kMt7688, kMt7688 / 6144},
    {"generic", 64 << 20, 64 << 20, 64 << 20, 4, 2'000'000'000, 2'000'000'000 / 65536},
};

// Instructions for each plain byte: tools/count_instructions.py printed them (2026-11; 1 MiB of libcrypto, blocks of
// 256 KiB, the pinned codecs as the terminal builds them). By preset, level or, for zstd, by level up to 22; levels
// that were not counted have the number of the next that was.
constexpr uint16_t kXzEncode[] = {334, 340, 353, 368, 984, 1389, 1679};
constexpr uint64_t kXzExtreme = 2034;
constexpr uint16_t kZlibEncode[] = {88, 88, 92, 105, 128, 161, 222, 261, 382, 581};
constexpr uint16_t kZstdEncode[] = {88,  88,  108,  108,  242,  265,  294,  308,  371,  447,  595, 531,
                                    531, 918, 1322, 1322, 2365, 3486, 3486, 3861, 4134, 4134, 4134};
constexpr uint64_t kLz4Encode = 37, kLz4HighEncode = 1327;
constexpr uint64_t kXzDecode = 77, kZlibDecode = 18, kZstdDecode = 68, kLz4Decode = 17;
// DIFF bytes: 67 where all are equal, 630 where one word in 64 differs, 1,804 where one in 8 does.
constexpr uint64_t kModelDecode = 300;
constexpr uint64_t kModelLiteral = 12369;
constexpr uint64_t kSha256 = 45;

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
    case RecodeCodec::kLzma: {
      const XzParameters p = recode.xz();
      return plain_bytes * (p.extreme ? kXzExtreme : kXzEncode[std::min<size_t>(p.preset, std::size(kXzEncode) - 1)]);
    }
    case RecodeCodec::kZlib:
      return plain_bytes * kZlibEncode[std::min<size_t>(recode.zlib().level, std::size(kZlibEncode) - 1)];
    case RecodeCodec::kZstd:
      return plain_bytes * kZstdEncode[std::min<size_t>(recode.parameters[0], std::size(kZstdEncode) - 1)];
    case RecodeCodec::kLz4:
      return plain_bytes * (recode.parameters[0] != 0 ? kLz4HighEncode : kLz4Encode);
    case RecodeCodec::kNone:
      return 0;
  }
  return 0;
}

uint64_t DecodeInstructions(const Recode& recode, uint64_t plain_bytes) {
  switch (recode.codec) {
    case RecodeCodec::kXz:
    case RecodeCodec::kLzma:
      return plain_bytes * kXzDecode;
    case RecodeCodec::kZlib:
      return plain_bytes * kZlibDecode;
    case RecodeCodec::kZstd:
      return plain_bytes * kZstdDecode;
    case RecodeCodec::kLz4:
      return plain_bytes * kLz4Decode;
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
      return plain_bytes * kZstdDecode;
    case Codec::kLzma:
      return plain_bytes * kXzDecode;
    case Codec::kModel:
      return plain_bytes * kModelDecode;
  }
  return 0;
}

uint64_t LiteralInstructions(uint64_t literal_bytes) { return literal_bytes * kModelLiteral; }

uint64_t HashInstructions(uint64_t bytes) { return bytes * kSha256; }

}  // namespace till::delta
