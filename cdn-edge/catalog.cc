#include "cdn-edge/catalog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "core/log.h"

namespace till::edge {
namespace {

constexpr int64_t kPersistEveryMs = 2'000;  // a slow fill loses at most this at a power cut, a fast one Filler's batch
constexpr int64_t kKeepCountersEveryMs = 10'000;
constexpr int64_t kLetGoAfterS = 600;  // an object not asked for this long leaves memory (not the disk)

// Out of something that comes back, or a disk that failed once.
bool IsPassing(const Error& error) {
  return error.code == ErrorCode::kIo &&
         (error.detail == EMFILE || error.detail == ENFILE || error.detail == ENOMEM || error.detail == EIO);
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::Open(const DataFolder& folder, Options options, Counters& counters,
                                               Clock& clock) {
  ObjectIndex index = TILL_TRY(ObjectIndex::Open(folder.index()));
  std::unique_ptr<Catalog> catalog(new Catalog(folder, options, counters, clock, std::move(index)));
  std::vector<IndexRecord> records = TILL_TRY(catalog->index_.All());
  std::ranges::stable_sort(records, {}, &IndexRecord::used_unix_s);
  for (const IndexRecord& record : records) {
    if (!FileExists(folder.ObjectPath(record.identity.name))) {
      TILL_TRY(catalog->index_.Delete(record.identity.name));
      continue;
    }
    catalog->used_bytes_ += record.stored_bytes;
    Entry& entry = catalog->entries_[record.identity.name];
    entry.record = record;
    entry.indexed = true;
    entry.use_order = catalog->next_use_++;
  }
  catalog->counted_since_unix_s_ = TILL_TRY(catalog->index_.LoadCounters(counters)).value_or(clock.UnixMs() / 1000);
  TILL_TRY(catalog->Sweep());
  while (catalog->used_bytes_ > options.max_bytes && catalog->EvictOne({})) {
  }
  return catalog;
}

Status Catalog::Sweep() {
  std::error_code ignored;
  for (const auto& item : std::filesystem::directory_iterator(folder_.spool(), ignored)) {
    std::filesystem::remove(item.path(), ignored);
  }
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder_.objects(), ignored)) {
    if (!item.is_regular_file(ignored)) continue;
    const auto name = crypto::ParseSha256(item.path().filename().string());
    if (!name.ok() || !entries_.contains(*name)) std::filesystem::remove(item.path(), ignored);
  }
  return Ok();
}

void Catalog::Touch(Entry& entry) {
  const int64_t minute = clock_.UnixMs() / 60'000 * 60;
  if (entry.record.used_unix_s != minute) entry.used_changed = true;
  entry.record.used_unix_s = minute;
  entry.use_order = next_use_++;
}

Catalog::Object Catalog::FindLive(const crypto::Sha256Digest& name) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end() || !found->second.live) return nullptr;
  Touch(found->second);
  return found->second.live;
}

Result<Catalog::Object> Catalog::Find(const crypto::Sha256Digest& name, Use use) {
  std::unique_lock loading(load_mutex_);
  IndexRecord record;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return Error{ErrorCode::kNotFound, "no such object"};
    if (use == Use::kClient) Touch(found->second);
    if (found->second.live) return found->second.live;
    record = found->second.record;
  }
  auto loaded = Load(record);
  if (!loaded.ok()) {
    const ErrorCode code = loaded.error().code;
    if (code != ErrorCode::kNotFound && code != ErrorCode::kCorrupt) return NotNow(record.identity, loaded.error());
    log::Warn("a stored object cannot be read; forgotten", {{"object", ToHex(name)}, {"error", loaded.error()}});
    loading.unlock();
    Forget(name);
    return Error{ErrorCode::kNotFound, "no such object"};
  }
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return Error{ErrorCode::kNotFound, "no such object"};
  Entry& entry = found->second;
  entry.live = *loaded;
  if (entry.live->list_known() || record.identity.plain()) {  // the truth, now that the units are known
    const uint64_t stored = entry.live->stored_bytes();
    used_bytes_ = used_bytes_ - entry.record.stored_bytes + stored;
    entry.record.stored_bytes = stored;
  }
  return entry.live;
}

