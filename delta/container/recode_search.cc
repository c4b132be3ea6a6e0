#include "delta/container/recode_search.h"

#include <algorithm>

#include "delta/codec/recode.h"
#include "delta/container/decode.h"

namespace till::delta {
namespace {

// Stretches of differing bytes closer than this are one fix: each costs two numbers.
constexpr uint32_t kFixGapBytes = 3;

std::optional<std::vector<BlockFix>> Compare(ByteView made, ByteView coded) {
  std::vector<BlockFix> fixes;
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < coded.size(); ++i) {
    if (made[i] == coded[i]) continue;
    if (++wrong > kMaxFixBytes) return std::nullopt;
    if (!fixes.empty() && i - (fixes.back().offset + fixes.back().length) < kFixGapBytes) {
      fixes.back().length = i + 1 - fixes.back().offset;
    } else {
      fixes.push_back({i, 1});
    }
  }
  return fixes;
}

// liblzma's presets differ, once the dictionary is given, only below 6; 6 to 9 are one, and so are their extremes
// (lzma_encoder_presets.c).
std::vector<Recode> XzCandidates(XzParameters parameters, bool lzma) {
  constexpr std::pair<uint8_t, bool> kPresets[] = {{6, false}, {9, true},  {5, false}, {4, false}, {3, false},
                                                   {2, false}, {1, false}, {0, false}, {5, true}};
  std::vector<Recode> candidates;
  for (const auto& [preset, extreme] : kPresets) {
    parameters.preset = preset;
    parameters.extreme = extreme;
    candidates.push_back(lzma ? Recode::Lzma(parameters) : Recode::Xz(parameters));
  }
  return candidates;
}

std::vector<Recode> ZlibCandidates(ZlibParameters parameters, const CodedBlock& block) {
  std::vector<Recode> candidates;
  if (block.stated_level >= 1 && block.stated_level <= 9) {
    parameters.level = block.stated_level;
    for (uint8_t strategy = 0; strategy <= 4; ++strategy) {
      if (strategy > 0 && (block.stated_strategies >> strategy & 1) == 0) continue;
      parameters.strategy = strategy;
      candidates.push_back(Recode::Zlib(parameters));
    }
    parameters.strategy = 0;
  }
  for (const uint8_t level : {9, 6, 8, 7, 5, 4, 3, 2, 1}) {
    parameters.level = level;
    candidates.push_back(Recode::Zlib(parameters));
  }
  parameters.level = 9;
  for (const uint8_t strategy : {1, 2, 3, 4}) {
    parameters.strategy = strategy;
    candidates.push_back(Recode::Zlib(parameters));
  }
  return candidates;
}

}  // namespace

std::optional<Remake> TryRecode(const Recode& recode, ByteView plain, ByteView coded) {
  if (!CheckRecode(recode).ok() || plain.empty()) return std::nullopt;
  Bytes workspace(RecodeEncodeBytes(recode, plain.size()));
  Bytes made(CodedBound(plain.size()));
  const Result<size_t> length = RecodeEncode(recode, plain, made, workspace);
  if (!length.ok() || *length != coded.size()) return std::nullopt;
  std::optional<std::vector<BlockFix>> fixes = Compare(ByteView(made).first(*length), coded);
  if (!fixes) return std::nullopt;
  return Remake{recode, std::move(*fixes)};
}

std::vector<Recode> RecodeCandidates(const CodedBlock& block, ByteView coded) {
  const Recode told = DecodingOf(block, coded);
  switch (block.codec) {
    case RecodeCodec::kXz:
    case RecodeCodec::kLzma:
      return XzCandidates(told.xz(), block.codec == RecodeCodec::kLzma);
    case RecodeCodec::kZlib:
      return ZlibCandidates(told.zlib(), block);
    case RecodeCodec::kZstd: {
      std::vector<Recode> candidates;
      if (block.stated_level != 0) candidates.push_back(Recode::Zstd(block.stated_level));
      for (const uint8_t level : {15, 19, 22, 3, 9, 18, 20, 21, 17, 16, 14, 13, 12, 11, 10, 8, 7, 6, 5, 4, 2, 1}) {
        candidates.push_back(Recode::Zstd(level));
      }
      return candidates;
    }
    case RecodeCodec::kLz4:
      if (block.stated_level == 1) return {Recode::Lz4(false), Recode::Lz4(true)};
      return {Recode::Lz4(true), Recode::Lz4(false)};
    case RecodeCodec::kNone:
      break;
  }
  return {};
}

}  // namespace till::delta
