#include "delta/chunks/chunk_assembler.h"

#include <algorithm>
#include <numeric>

namespace till::delta {

uint64_t ChunkAssembler::ArenaBytesFor(const ChunkIndex& index) {
  const uint64_t count = index.chunks.size();
  const uint64_t longest = Chunker(index.average_log2).max_bytes();
  const uint64_t reading = ChunkIndex::kHeaderBytes + count * (ChunkIndex::kMaxEntryBytes + sizeof(ChunkEntry));
  return std::max(reading, count * (sizeof(ChunkEntry) + 2 * sizeof(uint32_t)) + 3 * longest);
}

Result<std::unique_ptr<ChunkAssembler>> ChunkAssembler::Create(const AssemblerOptions& options) {
  const uint64_t arena = ArenaBytesFor(*options.index);
  if (arena > options.max_arena_bytes) return Error{ErrorCode::kLimit, "the chunks need more memory", arena};
  return std::unique_ptr<ChunkAssembler>(new ChunkAssembler(options));
}

ChunkAssembler::ChunkAssembler(const AssemblerOptions& options)
    : options_(options),
      chunks_(options.index->chunks),
      held_at_(chunks_.size(), kMissing),
      by_name_(chunks_.size()),
      chunk_(Chunker(options.index->average_log2).max_bytes()) {
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [&](uint32_t a, uint32_t b) {
    return chunks_[a].name != chunks_[b].name ? chunks_[a].name < chunks_[b].name : a < b;
  });
}

Result<uint64_t> ChunkAssembler::SkipWritten(Source& written, uint64_t durable_bytes) {
  while (next_ < chunks_.size() && next_offset_ + chunks_[next_].length <= durable_bytes) {
    const ChunkEntry& entry = chunks_[next_];
    const MutableByteView part = MutableByteView(chunk_).first(entry.length);
    TILL_TRY(ReadFully(written, next_offset_, part));
    if (NameOf(part) != entry.name) break;
    hash_.Update(part);
    in_hand_ = next_;
    next_offset_ += entry.length;
    ++next_;
  }
  return next_offset_;
}

Status ChunkAssembler::Scan() {
  if (options_.base != nullptr) {
    const uint64_t bytes = std::min<uint64_t>({options_.base_bytes, options_.base->size(), kWritten});
    ChunkReader reader(*options_.base, bytes, options_.index->average_log2);
    for (ByteView chunk = TILL_TRY(reader.Next()); !chunk.empty(); chunk = TILL_TRY(reader.Next())) {
      Mark(NameOf(chunk), static_cast<uint32_t>(chunk.size()), reader.offset());
    }
  }
  MergeNear();
  MarkRepeats();
  in_hand_ = kNone;
  return Ok();
}

// A chunk may stand several times in the image: all of them are marked at once, so a second sight of it ends early.
void ChunkAssembler::Mark(const ChunkName& name, uint32_t length, uint64_t base_offset) {
  const auto before = [&](uint32_t number, const ChunkName& wanted) { return chunks_[number].name < wanted; };
  auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name, before);
  for (; at != by_name_.end() && chunks_[*at].name == name; ++at) {
    if (chunks_[*at].length != length || !missing(*at)) return;
    held_at_[*at] = static_cast<uint32_t>(base_offset);
  }
}

// From the first chunk on, also after a cut: the same base gives the same plan, and what was fetched is known again.
void ChunkAssembler::MergeNear() {
  size_t gap_start = chunks_.size();  // first held chunk behind the last missing one
  uint64_t gap_bytes = 0;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    if (!missing(i)) {
      gap_bytes += chunks_[i].length;
      continue;
    }
    if (gap_start < i && gap_bytes < options_.merge_gap_bytes) {
      std::fill(held_at_.begin() + static_cast<ptrdiff_t>(gap_start), held_at_.begin() + static_cast<ptrdiff_t>(i),
                kMissing);
    }
    gap_start = i + 1;
    gap_bytes = 0;
  }
}

// Of equal chunks only the first is fetched. Also from the first chunk on, and for the same reason.
void ChunkAssembler::MarkRepeats() {
  uint64_t offset = 0;
  for (size_t i = 0; i < chunks_.size(); offset += chunks_[i++].length) {
    if (options_.written != nullptr) {
      MarkLaterOf(i, offset);
    } else if (i + 1 < chunks_.size() && missing(i + 1) && Same(i, i + 1)) {
      held_at_[i + 1] = kWritten + static_cast<uint32_t>(offset);
    }
  }
}

