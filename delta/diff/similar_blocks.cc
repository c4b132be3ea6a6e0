#include "delta/diff/similar_blocks.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace till::delta {
namespace {

constexpr size_t kSampleBytes = 16;
constexpr uint64_t kSampleMask = 63;

// Calls `take` with a hash of each sampled 16-byte run.
template <typename Take>
void ForEachSample(ByteView bytes, Take take) {
  for (size_t i = 0; i + kSampleBytes <= bytes.size(); ++i) {
    uint64_t low, high;
    std::memcpy(&low, bytes.data() + i, 8);
    std::memcpy(&high, bytes.data() + i + 8, 8);
    if (low == high) continue;  // zeros and other fillers are everywhere
    const uint64_t hash = (low * 0x9E3779B97F4A7C15ull ^ high) * 0xC2B2AE3D27D4EB4Full;
    if ((hash >> 58 & kSampleMask) == 0) take(static_cast<uint32_t>(hash >> 20));
  }
}

}  // namespace

SimilarBlocks::SimilarBlocks(ExpandedImage& base) {
  for (uint32_t block = 0; block < base.blocks().size(); ++block) {
    ForEachSample(base.Plain(block), [&](uint32_t sample) { block_of_.try_emplace(sample, block); });
  }
}

std::vector<uint32_t> SimilarBlocks::Of(ByteView bytes, size_t count) const {
  std::map<uint32_t, uint32_t> votes;
  ForEachSample(bytes, [&](uint32_t sample) {
    const auto found = block_of_.find(sample);
    if (found != block_of_.end()) ++votes[found->second];
  });
  std::vector<std::pair<uint32_t, uint32_t>> ranked;  // votes, block
  ranked.reserve(votes.size());
  for (const auto& [block, number] : votes) ranked.emplace_back(number, block);
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::vector<uint32_t> best;
  for (size_t i = 0; i < std::min(count, ranked.size()); ++i) best.push_back(ranked[i].second);
  return best;
}

}  // namespace till::delta
