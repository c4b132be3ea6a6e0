#include "cdn-edge/filler.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"

namespace till::edge {
namespace {

constexpr unsigned kSpansOfOneObject = 2;

// One line per second and fault: an origin that lies about every chunk must not fill our log.
void ComplainAtMostEachSecond(std::atomic<int64_t>& last_ms, const Fault& fault, const CacheObject& object,
                              const Error* error) {
  const int64_t now_ms = SystemClock().MonotonicMs();
  int64_t last = last_ms;
  if (now_ms - last < 1000 || !last_ms.compare_exchange_strong(last, now_ms)) return;
  Complain(fault, ToHex(object.identity().name), error);
}

std::atomic<int64_t> g_told_wrong_bytes{-1'000'000};
std::atomic<int64_t> g_told_disk_full{-1'000'000};
std::atomic<int64_t> g_told_cap_full{-1'000'000};
std::atomic<int64_t> g_told_bad_bytes{-1'000'000};

}  // namespace

bool ReadIntact(CacheObject& object, const Span& unit, Bytes& bytes) {
  bytes.resize(unit.length);
  const auto got = ReadSomeAt(object.fd(), unit.offset, bytes);
  return got.ok() && *got == bytes.size() && object.Matches(unit.first_unit, bytes);
}

// Cuts what the origin sends into units and settles each as it becomes whole.
class Filler::Receiver {
 public:
  Receiver(Filler& filler, const Object& object, const Span& span)
      : filler_(filler), object_(object), unit_(object->UnitSpan(span.first_unit)) {
    buffer_.reserve(unit_.length);
  }

  Status Take(ByteView bytes) {
    while (!bytes.empty()) {
      if (filler_.link_.canceled()) return Error{ErrorCode::kCanceled, "stopping"};
      const size_t count = std::min<size_t>(bytes.size(), unit_.length - buffer_.size());
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
      bytes = bytes.subspan(count);
      if (buffer_.size() < unit_.length) continue;
      TILL_TRY(Settle());
      // Past the span's end nothing more comes: the courier asked for no more.
      if (unit_.first_unit + 1 < object_->unit_count()) unit_ = object_->UnitSpan(unit_.first_unit + 1);
      buffer_.clear();
      buffer_.reserve(unit_.length);
    }
    return Ok();
  }

 private:
  Status Settle() {
    const uint32_t unit = unit_.first_unit;
    bool right = object_->Matches(unit, buffer_);
    if (right && unit == 0 && !object_->identity().plain()) right = object_->SetList(buffer_).ok();
    if (!right) {
      ++filler_.counters_.chunks_refused;
      ComplainAtMostEachSecond(g_told_wrong_bytes, kWrongBytes, *object_, nullptr);
      object_->CountBadFetch(unit);
      return Ok();  // the units after it may be right
    }
    return filler_.Store(object_, unit_, buffer_);
  }

  Filler& filler_;
  const Object& object_;
  Span unit_;
  Bytes buffer_;
};

Filler::Filler(OriginLink& link, Catalog& catalog, Counters& counters, Options options)
    : link_(link), catalog_(catalog), counters_(counters), options_(options) {
  checkers_ = std::make_unique<http::WorkerPool>(options_.checkers, 4096);
  for (unsigned i = 0; i < options_.fetchers; ++i) fetchers_.emplace_back([this] { RunFetcher(); });
}

void Filler::Stop() {
  std::unique_ptr<http::WorkerPool> checkers;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    checkers = std::move(checkers_);
    queue_.clear();
  }
  changed_.notify_all();
  for (std::thread& fetcher : fetchers_) fetcher.join();
  fetchers_.clear();
}

void Filler::Schedule(const Object& object) {
  if (object->wants_check()) {
    const std::lock_guard lock(mutex_);
    // Refused only when thousands of checks wait; the waiter's deadline then speaks.
    if (checkers_) checkers_->Post([this, object] { CheckStored(object); });
  }
  if (object->wants_storing()) {
    const std::lock_guard lock(mutex_);
    if (checkers_) checkers_->Post([this, object] { StoreKept(object); });
  }
  if (object->wants_fetch()) Enqueue(object);
}

