#include "delta/diff/worth_an_op.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "delta/diff/op_list.h"
#include "delta/diff/stream_coder.h"
#include "delta/diff/word_phases.h"

namespace till::delta {
namespace {

constexpr unsigned kRegionLog2 = 16;  // of bytes between blocks; a block is a region of its own
// In bytes: an op with the control bytes around it, where nearly all comes from the base; what else it may cost where
// much is new (0 keeps all); a byte that the op gets wrong; a new byte where the region looks like code or text.
constexpr double kOpBytes = 8;
constexpr double kOpPrices[] = {0, kOpBytes, 40};
constexpr double kWrongByte = 1.1;
constexpr double kNewByte = 0.6;
// Packed or random: bits of entropy per byte from which a new byte costs all of itself.
constexpr double kPackedBits = 7.5;
constexpr double kNewShare = 0.25;  // of a region's bytes, from which prices are tried
// The control bytes of an op, coded: its length and how far it jumps, in bytes of a varint, at four fifths.
constexpr uint64_t kControlTenths = 8;

double EntropyBits(ByteView bytes) {
  std::array<uint32_t, 256> counts{};
  for (const std::byte byte : bytes) ++counts[static_cast<uint8_t>(byte)];
  double bits = 0;
  for (const uint32_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(bytes.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

uint64_t VarintBytes(uint64_t value) {
  uint64_t bytes = 1;
  for (; value >= 128; value >>= 7) ++bytes;
  return bytes;
}

using Alignments = std::vector<Alignment>;

class Pruner {
 public:
  Pruner(const ExpandedImage& base, const ExpandedImage& target, const DiffOptions& options)
      : base_(base), target_(target), options_(options), phases_(base.files()) {}

  // `region` are alignments of one region. Answers those to keep.
  Alignments Keep(const Alignments& region) const {
    const ByteView bytes = BytesOf(region.front().target);
    const bool packed = EntropyBits(bytes) >= kPackedBits;
    std::vector<double> saved;
    saved.reserve(region.size());
    uint64_t from_base = 0;
    for (const Alignment& a : region) {
      saved.push_back(SavedBytes(a, packed ? 1 : kNewByte));
      if (saved.back() >= kOpBytes) from_base += a.length;
    }
    const double new_share = 1 - static_cast<double>(from_base) / static_cast<double>(bytes.size());
    if (packed || new_share < kNewShare) return Above(kOpBytes, region, saved);
    Alignments best;
    uint64_t best_bytes = UINT64_MAX;
    for (const double price : kOpPrices) {
      Alignments kept = price == 0 ? region : Above(price, region, saved);
      const uint64_t coded = CodedBytes(bytes, StartOf(region.front().target), kept);
      if (coded >= best_bytes) continue;
      best_bytes = coded;
      best = std::move(kept);
    }
    return best;
  }

  static Address StartOf(Address target) {
    if (target.in_block()) return Address::InBlock(target.block(), 0);
    return Address::Raw(target.offset() >> kRegionLog2 << kRegionLog2);
  }

 private:
  ByteView BytesOf(Address target) const {
    if (target.in_block()) return target_.DecodedPlain(target.block());
    const uint64_t begin = StartOf(target).offset();
    return target_.image().subspan(begin, std::min(target_.image().size() - begin, uint64_t{1} << kRegionLog2));
  }

  static Alignments Above(double price, const Alignments& region, const std::vector<double>& saved) {
    Alignments kept;
    for (size_t i = 0; i < region.size(); ++i) {
      if (saved[i] >= price) kept.push_back(region[i]);
    }
    return kept;
  }

  // Before the op is paid.
  double SavedBytes(const Alignment& a, double new_byte) const {
    const ByteView from = BytesAt(base_, a.base, a.length);
    const ByteView to = BytesAt(target_, a.target, a.length);
    uint64_t wrong = 0;
    for (size_t i = 0; i < to.size(); ++i) wrong += from[i] != to[i] ? 1 : 0;
    return static_cast<double>(a.length) * new_byte - static_cast<double>(wrong) * kWrongByte;
  }

  // What the region takes in a payload, without prediction of addresses.
  uint64_t CodedBytes(ByteView made, Address start, const Alignments& alignments) const {
    OpList list(base_, options_.min_copy_bytes);
    list.AddRange(made, start, alignments);
    FrameStreams streams;
    uint64_t control = 0;
    Address position;
    for (const PlannedOp& op : list.Take()) {
      const ByteView part = made.first(op.length);
      made = made.subspan(op.length);
      control += VarintBytes(op.length << 2);
      if (op.kind == PlannedOp::Kind::kData) {
        streams.literal.insert(streams.literal.end(), part.begin(), part.end());
        streams.runs.push_back({false, static_cast<uint32_t>(op.length), 0, 0});
        continue;
      }
      const auto shift = static_cast<int64_t>(op.base.value - position.value);
      control += VarintBytes(static_cast<uint64_t>(std::abs(shift)) << 1);
      position = op.base + op.length;
      if (op.kind != PlannedOp::Kind::kDiff) continue;
      const ByteView from = BytesAt(base_, op.base, op.length);
      streams.predicted.insert(streams.predicted.end(), from.begin(), from.end());
      streams.actual.insert(streams.actual.end(), part.begin(), part.end());
      streams.runs.push_back({true, static_cast<uint32_t>(op.length), op.base.offset(), phases_.Of(op.base)});
    }
    return ModelledBytes(streams) + control * kControlTenths / 10;
  }

  const ExpandedImage& base_;
  const ExpandedImage& target_;
  const DiffOptions& options_;
  const WordPhases phases_;
};

}  // namespace

void DropAlignmentsNotWorthAnOp(const ExpandedImage& base, const ExpandedImage& target, const DiffOptions& options,
                                std::vector<Alignment>& alignments) {
  const Pruner pruner(base, target, options);
  Alignments kept;
  for (auto begin = alignments.begin(); begin != alignments.end();) {
    const Address start = Pruner::StartOf(begin->target);
    const auto end = std::find_if(begin, alignments.end(),
                                  [&](const Alignment& a) { return Pruner::StartOf(a.target).value != start.value; });
    const Alignments region = pruner.Keep(Alignments(begin, end));
    kept.insert(kept.end(), region.begin(), region.end());
    begin = end;
  }
  alignments = std::move(kept);
}

}  // namespace till::delta
