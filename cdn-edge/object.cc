#include "cdn-edge/object.h"

#include <algorithm>

namespace till::edge {

CacheObject::CacheObject(Identity identity, UniqueFd file, Clock& clock)
    : identity_(identity), file_(std::move(file)), clock_(clock) {
  const uint64_t count = identity_.plain() ? (identity_.size + kPlainUnitBytes - 1) / kPlainUnitBytes : 1;
  units_.assign(count, UnitState::kMissing);
}

uint64_t CacheObject::unit_bytes() const { return list_ ? list_->chunk_bytes() : kPlainUnitBytes; }

std::optional<uint32_t> CacheObject::UnitAt(uint64_t offset) const {
  uint64_t unit = 0;
  if (identity_.plain()) {
    unit = offset / kPlainUnitBytes;
  } else if (offset >= identity_.list_length) {
    if (!list_) return std::nullopt;
    unit = 1 + (offset - identity_.list_length) / unit_bytes();
  }
  if (unit >= units_.size()) return std::nullopt;
  return static_cast<uint32_t>(unit);
}

Span CacheObject::SpanOf(uint32_t unit) const {
  if (!identity_.plain() && unit == 0) return {0, 1, 0, identity_.list_length};
  const uint64_t index = identity_.plain() ? unit : unit - 1;
  const uint64_t offset = identity_.list_length + index * unit_bytes();
  return {unit, 1, offset, std::min(unit_bytes(), identity_.size - offset)};
}

Span CacheObject::UnitSpan(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  return SpanOf(unit);
}

uint32_t CacheObject::unit_count() {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(units_.size());
}

bool CacheObject::IsOnDisk(UnitState state) {
  return state == UnitState::kUnchecked || state == UnitState::kChecking || state == UnitState::kStored;
}

bool CacheObject::OnDisk(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  return unit < units_.size() && IsOnDisk(units_[unit]);
}

bool CacheObject::Sendable(uint32_t unit) const {
  if (units_[unit] != UnitState::kStored) return false;
  return !identity_.plain() || sealed_ || unit + 1 != units_.size();
}

bool CacheObject::Fetchable(uint32_t unit, int64_t now_ms) const {
  if (units_[unit] != UnitState::kMissing) return false;
  const auto bad = bad_.find(unit);
  return bad == bad_.end() || bad->second.rests_until_ms <= now_ms;
}

// --- For streams ---

Run CacheObject::Look(uint64_t offset, uint64_t max_bytes) const {
  Run run;
  const int64_t now_ms = clock_.MonotonicMs();
  const std::optional<uint32_t> first = UnitAt(offset);
  if (first && Sendable(*first)) {
    uint32_t last = *first;
    uint64_t end = SpanOf(last).offset + SpanOf(last).length;
    while (end - offset < max_bytes && last + 1 < units_.size() && Sendable(last + 1)) end += SpanOf(++last).length;
    run.kind = Run::Kind::kFile;
    run.length = std::min(max_bytes, end - offset);
    return run;
  }
  if (const auto kept = first ? memory_.find(*first) : memory_.end(); kept != memory_.end()) {
    run.kind = Run::Kind::kMemory;
    run.memory = kept->second;
    run.memory_offset = offset - SpanOf(*first).offset;
    run.length = std::min(max_bytes, kept->second->size() - run.memory_offset);
    return run;
  }
  if (trouble_ != Trouble::kNone && now_ms < trouble_until_ms_) {
    run.kind = Run::Kind::kFailed;
    run.trouble = trouble_;
  } else if (const auto bad = bad_.find(first.value_or(0)); bad != bad_.end() && now_ms < bad->second.rests_until_ms) {
    run.kind = Run::Kind::kFailed;
    run.trouble = Trouble::kWrongBytes;
  }
  return run;
}

Run CacheObject::Take(uint64_t offset, uint64_t max_bytes, Waiter* waiter) {
  const std::lock_guard lock(mutex_);
  Run run = Look(offset, max_bytes);
  if (run.kind == Run::Kind::kMissing && waiter != nullptr) {
    waiters_.emplace(offset, Waiting{next_sequence_++, std::move(*waiter)});
  }
  return run;
}

bool CacheObject::HoldsAll(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  if (length == 0) return true;
  const Run run = Look(offset, length);
  return run.kind == Run::Kind::kFile && run.length == length;
}

CacheObject::Wakes CacheObject::TakeWaiters(uint64_t from, uint64_t to) {
  Wakes wakes;
  const auto begin = waiters_.lower_bound(from);
  const auto end = waiters_.lower_bound(to);
  for (auto it = begin; it != end; ++it) wakes.push_back(std::move(it->second.waiter.wake));
  waiters_.erase(begin, end);
  return wakes;
}

void CacheObject::WakeOverdue() {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now_ms = clock_.MonotonicMs();
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      if (it->second.waiter.deadline_ms > now_ms) {
        ++it;
        continue;
      }
      wakes.push_back(std::move(it->second.waiter.wake));
      it = waiters_.erase(it);
    }
  }
  for (const auto& wake : wakes) wake();
}