Result<UniqueFd> Catalog::OpenObjectFile(const Identity& identity, bool create) {
  const std::string path =
      create && identity.plain() ? folder_.SpoolPath(identity.name) : folder_.ObjectPath(identity.name);
  if (create) {
    TILL_TRY(MakeFolders(path.substr(0, path.rfind('/'))));
    unlink(path.c_str());
  }
  UniqueFd file = TILL_TRY(OpenFile(path, create ? O_RDWR | O_CREAT | O_EXCL : O_RDWR));
  if (create && ftruncate(file.get(), static_cast<off_t>(identity.size)) != 0) {
    const Error error = SystemError("cannot give the object's file its size");
    unlink(path.c_str());
    return error;
  }
  if (TILL_TRY(FileSize(file.get())) != identity.size) {
    return Error{ErrorCode::kCorrupt, "the object's file has another size", identity.size};
  }
  return file;
}

// What stands in the way says nothing about the object: it is neither absent nor wrong.
Error Catalog::NotNow(const Identity& identity, const Error& error) {
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms - told_not_now_ms_.exchange(now_ms) >= 1000) Complain(kNotNow, ToHex(identity.name), &error);
  return {ErrorCode::kUnavailable, error.what, error.detail};
}

// Which units were written may be more than the index came to hear of: bytes outlive kill -9 in the page cache, and the
// file system knows where a sparse file has some.
void Catalog::FindWritten(CacheObject& object) {
  const auto size = static_cast<off_t>(object.identity().size);
  off_t begin = 0;
  while (begin < size && (begin = lseek(object.fd(), begin, SEEK_DATA)) >= 0) {
    const off_t end = lseek(object.fd(), begin, SEEK_HOLE);
    if (end <= begin) return;
    object.FindWritten(static_cast<uint64_t>(begin), static_cast<uint64_t>(end - begin));
    begin = end;
  }
}

Result<Catalog::Object> Catalog::Load(const IndexRecord& record) {
  UniqueFd file = TILL_TRY(OpenObjectFile(record.identity, false));
  auto object = std::make_shared<CacheObject>(record.identity, std::move(file), memory_, clock_);
  Bytes bitmap = TILL_TRY(index_.Bitmap(record.identity.name));
  const bool list_stored = !bitmap.empty() && (bitmap[0] & std::byte{1}) != std::byte{0};
  object->Restore(std::move(bitmap));
  if (record.identity.plain() || !list_stored) return object;
  Bytes encoded(record.identity.list_length);
  const auto got = ReadSomeAt(object->fd(), 0, encoded);
  if (!got.ok() && got.error().detail != EIO) return got.error();  // a bad sector is rot: written anew elsewhere
  if (got.ok() && *got == encoded.size() && object->Matches(0, encoded) && object->SetList(encoded).ok()) {
    FindWritten(*object);
  } else {
    ++counters_.chunks_found_bad;  // the list is fetched again, and then tells what the bitmap means
    Complain(kStoredBytesBad, ToHex(record.identity.name), nullptr);
  }
  return object;
}

Result<Catalog::Object> Catalog::Create(const Identity& identity) {
  const std::lock_guard loading(load_mutex_);
  if (Object live = FindLive(identity.name)) return live;
  auto file = OpenObjectFile(identity, true);
  if (!file.ok()) {
    if (IsPassing(file.error())) return NotNow(identity, file.error());
    // The disk is full or not to be written. A signed object passes through from memory, a plain one cannot.
    Complain(kDiskFull, ToHex(identity.name), &file.error());
    if (identity.plain()) return file.error();
    file = UniqueFd();
  }
  auto object = std::make_shared<CacheObject>(identity, std::move(*file), memory_, clock_);
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[identity.name];
  used_bytes_ -= entry.record.stored_bytes;
  entry = Entry{};
  entry.record.identity = identity;
  entry.record.stored_unix_s = clock_.UnixMs() / 1000;
  entry.live = object;
  Touch(entry);
  return object;
}

