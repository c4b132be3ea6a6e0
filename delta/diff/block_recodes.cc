#include "delta/diff/block_recodes.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "delta/container/decode.h"

namespace till::delta {
namespace {

// Smaller blocks come out the same from several presets.
constexpr uint32_t kTellingBytes = 4096;
constexpr size_t kSamples = 3;

struct Kind {
  RecodeCodec codec;
  std::array<uint8_t, 7> parameters;
  bool operator<(const Kind& other) const {
    return std::tie(codec, parameters) < std::tie(other.codec, other.parameters);
  }
};

struct Group {
  std::vector<uint32_t> blocks;
  uint64_t plain_bytes = 0;
  uint64_t longest_bytes = 0;
};

// The smallest telling blocks: cheapest to try.
std::vector<uint32_t> SamplesOf(const ExpandedImage& image, std::vector<uint32_t> blocks) {
  const auto cost = [&](uint32_t block) {
    const size_t bytes = image.DecodedPlain(block).size();
    return bytes < kTellingBytes ? 2 * kMaxBlockPlainBytes - bytes : bytes;
  };
  std::stable_sort(blocks.begin(), blocks.end(), [&](uint32_t a, uint32_t b) { return cost(a) < cost(b); });
  if (blocks.size() > kSamples) blocks.resize(kSamples);
  return blocks;
}

std::optional<Recode> SearchRecode(const ExpandedImage& image, const Group& group) {
  for (const uint32_t block : SamplesOf(image, group.blocks)) {
    const ByteView coded = image.Coded(block);
    for (const Recode& candidate : RecodeCandidates(image.blocks()[block], coded)) {
      if (TryRecode(candidate, image.DecodedPlain(block), coded)) return candidate;
    }
  }
  return std::nullopt;
}

bool CanOpen(const Recode& opener, const Recode& told) {
  if (opener.codec != told.codec) return false;
  switch (told.codec) {
    case RecodeCodec::kXz:
    case RecodeCodec::kLzma:
      return opener.xz().dictionary_bytes() >= told.xz().dictionary_bytes();
    case RecodeCodec::kZlib:
      return opener.zlib().raw_deflate == told.zlib().raw_deflate &&
             opener.zlib().window_bits >= told.zlib().window_bits;
    default:
      return true;
  }
}

// The opener with the smallest dictionary that will do.
uint8_t OpenerOf(const std::vector<Recode>& recodes, const Recode& told) {
  uint8_t best = BlockRecodes::kNone;
  for (size_t i = 0; i < recodes.size(); ++i) {
    if (!CanOpen(recodes[i], told)) continue;
    if (best != BlockRecodes::kNone && RecodeDecodeBytes(recodes[best], 0) <= RecodeDecodeBytes(recodes[i], 0))
      continue;
    best = static_cast<uint8_t>(i);
  }
  return best;
}

// The longest blocks of the group, halving, for which the encoder fits; 0: for none.
uint64_t LongestThatFits(const Recode& recode, uint64_t longest_bytes, ArenaBudget& budget) {
  for (uint64_t bytes = longest_bytes; bytes >= kTellingBytes; bytes /= 2) {
    if (budget.AddEncoder(recode, bytes)) return bytes;
  }
  return budget.AddEncoder(recode, std::min<uint64_t>(longest_bytes, kTellingBytes)) ? kTellingBytes : 0;
}

void ChooseOpeners(const ExpandedImage& base, ArenaBudget& budget, BlockRecodes& chosen) {
  for (uint32_t i = 0; i < base.blocks().size(); ++i) {
    const Recode told = DecodingOf(base.blocks()[i], base.Coded(i));
    const uint8_t opener = OpenerOf(chosen.recodes, told);
    const bool known = opener != BlockRecodes::kNone;
    if (!budget.AddOpener(known ? chosen.recodes[opener] : told, base.blocks()[i].plain_bytes)) continue;
    chosen.of_base[i] = known ? opener : static_cast<uint8_t>(chosen.recodes.size());
    if (!known) chosen.recodes.push_back(told);
  }
}

}  // namespace

BlockRecodes ChooseRecodes(const ExpandedImage& base, ExpandedImage& target, const std::vector<bool>& changed,
                           ArenaBudget& budget) {
  BlockRecodes chosen;
  chosen.of_target.assign(target.blocks().size(), BlockRecodes::kNone);
  chosen.of_base.assign(base.blocks().size(), BlockRecodes::kNone);
  std::map<Kind, Group> groups;
  for (uint32_t i = 0; i < target.blocks().size(); ++i) {
    if (!changed[i] || target.DecodedPlain(i).empty()) continue;
    const Recode told = DecodingOf(target.blocks()[i], target.Coded(i));
    Group& group = groups[{told.codec, told.parameters}];
    group.blocks.push_back(i);
    const uint64_t plain_bytes = target.DecodedPlain(i).size();
    group.plain_bytes += plain_bytes;
    group.longest_bytes = std::max(group.longest_bytes, plain_bytes);
  }
  std::vector<const Group*> order;
  order.reserve(groups.size());
  for (const auto& [kind, group] : groups) order.push_back(&group);
  std::stable_sort(order.begin(), order.end(),
                   [](const Group* a, const Group* b) { return a->plain_bytes > b->plain_bytes; });
  for (const Group* group : order) {
    if (chosen.recodes.size() == kMaxRecodes) break;
    const std::optional<Recode> recode = SearchRecode(target, *group);
    const uint64_t longest = recode ? LongestThatFits(*recode, group->longest_bytes, budget) : 0;
    if (longest == 0) continue;
    const auto index = static_cast<uint8_t>(chosen.recodes.size());
    for (const uint32_t block : group->blocks) {
      if (target.DecodedPlain(block).size() <= longest) chosen.of_target[block] = index;
    }
    chosen.recodes.push_back(*recode);
  }
  ChooseOpeners(base, budget, chosen);
  return chosen;
}

}  // namespace till::delta