bool CacheObject::has_waiters() {
  const std::lock_guard lock(mutex_);
  return !waiters_.empty();
}

void CacheObject::ForgetWaiters() {
  std::multimap<uint64_t, Waiting> forgotten;
  const std::lock_guard lock(mutex_);
  forgotten.swap(waiters_);
}

// --- For those who fill ---

std::optional<uint32_t> CacheObject::OldestDemand(UnitState state, int64_t now_ms) const {
  std::optional<uint32_t> oldest;
  uint64_t sequence = UINT64_MAX;
  for (const auto& [offset, kept] : waiters_) {
    // What lies past an unknown list, or behind a plain object's unchecked hash, wants what must come before it.
    uint32_t unit = UnitAt(offset).value_or(0);
    if (kept.sequence >= sequence || units_[unit] != state) continue;
    if (state == UnitState::kMissing && !Fetchable(unit, now_ms)) continue;
    oldest = unit;
    sequence = kept.sequence;
  }
  return oldest;
}

std::optional<uint32_t> CacheObject::NextMissing(int64_t now_ms) const {
  const uint32_t count = static_cast<uint32_t>(units_.size());
  for (uint32_t step = 0; step < count; ++step) {
    const uint32_t unit = (cursor_ + step) % count;
    if (Fetchable(unit, now_ms)) return unit;
  }
  return std::nullopt;
}

Span CacheObject::Claim(uint32_t first, uint64_t max_bytes, UnitState from, int64_t now_ms) {
  const UnitState claimed = from == UnitState::kMissing ? UnitState::kFetching : UnitState::kChecking;
  Span span = SpanOf(first);
  units_[first] = claimed;
  // The list goes alone: only it tells where the other units lie.
  if (!identity_.plain() && first == 0) return span;
  while (first + span.unit_count < units_.size()) {
    const uint32_t next = first + span.unit_count;
    const bool fits = from == UnitState::kMissing ? Fetchable(next, now_ms) : units_[next] == from;
    if (!fits || span.length >= max_bytes) break;
    units_[next] = claimed;
    span.length += SpanOf(next).length;
    ++span.unit_count;
  }
  return span;
}

std::optional<Span> CacheObject::ClaimMissing(uint64_t max_bytes) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  if (trouble_ != Trouble::kNone && now_ms < trouble_until_ms_) return std::nullopt;
  std::optional<uint32_t> first;
  if (identity_.plain()) {  // front to back and one at a time: its hash is over the whole
    if (std::ranges::find(units_, UnitState::kFetching) != units_.end()) return std::nullopt;
    const auto missing = std::ranges::find(units_, UnitState::kMissing);
    if (missing != units_.end()) first = static_cast<uint32_t>(missing - units_.begin());
  } else {
    first = OldestDemand(UnitState::kMissing, now_ms);
    if (!first && now_ms >= pass_through_until_ms_) first = NextMissing(now_ms);
    if (now_ms < pass_through_until_ms_) max_bytes = std::min<uint64_t>(max_bytes, 8 * unit_bytes());
  }
  if (!first) return std::nullopt;
  const Span span = Claim(*first, max_bytes, UnitState::kMissing, now_ms);
  cursor_ = (span.first_unit + span.unit_count) % static_cast<uint32_t>(units_.size());
  return span;
}

