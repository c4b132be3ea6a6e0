#include "delta/diff/aligner.h"

#include <algorithm>
#include <optional>
#include <set>

#include "delta/diff/block_recodes.h"
#include "delta/diff/locality.h"
#include "delta/diff/matcher.h"
#include "delta/diff/similar_blocks.h"
#include "delta/diff/twins.h"

namespace till::delta {
namespace {

constexpr uint64_t kWholeBytes = 64 << 20;   // up to here a content is searched whole
constexpr uint64_t kWindowBytes = 16 << 20;  // beyond, piece by piece of the target, in three times as much of the base
// Leftovers shorter than this in one block are not worth opening another block of the base for.
constexpr uint64_t kLeftoverBytes = kWorthOpeningBytes;
constexpr uint64_t kShortLeftoverBytes = 32;

class AlignmentSearch {
 public:
  explicit AlignmentSearch(const AlignerInput& in)
      : base_(*in.base),
        target_(*in.target),
        changed_(*in.changed),
        base_recode_(*in.base_recode),
        cache_blocks_(in.cache_blocks),
        options_(*in.options) {}

  Result<std::vector<Alignment>> Run() {
    TILL_TRY(AlignFiles());
    TILL_TRY(AlignGaps());
    std::erase_if(found_, [&](const Alignment& a) { return a.base.in_block() && !CanOpen(a.base.block()); });
    SortAndTrim();
    TILL_TRY(Localize());
    SortAndTrim();
    return std::move(found_);
  }

 private:
  bool CanOpen(uint32_t block) const { return base_recode_[block] != BlockRecodes::kNone; }

  // The parts of a target file that lie in changed blocks and that no file before claimed.
  Content ChangedPartsOf(const ContainedFile& file) {
    Content content;
    for (const Extent& extent : file.extents) {
      if (extent.kind != Extent::Kind::kBlock || !changed_[extent.block]) continue;
      const ByteView plain = target_.DecodedPlain(extent.block);
      if (extent.offset > plain.size() || extent.length > plain.size() - extent.offset) continue;
      const Address address = Address::InBlock(extent.block, extent.offset);
      if (!claimed_.insert(address).second) continue;
      content.Append(plain.subspan(extent.offset, extent.length), address);
    }
    return content;
  }

  Status AlignFiles() {
    const std::vector<int64_t> twins = FindTwins(base_.files(), target_.files());
    uint64_t total_bytes = 0;
    for (const ContainedFile& file : target_.files()) total_bytes += file.size;
    uint64_t done_bytes = 0;
    for (size_t i = 0; i < twins.size(); ++i) {
      if (options_.progress && !options_.progress({"match", done_bytes, total_bytes})) {
        return Error{ErrorCode::kCanceled, "stopped on request"};
      }
      done_bytes += target_.files()[i].size;
      if (twins[i] == kNoTwin) continue;
      const Content target = ChangedPartsOf(target_.files()[i]);
      if (target.size() == 0) continue;
      TILL_TRY(Match(Content::OfFile(base_, base_.files()[static_cast<size_t>(twins[i])]), target));
    }
    return Ok();
  }

  static Content GapsOf(const ExpandedImage& image) {
    Content content;
    uint64_t at = 0;
    for (const CodedBlock& block : image.blocks()) {
      content.Append(image.image().subspan(at, block.offset - at), Address::Raw(at));
      at = block.offset + block.coded_bytes;
    }
    content.Append(image.image().subspan(at), Address::Raw(at));
    return content;
  }

  Status AlignGaps() { return Match(GapsOf(base_), GapsOf(target_)); }

  Status Match(const Content& base, const Content& target) {
    if (std::ranges::equal(base.bytes(), target.bytes())) {
      AppendAlignments(base, 0, target, 0, target.size(), found_);
      return Ok();
    }
    if (base.size() <= kWholeBytes) return MatchWindow(base, target, {0, base.size()}, {0, target.size()});
    for (uint64_t at = 0; at < target.size(); at += kWindowBytes) {
      const uint64_t middle = at * base.size() / target.size();
      const uint64_t begin = middle > kWindowBytes ? middle - kWindowBytes : 0;
      TILL_TRY(MatchWindow(base, target, {begin, std::min(base.size() - begin, 3 * kWindowBytes)},
                           {at, std::min(target.size() - at, kWindowBytes)}));
    }
    return Ok();
  }

  struct Window {
    uint64_t begin;
    uint64_t length;
  };
  Status MatchWindow(const Content& base, const Content& target, Window from, Window to) {
    DiffOptions quiet = options_;
    quiet.progress = nullptr;
    const std::vector<delta::Match> matches = TILL_TRY(
        FindMatches(base.bytes().subspan(from.begin, from.length), target.bytes().subspan(to.begin, to.length), quiet));
    for (const delta::Match& match : matches) {
      AppendAlignments(base, from.begin + match.base_offset, target, to.begin + match.target_offset, match.length,
                       found_);
    }
    return Ok();
  }

  void SortAndTrim() { SortAndTrim(found_); }

