#include "delta/format/recode.h"

#include <algorithm>
#include <bit>

namespace till::delta {
namespace {

constexpr uint8_t kMoreHalfBit = 0x80;
constexpr uint64_t kKib = 1024;

Error BadParameter() { return Error{ErrorCode::kCorrupt, "parameter of a recode", 152}; }

bool XzIsSound(const Recode& r, bool has_filter) {
  const XzParameters p = r.xz();
  const unsigned log2 = p.dictionary & ~kMoreHalfBit;
  const uint8_t last_filter = has_filter ? static_cast<uint8_t>(XzFilter::kSparc) : 0;
  return p.preset <= 9 && r.parameters[1] <= 1 && p.lc + p.lp <= 4 && p.pb <= 4 && log2 >= 12 && log2 <= 20 &&
         p.dictionary_bytes() <= 1 << 20 && r.parameters[6] <= last_filter;
}

bool ZlibIsSound(const Recode& r) {
  const ZlibParameters p = r.zlib();
  return p.level >= 1 && p.level <= 9 && p.window_bits >= 9 && p.window_bits <= 15 && p.strategy <= 4 &&
         r.parameters[3] <= 1 && p.mem_level >= 1 && p.mem_level <= 9 && r.parameters[5] == 0 && r.parameters[6] == 0;
}

bool OnlyFirst(const Recode& r, unsigned lowest, unsigned highest) {
  return r.parameters[0] >= lowest && r.parameters[0] <= highest &&
         std::all_of(r.parameters.begin() + 1, r.parameters.end(), [](uint8_t v) { return v == 0; });
}

// zstd's own tables and buffers in KiB, by level and by the block's size (16 KiB to 1 MiB, doubling): what
// ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, size, 0)) says on 64 bits, the largest of each group.
struct ZstdCost {
  uint8_t last_level;
  std::array<uint16_t, 7> kib;
};
constexpr ZstdCost kZstdCosts[] = {
    {2, {212, 272, 392, 632, 632, 760, 760}},        {4, {276, 528, 1032, 1528, 1528, 2552, 2552}},
    {6, {276, 528, 1032, 1528, 3576, 3576, 3576}},   {8, {276, 528, 1032, 1528, 3576, 6648, 6648}},
    {12, {501, 802, 1434, 2186, 4600, 6648, 12792}}, {22, {565, 959, 1749, 2815, 5375, 9471, 17663}},
};

uint64_t ZstdEncodeBytes(unsigned level, uint64_t plain_bytes) {
  const uint64_t room = std::bit_ceil(std::clamp<uint64_t>(plain_bytes, 16 * kKib, kMaxBlockPlainBytes));
  const auto column = static_cast<size_t>(std::countr_zero(room)) - 14;
  for (const ZstdCost& cost : kZstdCosts) {
    if (level <= cost.last_level) return (cost.kib[column] + 64) * kKib;
  }
  return UINT64_MAX;
}

Recode FromXz(RecodeCodec codec, const XzParameters& p) {
  return {codec, {p.preset, uint8_t{p.extreme}, p.lc, p.lp, p.pb, p.dictionary, static_cast<uint8_t>(p.filter)}};
}

}  // namespace

uint32_t XzParameters::dictionary_bytes() const {
  const uint32_t whole = uint32_t{1} << (dictionary & 31);
  return (dictionary & kMoreHalfBit) != 0 ? whole + whole / 2 : whole;
}

Recode Recode::Xz(const XzParameters& p) { return FromXz(RecodeCodec::kXz, p); }
Recode Recode::Lzma(const XzParameters& p) { return FromXz(RecodeCodec::kLzma, p); }
Recode Recode::Zlib(const ZlibParameters& p) {
  return {RecodeCodec::kZlib, {p.level, p.window_bits, p.strategy, uint8_t{p.raw_deflate}, p.mem_level}};
}

XzParameters Recode::xz() const {
  return {parameters[0],
          parameters[1] != 0,
          parameters[2],
          parameters[3],
          parameters[4],
          parameters[5],
          static_cast<XzFilter>(parameters[6])};
}

ZlibParameters Recode::zlib() const {
  return {parameters[0], parameters[1], parameters[2], parameters[3] != 0, parameters[4]};
}

Status CheckRecode(const Recode& r) {
  bool sound = false;
  switch (r.codec) {
    case RecodeCodec::kXz:
      sound = XzIsSound(r, true);
      break;
    case RecodeCodec::kLzma:
      sound = XzIsSound(r, false);
      break;
    case RecodeCodec::kZlib:
      sound = ZlibIsSound(r);
      break;
    case RecodeCodec::kZstd:
      sound = OnlyFirst(r, 1, 22);
      break;
    case RecodeCodec::kLz4:
      sound = OnlyFirst(r, 0, 1);
      break;
    case RecodeCodec::kNone:
      break;
    default:
      return Error{ErrorCode::kUnsupported, "codec of a recode", static_cast<uint64_t>(r.codec)};
  }
  return sound ? Ok() : Status(BadParameter());
}

Result<Recode> DecodeRecode(ByteView bytes) {
  assert(bytes.size() == kRecodeBytes);
  Recode r;
  r.codec = static_cast<RecodeCodec>(bytes[0]);
  for (size_t i = 0; i < r.parameters.size(); ++i) r.parameters[i] = static_cast<uint8_t>(bytes[1 + i]);
  TILL_TRY(CheckRecode(r));
  return r;
}

void EncodeRecode(const Recode& r, ByteWriter& out) {
  out.U8(static_cast<uint8_t>(r.codec));
  for (const uint8_t parameter : r.parameters) out.U8(parameter);
}

uint64_t RecodeDecodeBytes(const Recode& r, uint64_t /*plain_bytes*/) {
  switch (r.codec) {
    case RecodeCodec::kXz:
      return r.xz().dictionary_bytes() + 128 * kKib;
    case RecodeCodec::kLzma:
      return r.xz().dictionary_bytes() + 64 * kKib;
    case RecodeCodec::kZlib:
      return 48 * kKib;
    case RecodeCodec::kZstd:
      return 160 * kKib;
    case RecodeCodec::kLz4:
    case RecodeCodec::kNone:
      return 0;
  }
  return 0;
}

uint64_t RecodeEncodeBytes(const Recode& r, uint64_t plain_bytes) {
  switch (r.codec) {
    case RecodeCodec::kXz:
    case RecodeCodec::kLzma: {
      // Match finder of 4 hashed bytes as a tree: two links a byte, the hash heads, the window with its reserve; and
      // the encoder's price tables.
      const uint64_t dictionary = r.xz().dictionary_bytes();
      const uint64_t heads = std::max<uint64_t>(std::bit_ceil(dictionary) / 2, 65536) + 66560;
      return 8 * dictionary + 4 * heads + 3 * dictionary / 2 + 1024 * kKib;
    }
    case RecodeCodec::kZlib: {
      const ZlibParameters p = r.zlib();
      return (uint64_t{1} << (p.window_bits + 2)) + (uint64_t{1} << (p.mem_level + 9)) + 16 * kKib;
    }
    case RecodeCodec::kZstd:
      return ZstdEncodeBytes(r.parameters[0], plain_bytes);
    case RecodeCodec::kLz4:
      return r.parameters[0] == 0 ? 20 * kKib : 264 * kKib;
    case RecodeCodec::kNone:
      return 0;
  }
  return 0;
}

}  // namespace till::delta
