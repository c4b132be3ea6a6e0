#include "cdn-edge/object.h"

#include <algorithm>
#include <tuple>

namespace till::edge {

CacheObject::CacheObject(Identity identity, UniqueFd file, HotMemory& memory, Clock& clock)
    : identity_(identity), file_(std::move(file)), memory_(memory), clock_(clock) {
  const uint64_t count = identity_.plain() ? (identity_.size + kPlainUnitBytes - 1) / kPlainUnitBytes : 1;
  units_.assign(count, UnitState::kMissing);
  found_.assign(count, false);
  windows_.resize(1 + (identity_.size - identity_.list_length + Window::kBytes - 1) / Window::kBytes);
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
  return state == UnitState::kOnDisk || state == UnitState::kChecking || state == UnitState::kReady;
}

bool CacheObject::OnDisk(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  return unit < units_.size() && IsOnDisk(units_[unit]);
}

// The list has the first window to itself; chunk sizes are powers of two up to a window's, so none lies in two.
CacheObject::Place CacheObject::PlaceOf(uint64_t offset) const {
  if (offset < identity_.list_length) return {0, offset, identity_.list_length};
  const uint64_t of_body = offset - identity_.list_length;
  const uint64_t begin = of_body / Window::kBytes * Window::kBytes;
  const uint64_t length = std::min(Window::kBytes, identity_.size - identity_.list_length - begin);
  return {static_cast<uint32_t>(1 + begin / Window::kBytes), of_body - begin, length};
}

bool CacheObject::Sendable(uint32_t unit) const {
  if (units_[unit] != UnitState::kReady && units_[unit] != UnitState::kInMemory) return false;
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
    const Place place = PlaceOf(offset);
    const uint64_t most = std::min(max_bytes, place.window_length - place.offset);
    uint32_t last = *first;
    uint64_t end = SpanOf(last).offset + SpanOf(last).length;
    while (end - offset < most && last + 1 < units_.size() && Sendable(last + 1)) end += SpanOf(++last).length;
    run.kind = Run::Kind::kMemory;
    run.window = windows_[place.window];
    run.bytes = run.window->View(place.offset, std::min(most, end - offset));
    run.to_store = !kept_.empty();
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
  if (run.kind == Run::Kind::kMemory) windows_[PlaceOf(offset).window]->used = true;
  if (run.kind == Run::Kind::kMissing && waiter != nullptr) {
    waiters_.emplace(offset, Waiting{next_sequence_++, std::move(*waiter)});
  }
  return run;
}

bool CacheObject::HoldsAll(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  const uint64_t end = offset + length;
  while (offset < end) {
    const std::optional<uint32_t> unit = UnitAt(offset);
    const bool held = unit && (IsOnDisk(units_[*unit]) || units_[*unit] == UnitState::kInMemory);
    if (!held || (identity_.plain() && !sealed_ && *unit + 1 == units_.size())) return false;
    offset = SpanOf(*unit).offset + SpanOf(*unit).length;
  }
  return true;
}

bool CacheObject::IsReady(uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const std::optional<uint32_t> unit = UnitAt(offset);
  return unit && Sendable(*unit);
}

bool CacheObject::vouched() {
  const std::lock_guard lock(mutex_);
  return !identity_.plain() || sealed_;
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

std::optional<CacheObject::Demand> CacheObject::OldestDemand(UnitState state, int64_t now_ms) const {
  const Waiting* oldest = nullptr;
  Demand demand;
  for (const auto& [offset, kept] : waiters_) {
    // What lies past an unknown list, or behind a plain object's unchecked hash, wants what must come before it.
    const uint32_t unit = UnitAt(offset).value_or(0);
    if (units_[unit] != state || (state == UnitState::kMissing && !Fetchable(unit, now_ms))) continue;
    if (oldest != nullptr &&
        std::tie(oldest->waiter.since_ms, oldest->sequence) <= std::tie(kept.waiter.since_ms, kept.sequence)) {
      continue;
    }
    oldest = &kept;
    demand = {unit, offset + kept.waiter.wants - std::min(offset, SpanOf(unit).offset)};
  }
  if (oldest == nullptr) return std::nullopt;
  return demand;
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
  if (from == UnitState::kMissing) ++writes_;  // or so it may end
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
    if (const auto demand = OldestDemand(UnitState::kMissing, now_ms)) first = demand->unit;
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
  const auto demand = OldestDemand(UnitState::kOnDisk, 0);
  if (!demand) return std::nullopt;
  if (!WantsWholeCheck()) return Claim(demand->unit, std::min(max_bytes, demand->bytes), UnitState::kOnDisk, 0);
  if (units_[0] != UnitState::kOnDisk) return std::nullopt;
  return Claim(0, UINT64_MAX, UnitState::kOnDisk, 0);
}

bool CacheObject::wants_fetch() {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  if (trouble_ != Trouble::kNone && now_ms < trouble_until_ms_) return false;
  return OldestDemand(UnitState::kMissing, now_ms).has_value();
}

bool CacheObject::wants_check() {
  const std::lock_guard lock(mutex_);
  return OldestDemand(UnitState::kOnDisk, 0).has_value();
}

bool CacheObject::WantsWholeCheck() const {
  return identity_.plain() && sealed_ && plain_hashes_.size() < units_.size();
}

bool CacheObject::wants_whole_check() {
  const std::lock_guard lock(mutex_);
  return WantsWholeCheck();
}

bool CacheObject::Matches(uint32_t unit, ByteView bytes) {
  if (identity_.plain()) {
    const crypto::Sha256Digest digest = crypto::Sha256Of(bytes);
    const std::lock_guard lock(mutex_);
    return unit >= plain_hashes_.size() || plain_hashes_[unit] == digest;
  }
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
  found_.resize(units_.size(), false);
  ApplyBitmap();
  return Ok();
}

bool CacheObject::list_known() {
  const std::lock_guard lock(mutex_);
  return list_ != nullptr;
}

// Puts the unit's bytes into its window and says so. Where there is no memory for them nothing can be sent.
void CacheObject::Keep(uint32_t unit, ByteView bytes, UnitState state, UnitState without_memory) {
  Place place;
  std::shared_ptr<Window> window;
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    place = PlaceOf(SpanOf(unit).offset);
    window = windows_[place.window];  // held: LetGo() leaves it alone
    is_new = !window;
    if (is_new) window = windows_[place.window] = Window::Make(memory_, place.window_length);
    if (window) window->used = true;  // until those who wait for it had their turn
  }
  if (window) window->Write(place.offset, bytes);
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const Span span = SpanOf(unit);
    units_[unit] = window ? state : without_memory;
    if (units_[unit] == UnitState::kInMemory) {
      kept_.insert(unit);
      pass_through_until_ms_ = clock_.MonotonicMs() + kPassThroughMs;
    }
    found_[unit] = false;
    bad_.erase(unit);
    wakes = TakeWaiters(span.offset, span.offset + span.length);
  }
  if (window) {
    window.reset();
    memory_.Admit(weak_from_this(), place.window, is_new);
  } else {
    Fail(Trouble::kNoRoom);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::Stored(uint32_t unit, ByteView bytes) {
  Keep(unit, bytes, UnitState::kReady, UnitState::kOnDisk);
  const std::lock_guard lock(mutex_);
  dirty_bytes_ += bytes.size();
}

void CacheObject::Checked(uint32_t unit, ByteView bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (units_[unit] != UnitState::kChecking) return;
  }
  Keep(unit, bytes, UnitState::kReady, UnitState::kOnDisk);
}

void CacheObject::KeepInMemory(uint32_t unit, ByteView bytes) {
  Keep(unit, bytes, UnitState::kInMemory, UnitState::kMissing);
}

void CacheObject::Confirm(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  if (!found_[unit] || !IsOnDisk(units_[unit])) return;
  found_[unit] = false;
  dirty_bytes_ += SpanOf(unit).length;
}

bool CacheObject::LetGo(uint32_t window) {
  std::shared_ptr<Window> gone;  // freed without the lock
  const std::lock_guard lock(mutex_);
  if (!windows_[window]) return true;
  if (windows_[window]->used || windows_[window].use_count() > 1) {
    windows_[window]->used = false;
    return false;
  }
  gone = std::move(windows_[window]);
  const uint64_t begin = window == 0 ? 0 : identity_.list_length + uint64_t{window - 1} * Window::kBytes;
  for (std::optional<uint32_t> unit = UnitAt(begin); unit && *unit < units_.size(); ++*unit) {
    if (PlaceOf(SpanOf(*unit).offset).window != window) break;
    if (units_[*unit] == UnitState::kReady) units_[*unit] = UnitState::kOnDisk;
    if (units_[*unit] == UnitState::kInMemory) units_[*unit] = UnitState::kMissing;
    kept_.erase(*unit);
  }
  return true;
}

bool CacheObject::wants_storing() {
  const std::lock_guard lock(mutex_);
  return !kept_.empty() && !storing_kept_ && file_.get() >= 0 && clock_.MonotonicMs() >= pass_through_until_ms_;
}

std::optional<CacheObject::Kept> CacheObject::ClaimKept() {
  const std::lock_guard lock(mutex_);
  if (kept_.empty() || storing_kept_ || file_.get() < 0 || clock_.MonotonicMs() < pass_through_until_ms_) return {};
  storing_kept_ = true;
  ++writes_;
  const uint32_t unit = *kept_.begin();
  const Place place = PlaceOf(SpanOf(unit).offset);
  const std::shared_ptr<const Window> window = windows_[place.window];
  return Kept{unit, window, window->View(place.offset, SpanOf(unit).length)};
}

bool CacheObject::SettleKept(uint32_t unit, bool written) {
  const std::lock_guard lock(mutex_);
  storing_kept_ = false;
  if (!written) pass_through_until_ms_ = clock_.MonotonicMs() + kPassThroughMs;
  if (!written || units_[unit] != UnitState::kInMemory) return !written;
  units_[unit] = UnitState::kReady;
  dirty_bytes_ += SpanOf(unit).length;
  kept_.erase(unit);
  return true;
}

void CacheObject::Release(const Span& span) {
  const std::lock_guard lock(mutex_);
  for (uint32_t unit = span.first_unit; unit < span.first_unit + span.unit_count; ++unit) {
    if (units_[unit] == UnitState::kFetching) units_[unit] = UnitState::kMissing;
    if (units_[unit] == UnitState::kChecking) units_[unit] = UnitState::kOnDisk;
  }
}

CacheObject::Dropped CacheObject::Drop(uint32_t unit) {
  const std::lock_guard lock(mutex_);
  if (!IsOnDisk(units_[unit])) return Dropped::kNothing;
  const bool ready = units_[unit] == UnitState::kReady;
  units_[unit] = ready ? UnitState::kInMemory : UnitState::kMissing;
  if (ready) kept_.insert(unit);
  dirty_bytes_ += SpanOf(unit).length;
  const bool found = found_[unit];
  found_[unit] = false;
  return found ? Dropped::kFound : Dropped::kPromised;
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
    trouble_until_ms_ = clock_.MonotonicMs() + (trouble == Trouble::kWrongBytes ? kRestAfterBadMs : kRestAfterAbsentMs);
    wakes = TakeWaiters(0, UINT64_MAX);
  }
  for (const auto& wake : wakes) wake();
}

