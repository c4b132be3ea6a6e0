#include "delta/diff/matcher.h"

#include <divsufsort.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace till::delta {
namespace {

// A longer match adds nothing: the next search goes on where this one ends.
constexpr size_t kMatchCap = 32 << 10;
// Searching again inside an alignment that holds this long has never paid (corpus pairs, 2026-11).
constexpr size_t kAlignedEnough = 256;
constexpr size_t kGramBytes = 8;
// bsdiff has 8. With the residual model pair M took 101,694 bytes at 4, 100,498 at 6, 126,566 at 8, 144,744 at 16.
constexpr size_t kBetterBy = 6;
constexpr size_t kProgressBytes = 256 << 10;

size_t CommonPrefix(const uint8_t* a, const uint8_t* b, size_t limit) {
  size_t i = 0;
  for (; i + 8 <= limit; i += 8) {
    uint64_t x, y;
    std::memcpy(&x, a + i, 8);
    std::memcpy(&y, b + i, 8);
    if (x != y) break;
  }
  while (i < limit && a[i] == b[i]) ++i;
  return i;
}

// Which 8-byte grams occur in the base; false positives cost a search, false negatives do not exist.
class GramSet {
 public:
  explicit GramSet(std::span<const uint8_t> base) {
    const uint64_t wanted = std::bit_ceil(std::max<uint64_t>(base.size() * 8, 1 << 16));
    const uint64_t bits = std::min<uint64_t>(wanted, uint64_t{1} << 30);
    shift_ = 64 - std::countr_zero(bits);
    words_.resize(bits / 64);
    for (size_t i = 0; i + kGramBytes <= base.size(); ++i) {
      const uint64_t slot = Slot(base.data() + i);
      words_[slot / 64] |= uint64_t{1} << slot % 64;
    }
  }
  bool MayContain(const uint8_t* gram) const {
    const uint64_t slot = Slot(gram);
    return (words_[slot / 64] >> slot % 64 & 1) != 0;
  }

 private:
  uint64_t Slot(const uint8_t* gram) const {
    uint64_t value;
    std::memcpy(&value, gram, kGramBytes);
    return (value * 0x9E3779B97F4A7C15ull) >> shift_;
  }
  int shift_;
  std::vector<uint64_t> words_;
};

struct Found {
  size_t position = 0;
  size_t length = 0;
};

class Index {
 public:
  explicit Index(std::span<const uint8_t> base) : base_(base), grams_(base), suffixes_(base.size()) {}

  Status Build() {
    if (base_.empty()) return Ok();
    if (divsufsort(base_.data(), suffixes_.data(), static_cast<saidx_t>(base_.size())) != 0) {
      return Error{ErrorCode::kLimit, "no memory for the base's index", base_.size()};
    }
    // Where the suffixes with each first two bytes begin: saves half of each binary search.
    std::array<uint32_t, (1 << 16) + 1> counts{};
    for (size_t i = 0; i + 1 < base_.size(); ++i) ++counts[Bucket(base_.data() + i) + 1];
    // The suffix of one byte sorts before all with the same first byte: it stands at the front of the first of them.
    ++counts[(size_t{base_.back()} << 8) + 1];
    for (size_t i = 1; i < counts.size(); ++i) counts[i] += counts[i - 1];
    buckets_.assign(counts.begin(), counts.end());
    return Ok();
  }

  // The longest match of at least kGramBytes, or length 0. `text` has at least 1 byte.
  Found Longest(std::span<const uint8_t> text) const {
    if (text.size() < kGramBytes || base_.size() < kGramBytes || !grams_.MayContain(text.data())) return {};
    const size_t bucket = Bucket(text.data());
    size_t low = buckets_[bucket];
    size_t high = buckets_[bucket + 1];
    if (low == high) return {};
    const size_t cap = std::min(text.size(), kMatchCap);
    Found best;
    size_t low_common = 0;   // with the suffix before `low`
    size_t high_common = 0;  // with the suffix at `high`
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      const auto position = static_cast<size_t>(suffixes_[middle]);
      const size_t limit = std::min(cap, base_.size() - position);
      const size_t known = std::min({low_common, high_common, limit});
      const size_t common = known + CommonPrefix(base_.data() + position + known, text.data() + known, limit - known);
      if (common > best.length) best = {position, common};
      if (common == cap) break;
      if (common == limit || base_[position + common] < text[common]) {
        low = middle + 1;
        low_common = common;
      } else {
        high = middle;
        high_common = common;
      }
    }
    return best.length >= kGramBytes ? best : Found{};
  }

 private:
  static size_t Bucket(const uint8_t* p) { return size_t{p[0]} << 8 | p[1]; }

  std::span<const uint8_t> base_;
  GramSet grams_;
  std::vector<saidx_t> suffixes_;
  std::vector<uint32_t> buckets_;
};

class Scan {
 public:
  Scan(std::span<const uint8_t> base, std::span<const uint8_t> target, const Index& index, const DiffOptions& options)
      : base_(base), target_(target), index_(index), options_(options) {}

  Result<std::vector<Match>> Run() {
    while (scan_ < target_.size()) {
      const size_t aligned_score = TILL_TRY(Advance());
      if (match_.length != aligned_score || scan_ == target_.size()) CloseAlignment();
    }
    return std::move(matches_);
  }