void ChunkAssembler::MarkLaterOf(size_t first, uint64_t offset) {
  const auto before = [&](uint32_t number, const ChunkName& wanted) { return chunks_[number].name < wanted; };
  auto at = std::lower_bound(by_name_.begin(), by_name_.end(), chunks_[first].name, before);
  if (*at != first) return;
  for (++at; at != by_name_.end() && Same(*at, first); ++at) {
    if (missing(*at)) held_at_[*at] = kWritten + static_cast<uint32_t>(offset);
  }
}

uint64_t ChunkAssembler::missing_bytes() const {
  uint64_t bytes = 0;
  for (size_t i = next_; i < chunks_.size(); ++i) bytes += missing(i) ? chunks_[i].length : 0;
  return bytes;
}

uint64_t ChunkAssembler::fetched_bytes() const {
  uint64_t bytes = collected_;
  for (size_t i = 0; i < next_; ++i) bytes += missing(i) ? chunks_[i].length : 0;
  return bytes;
}

size_t ChunkAssembler::range_count() const {
  size_t count = 0;
  for (size_t i = next_; i < chunks_.size(); ++i) count += missing(i) && (i == next_ || !missing(i - 1)) ? 1 : 0;
  return count;
}

Status ChunkAssembler::Emit(ByteView chunk) {
  TILL_TRY(options_.target->Write(chunk));
  hash_.Update(chunk);
  next_offset_ += chunk.size();
  in_hand_ = next_++;
  return Ok();
}

// The next chunk from where it is held; false when it no longer is. What was written may not be readable yet (a page of
// flash that is not full): that costs a chunk, too, not the installation.
Result<bool> ChunkAssembler::ReadHeld(MutableByteView out) {
  const uint32_t at = held_at_[next_];
  if (at >= kWritten) {
    if (in_hand_ != kNone && Same(in_hand_, next_)) return true;
    in_hand_ = kNone;
    if (options_.written == nullptr || !ReadFully(*options_.written, at - kWritten, out).ok()) return false;
  } else {
    in_hand_ = kNone;
    TILL_TRY(ReadFully(*options_.base, at, out));
  }
  return NameOf(out) == chunks_[next_].name;
}

Result<bool> ChunkAssembler::WriteHeld(uint64_t max_bytes) {
  for (const uint64_t start = next_offset_; next_ < chunks_.size() && !missing(next_);) {
    if (next_offset_ != start && next_offset_ - start >= max_bytes) return true;
    const MutableByteView part = MutableByteView(chunk_).first(chunks_[next_].length);
    if (TILL_TRY(ReadHeld(part))) {
      TILL_TRY(Emit(part));
    } else {
      held_at_[next_] = kMissing;
    }
  }
  return false;
}

Result<std::optional<PackRange>> ChunkAssembler::NextRange() {
  if (collected_ == 0) TILL_TRY(WriteHeld(options_.index->target_bytes));
  if (next_ == chunks_.size()) return std::optional<PackRange>();
  PackRange range{next_offset_ + collected_, 0};
  for (size_t i = next_; i < chunks_.size() && missing(i); ++i) range.length += chunks_[i].length;
  range.length -= collected_;
  return std::optional<PackRange>(range);
}

Status ChunkAssembler::Write(ByteView bytes) {
  while (!bytes.empty()) {
    if (next_ == chunks_.size() || !missing(next_))
      return Error{ErrorCode::kCorrupt, "more bytes than the range has", next_offset_};
    const ChunkEntry& entry = chunks_[next_];
    const size_t part = std::min<size_t>(bytes.size(), entry.length - collected_);
    in_hand_ = kNone;
    std::ranges::copy(bytes.first(part), chunk_.begin() + static_cast<ptrdiff_t>(collected_));
    bytes = bytes.subspan(part);
    collected_ += part;
    if (collected_ < entry.length) return Ok();
    const ByteView whole = ByteView(chunk_).first(entry.length);
    collected_ = 0;
    if (NameOf(whole) != entry.name)
      return Error{ErrorCode::kCorrupt, "a chunk is not what the index names", next_offset_};
    TILL_TRY(Emit(whole));
  }
  return Ok();
}

Status ChunkAssembler::Finish() {
  if (next_ != chunks_.size()) return Error{ErrorCode::kCorrupt, "the image is not whole", next_offset_};
  if (hash_.Finish() != options_.index->target_sha256)
    return Error{ErrorCode::kCorrupt, "the image is not the one the index names", next_offset_};
  return Ok();
}

}  // namespace till::delta
