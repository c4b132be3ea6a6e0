#include "delta/mips/map_builder.h"

#include <algorithm>
#include <array>

#include "delta/mips/predictor.h"

namespace till::delta {
namespace {

// Measured on OpenWrt kernels (docs/decisions/0031): what a word costs the residual model when it is predicted wrong
// instead of right, and what a map entry costs after LZMA.
constexpr int64_t kBitsPerWord = 2;
constexpr int64_t kBitsPerEntry = 40;
constexpr std::array<uint64_t, 5> kFloors = {256, 512, 1024, 2048, 8192};

struct Entry {
  uint32_t start;
  uint32_t shift;
};

uint32_t WordAt(ByteView bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) | static_cast<uint32_t>(bytes[at + 1]) << 8 |
         static_cast<uint32_t>(bytes[at + 2]) << 16 | static_cast<uint32_t>(bytes[at + 3]) << 24;
}

std::vector<Entry> EntriesFrom(std::vector<MovedStretch> stretches, uint64_t floor) {
  std::erase_if(stretches, [&](const MovedStretch& s) { return s.length < floor; });
  std::sort(stretches.begin(), stretches.end(),
            [](const MovedStretch& a, const MovedStretch& b) { return a.old_offset < b.old_offset; });
  std::vector<Entry> entries;
  for (const MovedStretch& s : stretches) {
    const auto shift = static_cast<uint32_t>(s.new_offset - s.old_offset);
    if (entries.empty() ? shift == 0 : entries.back().shift == shift) continue;
    if (!entries.empty() && entries.back().start == s.old_offset) continue;
    entries.push_back({static_cast<uint32_t>(s.old_offset), shift});
  }
  return entries;
}

Bytes Encode(const MipsRegion& region, const std::vector<Entry>& entries) {
  ByteWriter out;
  out.U32(region.load_address);
  out.U32(static_cast<uint32_t>(region.before.size()));
  out.U32(static_cast<uint32_t>(entries.size()));
  out.U32(0);
  for (const Entry& entry : entries) out.U32(entry.start);
  for (const Entry& entry : entries) out.U32(entry.shift);
  return std::move(out).Take();
}

void Judge(const MipsRegion& region, size_t entries, MipsMapResult& result) {
  const auto map = MipsMap::Parse(result.plain);
  if (!map.ok()) {
    result = {};
    return;
  }
  MipsPredictor predictor(*map);
  int64_t words_spoiled = 0;  // were right without prediction
  for (const MovedStretch& s : region.stretches) {
    Bytes predicted(region.before.begin() + static_cast<ptrdiff_t>(s.old_offset),
                    region.before.begin() + static_cast<ptrdiff_t>(s.old_offset + s.length));
    const Bytes before = predicted;
    predictor.Start(0, static_cast<uint32_t>(s.old_offset));
    predictor.Predict(predicted);
    for (size_t i = (4 - s.old_offset % 4) % 4; i + 4 <= s.length; i += 4) {
      const uint32_t was = WordAt(before, i);
      const uint32_t guess = WordAt(predicted, i);
      const uint32_t is = WordAt(region.after, s.new_offset + i);
      if (guess == was) continue;
      result.words_right += guess == is ? 1 : 0;
      result.words_wrong += guess != is ? 1 : 0;
      words_spoiled += was == is ? 1 : 0;
    }
  }
  const int64_t bits = static_cast<int64_t>(result.words_right) * kBitsPerWord - words_spoiled * 4 * kBitsPerWord -
                       static_cast<int64_t>(entries) * kBitsPerEntry;
  result.saved_bytes = bits / 8;
}

}  // namespace

MipsMapResult BuildMipsMap(const MipsRegion& region) {
  MipsMapResult best;
  if (region.before.empty() || region.before.size() > UINT32_MAX - region.load_address) return best;
  for (const uint64_t floor : kFloors) {
    const std::vector<Entry> entries = EntriesFrom(region.stretches, floor);
    MipsMapResult result;
    result.plain = Encode(region, entries);
    Judge(region, entries.size(), result);
    if (result.saved_bytes > best.saved_bytes) best = std::move(result);
  }
  return best;
}

uint32_t GuessLoadAddress(ByteView code) {
  constexpr std::array<uint32_t, 4> kUsual = {0x80000000, 0x80001000, 0x80060000, 0x80100000};
  std::array<uint64_t, kUsual.size()> hits{};
  uint64_t jumps = 0;
  for (size_t i = 0; i + 4 <= code.size(); i += 4) {
    const uint32_t word = WordAt(code, i);
    if (word >> 26 != 3) continue;
    ++jumps;
    for (size_t k = 0; k < kUsual.size(); ++k) {
      const uint64_t offset = (uint64_t{word & 0x03ffffff} << 2) - (kUsual[k] & 0x0fffffff);
      if (offset < code.size() && offset + 4 <= code.size() && WordAt(code, offset) >> 16 == 0x27bd) ++hits[k];
    }
  }
  const auto best = static_cast<size_t>(std::max_element(hits.begin(), hits.end()) - hits.begin());
  return hits[best] >= 64 && hits[best] * 8 > jumps ? kUsual[best] : 0;
}

}  // namespace till::delta