  static void SortAndTrim(std::vector<Alignment>& found) {
    std::stable_sort(found.begin(), found.end(),
                     [](const Alignment& a, const Alignment& b) { return a.target < b.target; });
    std::vector<Alignment> kept;
    for (Alignment& next : found) {
      if (!kept.empty() && kept.back().target + kept.back().length > next.target) {
        const uint64_t overlap = (kept.back().target + kept.back().length).value - next.target.value;
        if (overlap >= next.length) continue;
        next.target = next.target + overlap;
        next.base = next.base + overlap;
        next.length -= overlap;
      }
      kept.push_back(next);
    }
    found = std::move(kept);
  }

  Content LeftoversOf(uint32_t block, const std::vector<Alignment>& alignments) const {
    Content content;
    const ByteView plain = target_.DecodedPlain(block);
    Address at = Address::InBlock(block, 0);
    const auto add_until = [&](Address end) {
      const uint64_t length = end.value - at.value;
      if (length >= kShortLeftoverBytes) content.Append(plain.subspan(at.offset(), length), at);
    };
    for (const Alignment& alignment : alignments) {
      add_until(alignment.target);
      at = alignment.target + alignment.length;
    }
    add_until(Address::InBlock(block, plain.size()));
    return content;
  }

  // Block by block in the target's order, as an applier will read: keeps the alignments into few blocks of the base
  // and looks in those few for what the others gave.
  Status Localize() {
    std::vector<Alignment> local;
    OpenedBlocks opened(cache_blocks_);
    for (size_t i = 0; i < found_.size() && !found_[i].target.in_block(); ++i) local.push_back(found_[i]);
    for (uint32_t block = 0; block < changed_.size(); ++block) {
      if (!changed_[block]) continue;
      TILL_TRY(LocalizeBlock(block, opened, local));
    }
    found_ = std::move(local);
    return Ok();
  }

  Status LocalizeBlock(uint32_t block, OpenedBlocks& opened, std::vector<Alignment>& local) {
    const auto by_target = [](const Alignment& a, Address at) { return a.target < at; };
    const auto begin = std::lower_bound(found_.begin(), found_.end(), Address::InBlock(block, 0), by_target);
    const auto end = std::lower_bound(begin, found_.end(), Address::InBlock(block + 1, 0), by_target);
    std::vector<Alignment> alignments(begin, end);
    const std::set<uint32_t> sources = ChooseSources(base_, target_, alignments, opened, cache_blocks_);
    std::erase_if(alignments,
                  [&](const Alignment& a) { return a.base.in_block() && !sources.contains(a.base.block()); });
    TILL_TRY(Refill(block, {sources.begin(), sources.end()}, alignments));
    if (sources.size() < cache_blocks_) TILL_TRY(RefillFromSimilar(block, sources, alignments));
    for (const Alignment& alignment : alignments) {
      if (alignment.base.in_block()) opened.Use(alignment.base.block());
    }
    local.insert(local.end(), alignments.begin(), alignments.end());
    return Ok();
  }

  // Aligns what `alignments` leave of the block with these blocks of the base.
  Status Refill(uint32_t block, const std::vector<uint32_t>& sources, std::vector<Alignment>& alignments) {
    const Content leftovers = LeftoversOf(block, alignments);
    Content base;
    for (const uint32_t source : sources) base.Append(base_.Plain(source), Address::InBlock(source, 0));
    if (leftovers.size() == 0 || base.size() == 0) return Ok();
    std::vector<Alignment> all;
    std::swap(all, found_);
    const Status matched = Match(base, leftovers);
    std::swap(all, found_);
    TILL_TRY(matched);
    alignments.insert(alignments.end(), all.begin(), all.end());
    SortAndTrim(alignments);
    return Ok();
  }

  Status RefillFromSimilar(uint32_t block, const std::set<uint32_t>& sources, std::vector<Alignment>& alignments) {
    const Content leftovers = LeftoversOf(block, alignments);
    if (leftovers.size() < kLeftoverBytes) return Ok();
    if (!similar_) {
      std::vector<uint32_t> all(base_.blocks().size());
      for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
      base_.DecodeBlocks(all, options_.threads);
      similar_.emplace(base_);
    }
    for (const uint32_t candidate : similar_->Of(leftovers.bytes(), 1)) {
      if (sources.contains(candidate) || !CanOpen(candidate)) continue;
      std::vector<Alignment> more = alignments;
      TILL_TRY(Refill(block, {candidate}, more));
      uint64_t gained = 0;
      for (const Alignment& a : more) gained += a.base.in_block() && a.base.block() == candidate ? a.length : 0;
      if (gained >= kWorthOpeningBytes) alignments = std::move(more);
    }
    return Ok();
  }

  ExpandedImage& base_;
  ExpandedImage& target_;
  const std::vector<bool>& changed_;
  const std::vector<uint8_t>& base_recode_;
  const unsigned cache_blocks_;
  const DiffOptions& options_;
  std::set<Address> claimed_;
  std::vector<Alignment> found_;
  std::optional<SimilarBlocks> similar_;
};

}  // namespace

Result<std::vector<Alignment>> FindAlignments(const AlignerInput& input) { return AlignmentSearch(input).Run(); }

}  // namespace till::delta