bool Catalog::Reserve(const CacheObject& object, uint64_t bytes) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(object.identity().name);
      if (found == entries_.end() || found->second.live.get() != &object || object.fd() < 0) return false;
      if (bytes <= options_.max_bytes && used_bytes_ <= options_.max_bytes - bytes) {
        used_bytes_ += bytes;
        found->second.record.stored_bytes += bytes;
        return true;
      }
      // More than the whole store holds: evicting everybody else would not help.
      if (found->second.record.stored_bytes + bytes > options_.max_bytes) return false;
    }
    if (!EvictOne(object.identity().name)) return false;
  }
}

void Catalog::Unreserve(const CacheObject& object, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(object.identity().name);
  if (found == entries_.end() || found->second.live.get() != &object) return;
  bytes = std::min(bytes, found->second.record.stored_bytes);
  used_bytes_ -= bytes;
  found->second.record.stored_bytes -= bytes;
}

bool Catalog::EvictOne(const crypto::Sha256Digest& spared) {
  const std::lock_guard loading(load_mutex_);
  crypto::Sha256Digest name{};
  {
    const std::lock_guard lock(mutex_);
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->first == spared || it->second.live.use_count() > 1) continue;  // in use
      if (oldest == entries_.end() || it->second.use_order < oldest->second.use_order) oldest = it;
    }
    if (oldest == entries_.end()) return false;
    name = oldest->first;
    used_bytes_ -= oldest->second.record.stored_bytes;
    entries_.erase(oldest);
  }
  Remove(name);
  ++counters_.objects_evicted;
  return true;
}

void Catalog::Forget(const crypto::Sha256Digest& name) {
  const std::lock_guard loading(load_mutex_);
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    used_bytes_ -= found->second.record.stored_bytes;
    entries_.erase(found);
  }
  Remove(name);
}

void Catalog::Remove(const crypto::Sha256Digest& name) {
  // The index first: a file without a record is swept at the next start, a record without a file would be a promise.
  if (const Status deleted = index_.Delete(name); !deleted.ok()) {
    log::Warn("cannot delete from the index", {{"object", ToHex(name)}, {"error", deleted.error()}});
  }
  unlink(folder_.ObjectPath(name).c_str());
  unlink(folder_.SpoolPath(name).c_str());
}

Status Catalog::Persist(CacheObject& object) {
  const std::lock_guard persisting(object.persist_mutex());
  const CacheObject::State state = object.Snapshot();  // before the sync: only what was written by then is in it
  if (object.fd() < 0 || (object.identity().plain() && !state.complete)) return Ok();
  if (fdatasync(object.fd()) != 0) return SystemError("cannot sync an object");
  IndexRecord record;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(object.identity().name);
    if (found == entries_.end() || found->second.live.get() != &object) return Ok();  // evicted meanwhile
    found->second.record.complete = state.complete;
    found->second.indexed = true;
    found->second.used_changed = false;
    found->second.persisted_ms = clock_.MonotonicMs();
    record = found->second.record;
  }
  return index_.Put(record, state.bitmap);
}

bool Catalog::Indexed(const CacheObject& object) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(object.identity().name);
  return object.identity().plain() || found == entries_.end() || found->second.indexed;
}

Status Catalog::Adopt(CacheObject& object) {
  const Identity& identity = object.identity();
  const std::string path = folder_.ObjectPath(identity.name);
  TILL_TRY(MakeFolders(path.substr(0, path.rfind('/'))));
  if (fdatasync(object.fd()) != 0) return SystemError("cannot sync an object");
  if (rename(folder_.SpoolPath(identity.name).c_str(), path.c_str()) != 0) return SystemError("cannot adopt an object");
  object.Seal();
  return Persist(object);
}

std::vector<Catalog::Object> Catalog::LiveObjects() {
  const std::lock_guard lock(mutex_);
  std::vector<Object> objects;
  for (const auto& [name, entry] : entries_) {
    if (entry.live) objects.push_back(entry.live);
  }
  return objects;
}