std::optional<Span> CacheObject::ClaimUnchecked(uint64_t max_bytes) {
  const std::lock_guard lock(mutex_);
  std::optional<uint32_t> first = OldestDemand(UnitState::kUnchecked, 0);
  if (first && identity_.plain()) first = 0, max_bytes = UINT64_MAX;
  if (!first || units_[*first] != UnitState::kUnchecked) return std::nullopt;
  return Claim(*first, max_bytes, UnitState::kUnchecked, 0);
}

bool CacheObject::wants_fetch() {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  if (trouble_ != Trouble::kNone && now_ms < trouble_until_ms_) return false;
  return OldestDemand(UnitState::kMissing, now_ms).has_value();
}

bool CacheObject::wants_check() {
  const std::lock_guard lock(mutex_);
  return OldestDemand(UnitState::kUnchecked, 0).has_value();
}

bool CacheObject::Matches(uint32_t unit, ByteView bytes) {
  if (identity_.plain()) return true;
  if (unit == 0) return crypto::Sha256Of(bytes) == identity_.list_sha256;
  std::shared_ptr<const ChunkList> list;
  {
    const std::lock_guard lock(mutex_);
    list = list_;
  }
  return list != nullptr && list->Matches(unit - 1, bytes);
}

Status CacheObject::SetList(ByteView encoded) {
  ChunkList list = TILL_TRY(ChunkList::Decode(encoded));
  if (list.encoded_length() != identity_.list_length || list.body_length() != identity_.size - identity_.list_length) {
    return Error{ErrorCode::kCorrupt, "the chunk-hash list does not fit the signed length", list.body_length()};
  }
  const std::lock_guard lock(mutex_);
  if (list_) return Ok();
  list_ = std::make_shared<const ChunkList>(std::move(list));
  units_.resize(1 + list_->chunk_count(), UnitState::kMissing);
  ApplyBitmap();
  return Ok();
}

bool CacheObject::list_known() {
  const std::lock_guard lock(mutex_);
  return list_ != nullptr;
}

void CacheObject::Stored(uint32_t unit) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const Span span = SpanOf(unit);
    units_[unit] = UnitState::kStored;
    dirty_bytes_ += span.length;
    bad_.erase(unit);
    wakes = TakeWaiters(span.offset, span.offset + span.length);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::Checked(uint32_t unit) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    if (!IsOnDisk(units_[unit])) return;
    const Span span = SpanOf(unit);
    units_[unit] = UnitState::kStored;
    wakes = TakeWaiters(span.offset, span.offset + span.length);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::KeepInMemory(uint32_t unit, Bytes bytes) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const Span span = SpanOf(unit);
    units_[unit] = UnitState::kInMemory;
    bad_.erase(unit);
    memory_[unit] = std::make_shared<const Bytes>(std::move(bytes));
    pass_through_until_ms_ = clock_.MonotonicMs() + kPassThroughMs;
    wakes = TakeWaiters(span.offset, span.offset + span.length);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::ForgetMemory(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  if (memory_.erase(unit) != 0 && units_[unit] == UnitState::kInMemory) units_[unit] = UnitState::kMissing;
}

bool CacheObject::wants_storing() {
  const std::lock_guard lock(mutex_);
  return !memory_.empty() && !storing_kept_ && file_.get() >= 0 && clock_.MonotonicMs() >= pass_through_until_ms_;
}

std::optional<CacheObject::Kept> CacheObject::ClaimKept() {
  const std::lock_guard lock(mutex_);
  if (memory_.empty() || storing_kept_ || file_.get() < 0 || clock_.MonotonicMs() < pass_through_until_ms_) return {};
  storing_kept_ = true;
  return Kept{memory_.begin()->first, memory_.begin()->second};
}