void CacheObject::HashPlain(uint32_t unit, ByteView bytes) {
  const crypto::Sha256Digest digest = crypto::Sha256Of(bytes);
  const std::lock_guard lock(mutex_);
  if (unit != plain_hashes_.size()) return;  // fetched once more, and it matched what it was
  plain_hash_.Update(bytes);
  plain_hashes_.push_back(digest);
}

bool CacheObject::PlainMatches() {
  const std::lock_guard lock(mutex_);
  return plain_hashes_.size() == units_.size() && plain_hash_.Finish() == identity_.name;
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
  return std::ranges::all_of(units_, IsOnDisk) && std::ranges::find(found_, true) == found_.end();
}

bool CacheObject::complete() {
  const std::lock_guard lock(mutex_);
  return CompleteLocked();
}

// --- For the index ---

void CacheObject::ApplyBitmap() {
  for (size_t unit = 0; unit < units_.size() && unit / 8 < restored_.size(); ++unit) {
    const bool set = (std::to_integer<unsigned>(restored_[unit / 8]) >> (unit % 8) & 1) != 0;
    if (set && units_[unit] == UnitState::kMissing) units_[unit] = UnitState::kOnDisk;
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

void CacheObject::FindWritten(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  for (std::optional<uint32_t> unit = UnitAt(offset); unit && *unit < units_.size(); ++*unit) {
    const Span span = SpanOf(*unit);
    if (span.offset + span.length > offset + length) return;
    if (span.offset < offset || units_[*unit] != UnitState::kMissing) continue;
    units_[*unit] = UnitState::kOnDisk;
    found_[*unit] = true;
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
    if (!IsOnDisk(units_[unit]) || found_[unit]) continue;
    state.bitmap[unit / 8] |= std::byte{1} << (unit % 8);
  }
  return state;
}

bool CacheObject::being_written() {
  const std::lock_guard lock(mutex_);
  return storing_kept_ || std::ranges::find(units_, UnitState::kFetching) != units_.end();
}

uint64_t CacheObject::writes() {
  const std::lock_guard lock(mutex_);
  return writes_;
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