std::vector<IndexRecord> Catalog::Records() {
  const std::lock_guard lock(mutex_);
  std::vector<IndexRecord> records;
  for (const auto& [name, entry] : entries_) records.push_back(entry.record);
  std::ranges::stable_sort(records, [](const auto& a, const auto& b) { return a.used_unix_s > b.used_unix_s; });
  return records;
}

int64_t Catalog::StoredSince(const crypto::Sha256Digest& name) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  return found == entries_.end() ? 0 : found->second.record.stored_unix_s;
}

uint64_t Catalog::used_bytes() {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

size_t Catalog::object_count() {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

// --- Upkeep ---

void Catalog::Settle(bool everything) {
  SettleObjects(everything);
  for (const Object& object : LiveObjects()) WatchFile(object);
  LetGoOfIdle();
  KeepCounters(everything);
}

void Catalog::SettleObjects(bool everything) {
  for (const Object& object : LiveObjects()) {
    bool due = false;
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(object->identity().name);
      if (found == entries_.end() || found->second.live != object) continue;
      const int64_t now_ms = clock_.MonotonicMs();
      due = everything || now_ms - found->second.persisted_ms >= kPersistEveryMs;
      due = due && (object->dirty_bytes() > 0 || (everything && found->second.indexed && found->second.used_changed));
    }
    if (!due) continue;
    if (const Status persisted = Persist(*object); !persisted.ok()) {
      log::Warn("cannot write the index", {{"object", ToHex(object->identity().name)}, {"error", persisted.error()}});
    }
  }
}

void Catalog::LetGoOfIdle() {
  std::vector<crypto::Sha256Digest> unwanted;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, entry] : entries_) {
      if (entry.live.use_count() != 1) continue;
      const bool fileless = entry.live->fd() < 0;  // the next request may find room on the disk
      const bool idle = clock_.UnixMs() / 1000 - entry.record.used_unix_s > kLetGoAfterS;
      if (!idle && !fileless) continue;
      if (!entry.indexed) unwanted.push_back(name);
      if (entry.indexed && entry.live->dirty_bytes() == 0) entry.live.reset();
    }
  }
  for (const auto& name : unwanted) Forget(name);
}

void Catalog::KeepCounters(bool everything) {
  const int64_t now_ms = clock_.MonotonicMs();
  if (!everything && now_ms - counters_kept_ms_ < kKeepCountersEveryMs) return;
  counters_kept_ms_ = now_ms;
  const uint64_t requests = counters_.requests + counters_.origin_requests;
  if (!everything && requests == requests_kept_) return;
  requests_kept_ = requests;
  if (const Status kept = index_.PutCounters(counters_, counted_since_unix_s_); !kept.ok()) {
    log::Warn("cannot keep the counters", {{"error", kept.error()}});
  }
}

void Catalog::WatchFile(const Object& object) {
  FileStamp stamp;
  stamp.writes = object->writes();
  stamp.valid = !object->being_written();
  struct stat file {};
  if (object->fd() < 0 || fstat(object->fd(), &file) != 0) return;
  stamp.size = file.st_size;
  stamp.modified_s = file.st_mtim.tv_sec;
  stamp.modified_ns = file.st_mtim.tv_nsec;
  const crypto::Sha256Digest& name = object->identity().name;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.live != object) return;
    const FileStamp before = std::exchange(found->second.stamp, stamp);
    const bool ours = !before.valid || !stamp.valid || before.writes != stamp.writes;
    if (file.st_nlink > 0 && (ours || before == stamp)) return;
    if (file.st_nlink > 0) suspects_.push_back(name);
  }
  Complain(kFileChanged, ToHex(name), nullptr);
  if (file.st_nlink == 0) Forget(name);
}

std::vector<crypto::Sha256Digest> Catalog::TakeSuspects() {
  const std::lock_guard lock(mutex_);
  return std::exchange(suspects_, {});
}

}  // namespace till::edge