bool CacheObject::SettleKept(uint32_t unit, bool written) {
  const std::lock_guard lock(mutex_);
  storing_kept_ = false;
  if (!written) pass_through_until_ms_ = clock_.MonotonicMs() + kPassThroughMs;
  if (!written || units_[unit] != UnitState::kInMemory) return !written;
  units_[unit] = UnitState::kStored;
  dirty_bytes_ += SpanOf(unit).length;
  memory_.erase(unit);
  return true;
}

void CacheObject::Release(const Span& span) {
  const std::lock_guard lock(mutex_);
  for (uint32_t unit = span.first_unit; unit < span.first_unit + span.unit_count; ++unit) {
    if (units_[unit] == UnitState::kFetching) units_[unit] = UnitState::kMissing;
    if (units_[unit] == UnitState::kChecking) units_[unit] = UnitState::kUnchecked;
  }
}

bool CacheObject::Drop(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  if (!IsOnDisk(units_[unit])) return false;
  units_[unit] = UnitState::kMissing;
  dirty_bytes_ += SpanOf(unit).length;
  return true;
}

void CacheObject::CountBadFetch(uint32_t unit) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    if (units_[unit] == UnitState::kFetching) units_[unit] = UnitState::kMissing;
    BadUnit& bad = bad_[unit];
    if (++bad.count < kMaxBadFetches) return;
    bad = {0, clock_.MonotonicMs() + kRestAfterBadMs};
    const Span span = SpanOf(unit);
    // Without the list nothing else can come either.
    const bool everything = !identity_.plain() && unit == 0;
    wakes = everything ? TakeWaiters(0, UINT64_MAX) : TakeWaiters(span.offset, span.offset + span.length);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::Fail(Trouble trouble) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    trouble_ = trouble;
    trouble_until_ms_ = clock_.MonotonicMs() + (trouble == Trouble::kAbsent ? kRestAfterAbsentMs : kRestAfterBadMs);
    wakes = TakeWaiters(0, UINT64_MAX);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::Seal() {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    sealed_ = true;
    dirty_bytes_ += 1;
    wakes = TakeWaiters(0, UINT64_MAX);
  }
  for (const auto& wake : wakes) wake();
}

bool CacheObject::CompleteLocked() const {
  if (identity_.plain() ? !sealed_ : !list_) return false;
  return std::ranges::all_of(units_, IsOnDisk);
}

bool CacheObject::complete() {
  const std::lock_guard lock(mutex_);
  return CompleteLocked();
}

// --- For the index ---

void CacheObject::ApplyBitmap() {
  for (size_t unit = 0; unit < units_.size() && unit / 8 < restored_.size(); ++unit) {
    const bool set = (std::to_integer<unsigned>(restored_[unit / 8]) >> (unit % 8) & 1) != 0;
    if (set && units_[unit] == UnitState::kMissing) units_[unit] = UnitState::kUnchecked;
  }
  restored_.clear();
}

void CacheObject::Restore(Bytes bitmap) {
  const std::lock_guard lock(mutex_);
  restored_ = std::move(bitmap);
  if (identity_.plain()) {
    sealed_ = true;  // only sealed plain objects are ever in the index; their units are unchecked until hashed again
    ApplyBitmap();
  }
}

CacheObject::State CacheObject::Snapshot() {
  const std::lock_guard lock(mutex_);
  State state;
  state.complete = CompleteLocked();
  dirty_bytes_ = 0;
  if (!restored_.empty()) {
    state.bitmap = restored_;
    return state;
  }
  state.bitmap.assign((units_.size() + 7) / 8, std::byte{0});
  for (uint32_t unit = 0; unit < units_.size(); ++unit) {
    if (!IsOnDisk(units_[unit])) continue;
    state.bitmap[unit / 8] |= std::byte{1} << (unit % 8);
  }
  return state;
}

uint64_t CacheObject::dirty_bytes() {
  const std::lock_guard lock(mutex_);
  return dirty_bytes_;
}

uint64_t CacheObject::stored_bytes() {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (uint32_t unit = 0; unit < units_.size(); ++unit) {
    if (IsOnDisk(units_[unit])) bytes += SpanOf(unit).length;
  }
  return bytes;
}

}  // namespace till::edge