void Filler::Enqueue(const Object& object) {
  {
    const std::lock_guard lock(mutex_);
    Turn& turn = turns_[object.get()];
    const unsigned most = object->identity().plain() ? 1 : kSpansOfOneObject;
    if (stopping_ || turn.queued || turn.active >= most) return;
    turn.queued = true;
    queue_.push_back(object);
  }
  changed_.notify_one();
}

Filler::Object Filler::NextObject() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping_) return nullptr;
    const int64_t backoff_ms = link_.BackoffMs();
    if (!queue_.empty() && backoff_ms == 0) break;
    if (queue_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_for(lock, std::chrono::milliseconds(backoff_ms));
    }
  }
  Object object = std::move(queue_.front());
  queue_.pop_front();
  Turn& turn = turns_[object.get()];
  turn.queued = false;
  ++turn.active;
  return object;
}

void Filler::EndTurn(const Object& object, bool again) {
  {
    const std::lock_guard lock(mutex_);
    Turn& turn = turns_[object.get()];
    --turn.active;
    if (again && !turn.queued && !stopping_) {
      turn.queued = true;
      queue_.push_back(object);
    }
    if (turn.active == 0 && !turn.queued) turns_.erase(object.get());
  }
  changed_.notify_one();
}

void Filler::RunFetcher() {
  Courier courier(link_);
  while (const Object object = NextObject()) {
    const bool again = FetchSpan(courier, object);
    EndTurn(object, again || object->wants_fetch());
  }
}

// One turn. True when the object is to stand in the queue again.
bool Filler::FetchSpan(Courier& courier, const Object& object) {
  const auto span = object->ClaimMissing(link_.ignores_ranges ? UINT64_MAX : options_.span_bytes);
  if (!span) return false;
  if (object->wants_fetch()) Enqueue(object);  // another client wants another place: a second span may go beside this
  const Identity& identity = object->identity();
  Receiver receiver(*this, object, *span);
  const Status fetched = courier.FetchObject(identity.name, identity.size, span->offset, span->length,
                                             [&](ByteView bytes) { return receiver.Take(bytes); });
  object->Release(*span);
  // With its record in the index an object outlives kill -9, whatever was written of it since (Catalog::Load).
  if (object->dirty_bytes() >= options_.persist_batch_bytes || object->complete() || !catalog_.Indexed(*object)) {
    if (const Status persisted = catalog_.Persist(*object); !persisted.ok()) {
      ComplainAtMostEachSecond(g_told_disk_full, kDiskFull, *object, &persisted.error());
    }
  }
  if (!fetched.ok()) {
    const ErrorCode code = fetched.error().code;
    if (code == ErrorCode::kCanceled) return false;
    if (code == ErrorCode::kNotFound) object->Fail(Trouble::kAbsent);
    if (code == ErrorCode::kCorrupt) object->Fail(Trouble::kWrongBytes);
    if (code == ErrorCode::kLimit)
      identity.plain() ? GiveUpPlain(object, Trouble::kNoRoom) : object->Fail(Trouble::kWrongBytes);
  }
  if (identity.plain()) FinishPlain(object);
  return true;  // ClaimMissing says next time whether there is anything left to do
}

Status Filler::Store(const Object& object, const Span& unit, ByteView bytes) {
  const bool has_file = object->fd() >= 0;  // a full disk gave it none
  const bool under_cap = has_file && catalog_.Reserve(*object, unit.length);
  Status stored = has_file ? Error{ErrorCode::kLimit, "no room under the cap", catalog_.max_bytes()}
                           : SystemError("the object has no file", ENOSPC);
  if (under_cap) {
    stored = WriteAllAt(object->fd(), unit.offset, bytes);
    if (!stored.ok()) catalog_.Unreserve(*object, unit.length);
  }
  if (stored.ok()) {
    ++counters_.chunks_stored;
    if (object->identity().plain()) object->HashPlain(unit.first_unit, bytes);
    object->Stored(unit.first_unit, bytes);
    return Ok();
  }
  ++counters_.stores_failed;
  const bool cap = has_file && !under_cap;
  ComplainAtMostEachSecond(cap ? g_told_cap_full : g_told_disk_full, cap ? kCapFull : kDiskFull, *object,
                           &stored.error());
  if (object->identity().plain()) return Error{ErrorCode::kLimit, "no room for a plain object", unit.length};
  object->KeepInMemory(unit.first_unit, bytes);
  return Ok();
}