 private:
  bool AgreesAligned(size_t at) const {
    const int64_t position = static_cast<int64_t>(at) + shift_;
    return position >= 0 && static_cast<uint64_t>(position) < base_.size() && base_[position] == target_[at];
  }

  Found AlignedMatch() const {
    const int64_t position = static_cast<int64_t>(scan_) + shift_;
    if (position < 0 || static_cast<uint64_t>(position) >= base_.size()) return {};
    const size_t limit = std::min({kMatchCap, base_.size() - position, target_.size() - scan_});
    return {static_cast<size_t>(position), CommonPrefix(base_.data() + position, target_.data() + scan_, limit)};
  }

  // Moves scan_ to the next place where going on in the current alignment is not the best, or where it is exactly as
  // good. Answers how many bytes of the match there agree in the current alignment.
  Result<size_t> Advance() {
    size_t score = 0;
    scan_ += match_.length;
    size_t scored = scan_;
    for (match_ = {}; scan_ < target_.size(); ++scan_) {
      TILL_TRY(Report());
      const Found aligned = AlignedMatch();
      match_ = aligned.length >= kAlignedEnough ? aligned : index_.Longest(target_.subspan(scan_));
      if (aligned.length >= match_.length) match_ = aligned;
      for (; scored < scan_ + match_.length; ++scored) score += AgreesAligned(scored) ? 1 : 0;
      if ((match_.length == score && match_.length != 0) || match_.length > score + kBetterBy) break;
      if (scored == scan_) {
        ++scored;  // nothing matched here: nothing was counted that could be taken back
      } else if (AgreesAligned(scan_)) {
        --score;
      }
    }
    return score;
  }

  // The alignment that ran from last_scan_ ends somewhere before scan_, where match_ begins: grow the old one forward
  // and the new one backward, and where they meet cut where it is best.
  void CloseAlignment() {
    size_t forward = GrowForward();
    size_t backward = scan_ < target_.size() ? GrowBackward() : 0;
    if (last_scan_ + forward > scan_ - backward) {
      const size_t overlap = last_scan_ + forward - (scan_ - backward);
      const size_t keep = BestCut(forward, backward, overlap);
      forward = forward - overlap + keep;
      backward -= keep;
    }
    if (forward > 0) matches_.push_back({last_scan_, last_position_, forward});
    last_scan_ = scan_ - backward;
    last_position_ = match_.position - std::min(backward, match_.position);
    shift_ = static_cast<int64_t>(match_.position) - static_cast<int64_t>(scan_);
  }

  size_t GrowForward() const {
    int64_t score = 0, best = 0;
    size_t length = 0;
    const size_t limit = std::min(scan_ - last_scan_, base_.size() - last_position_);
    for (size_t i = 0; i < limit;) {
      if (base_[last_position_ + i] == target_[last_scan_ + i]) ++score;
      ++i;
      const int64_t value = 2 * score - static_cast<int64_t>(i);
      if (value > best) {
        best = value;
        length = i;
      }
    }
    return length;
  }

  size_t GrowBackward() const {
    int64_t score = 0, best = 0;
    size_t length = 0;
    const size_t limit = std::min(scan_ - last_scan_, match_.position);
    for (size_t i = 1; i <= limit; ++i) {
      if (base_[match_.position - i] == target_[scan_ - i]) ++score;
      const int64_t value = 2 * score - static_cast<int64_t>(i);
      if (value > best) {
        best = value;
        length = i;
      }
    }
    return length;
  }

  size_t BestCut(size_t forward, size_t backward, size_t overlap) const {
    int64_t score = 0, best = 0;
    size_t keep = 0;
    for (size_t i = 0; i < overlap; ++i) {
      const size_t old_at = forward - overlap + i;
      if (target_[last_scan_ + old_at] == base_[last_position_ + old_at]) ++score;
      if (target_[scan_ - backward + i] == base_[match_.position - backward + i]) --score;
      if (score > best) {
        best = score;
        keep = i + 1;
      }
    }
    return keep;
  }

  Status Report() {
    if (!options_.progress || scan_ < next_report_) return Ok();
    next_report_ = scan_ + kProgressBytes;
    if (options_.progress({"match", scan_, target_.size()})) return Ok();
    return Error{ErrorCode::kCanceled, "stopped on request"};
  }

  std::span<const uint8_t> base_;
  std::span<const uint8_t> target_;
  const Index& index_;
  const DiffOptions& options_;
  std::vector<Match> matches_;
  Found match_;
  size_t scan_ = 0;
  size_t last_scan_ = 0;
  size_t last_position_ = 0;
  int64_t shift_ = 0;
  size_t next_report_ = 0;
};

std::span<const uint8_t> AsU8(ByteView bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

}  // namespace

Result<std::vector<Match>> FindMatches(ByteView base, ByteView target, const DiffOptions& options) {
  if (base.size() > INT32_MAX) return Error{ErrorCode::kLimit, "base too long for the index", INT32_MAX};
  if (base.empty() || target.empty()) return std::vector<Match>();
  if (options.progress && !options.progress({"index", 0, base.size()})) {
    return Error{ErrorCode::kCanceled, "stopped on request"};
  }
  Index index(AsU8(base));
  TILL_TRY(index.Build());
  return Scan(AsU8(base), AsU8(target), index, options).Run();
}

}  // namespace till::delta