// Without this, what once found the disk full would be served from memory for as long as it is asked for.
void Filler::StoreKept(const Object& object) {
  while (const auto kept = object->ClaimKept()) {
    const Span unit = object->UnitSpan(kept->unit);
    const bool room = catalog_.Reserve(*object, unit.length);
    const bool written = room && WriteAllAt(object->fd(), unit.offset, kept->bytes).ok();
    const bool counts = object->SettleKept(kept->unit, written);
    if (room && !(written && counts)) catalog_.Unreserve(*object, unit.length);
    if (!written) return;
    if (counts) ++counters_.chunks_stored;
  }
}

void Filler::FinishPlain(const Object& object) {
  const uint32_t count = object->unit_count();
  for (uint32_t unit = 0; unit < count; ++unit) {
    if (!object->OnDisk(unit)) return;
  }
  if (object->complete()) return;
  if (!object->PlainMatches()) {
    ++counters_.chunks_refused;
    ComplainAtMostEachSecond(g_told_wrong_bytes, kWrongBytes, *object, nullptr);
    return GiveUpPlain(object, Trouble::kWrongBytes);
  }
  if (const Status adopted = catalog_.Adopt(*object); !adopted.ok()) {
    ComplainAtMostEachSecond(g_told_disk_full, kDiskFull, *object, &adopted.error());
    GiveUpPlain(object, Trouble::kNoRoom);
  }
}

void Filler::GiveUpPlain(const Object& object, Trouble trouble) {
  catalog_.Forget(object->identity().name);
  object->Fail(trouble);
}

// --- What is on disk ---

void Filler::CheckStored(const Object& object) {
  Bytes bytes;
  while (const auto span = object->ClaimUnchecked(options_.span_bytes)) {
    if (object->identity().plain() && object->wants_whole_check()) {
      if (!CheckPlain(object, *span)) return;
      continue;
    }
    for (uint32_t i = 0; i < span->unit_count; ++i) {
      const Span unit = object->UnitSpan(span->first_unit + i);
      if (ReadIntact(*object, unit, bytes)) {
        object->Checked(unit.first_unit, bytes);
      } else {
        DropRotten(object, unit);
      }
    }
  }
  if (object->wants_fetch()) Enqueue(object);
}

void Filler::DropRotten(const Object& object, const Span& unit) {
  const CacheObject::Dropped dropped = object->Drop(unit.first_unit);
  if (dropped == CacheObject::Dropped::kNothing) return;
  catalog_.Unreserve(*object, unit.length);
  if (dropped == CacheObject::Dropped::kFound) return;  // half written when an earlier process ended: no rot
  ++counters_.chunks_found_bad;
  ComplainAtMostEachSecond(g_told_bad_bytes, kStoredBytesBad, *object, nullptr);
}

// All of it, once in each process; on the way the hashes are taken by which its units are checked from then on.
bool Filler::CheckPlain(const Object& object, const Span& span) {
  Bytes bytes;
  for (uint32_t unit = 0; unit < span.unit_count; ++unit) {
    if (!ReadIntact(*object, object->UnitSpan(unit), bytes)) break;
    object->HashPlain(unit, bytes);
  }
  if (object->PlainMatches()) {
    object->Release(span);
    return true;
  }
  ++counters_.chunks_found_bad;
  ComplainAtMostEachSecond(g_told_bad_bytes, kStoredBytesBad, *object, nullptr);
  GiveUpPlain(object, Trouble::kRotten);  // nothing of it can be told right from wrong: it is fetched anew
  return false;
}

}  // namespace till::edge
