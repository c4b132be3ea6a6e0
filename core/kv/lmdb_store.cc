#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <thread>

#include "core/file.h"
#include "core/kv/kv.h"

namespace till::kv {
namespace {

constexpr size_t kMaxKeyBytes = 500;
constexpr size_t kMaxValueBytes = 1 << 20;
// Every View() of every thread holds one slot of 64 bytes while it runs.
constexpr unsigned kMaxReaders = 1024;

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using Environment = std::unique_ptr<MDB_env, FreeWith<mdb_env_close>>;
using Transaction = std::unique_ptr<MDB_txn, FreeWith<mdb_txn_abort>>;
using Cursor = std::unique_ptr<MDB_cursor, FreeWith<mdb_cursor_close>>;

// LMDB answers errno values (positive) and codes of its own (negative, kept as their absolute value in detail).
Error StoreError(const char* what, int answer) {
  switch (answer) {
    case MDB_MAP_FULL:
      return Error{ErrorCode::kLimit, "the store is full", ENOSPC};  // what to do is the same as with a full disk
    case MDB_READERS_FULL:
      return Error{ErrorCode::kLimit, "too many readers of the store at once", kMaxReaders};
    case MDB_TXN_FULL:
      return Error{ErrorCode::kLimit, "too many changes in one transaction"};
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return Error{ErrorCode::kCorrupt, "the store's file is damaged or not ours"};
    default:
      break;
  }
  if (answer > 0) return SystemError(what, answer);
  return Error{ErrorCode::kIo, what, static_cast<uint64_t>(-answer)};
}

// Commits and frees it in any case. LMDB calls a write that the disk took a part of EIO.
Status Commit(MDB_env* environment, Transaction transaction, const char* what) {
  int answer = mdb_txn_commit(transaction.release());
  if (answer == 0) return Ok();
  constexpr uint64_t kAsGoodAsFullBytes = 64 << 10;
  mdb_filehandle_t fd = -1;
  struct statvfs disk {};
  if (answer == EIO && mdb_env_get_fd(environment, &fd) == 0 && fstatvfs(fd, &disk) == 0 &&
      uint64_t{disk.f_bavail} * disk.f_frsize < kAsGoodAsFullBytes) {
    answer = ENOSPC;
  }
  return StoreError(what, answer);
}

MDB_val ToVal(std::string_view text) { return MDB_val{text.size(), const_cast<char*>(text.data())}; }
std::string_view ToText(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

// The first key after all that start with `prefix`; "" when there is none.
std::string AfterPrefix(std::string_view prefix) {
  std::string after(prefix);
  while (!after.empty() && static_cast<unsigned char>(after.back()) == 0xff) after.pop_back();
  if (!after.empty()) after.back() = static_cast<char>(after.back() + 1);
  return after;
}

class LmdbTxn : public WriteTxn {
 public:
  LmdbTxn(MDB_txn* txn, MDB_dbi dbi) : txn_(txn), dbi_(dbi) {}

  Result<std::optional<std::string_view>> Get(std::string_view key) override {
    // Longer or empty keys are in no store, and LMDB would call them an error.
    if (key.empty() || key.size() > kMaxKeyBytes) return std::optional<std::string_view>();
    MDB_val key_val = ToVal(key);
    MDB_val value;
    const int answer = mdb_get(txn_, dbi_, &key_val, &value);
    if (answer == MDB_NOTFOUND) return std::optional<std::string_view>();
    if (answer != 0) return StoreError("cannot read the store", answer);
    return std::optional<std::string_view>(ToText(value));
  }

  Status Scan(std::string_view prefix, std::string_view from,
              const std::function<bool(std::string_view, std::string_view)>& visit) override {
    const std::string_view first = std::max(prefix, from);
    const Cursor cursor = TILL_TRY(OpenCursor());
    MDB_val key = ToVal(first);
    MDB_val value;
    int answer = mdb_cursor_get(cursor.get(), &key, &value, first.empty() ? MDB_FIRST : MDB_SET_RANGE);
    while (answer == 0 && ToText(key).starts_with(prefix)) {
      if (!visit(ToText(key), ToText(value))) return Ok();
      answer = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT);
    }
    if (answer != 0 && answer != MDB_NOTFOUND) return StoreError("cannot read the store", answer);
    return Ok();
  }

  Status ScanBack(std::string_view prefix,
                  const std::function<bool(std::string_view, std::string_view)>& visit) override {
    const Cursor cursor = TILL_TRY(OpenCursor());
    const std::string after = AfterPrefix(prefix);
    MDB_val key = ToVal(after);
    MDB_val value;
    int answer = after.empty() ? MDB_NOTFOUND : mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
    if (answer != 0 && answer != MDB_NOTFOUND) return StoreError("cannot read the store", answer);
    answer = mdb_cursor_get(cursor.get(), &key, &value, answer == 0 ? MDB_PREV : MDB_LAST);
    while (answer == 0 && ToText(key).starts_with(prefix)) {
      if (!visit(ToText(key), ToText(value))) return Ok();
      answer = mdb_cursor_get(cursor.get(), &key, &value, MDB_PREV);
    }
    if (answer != 0 && answer != MDB_NOTFOUND) return StoreError("cannot read the store", answer);
    return Ok();
  }

  Status Put(std::string_view key, std::string_view value) override {
    if (key.empty()) return Error{ErrorCode::kInvalid, "an empty key"};
    if (key.size() > kMaxKeyBytes) return Error{ErrorCode::kLimit, "key too long for the store", kMaxKeyBytes};
    if (value.size() > kMaxValueBytes) return Error{ErrorCode::kLimit, "value too long for the store", kMaxValueBytes};
    MDB_val key_val = ToVal(key);
    MDB_val value_val = ToVal(value);
    return Remember(mdb_put(txn_, dbi_, &key_val, &value_val, 0));
  }

  Status Delete(std::string_view key) override {
    if (key.empty() || key.size() > kMaxKeyBytes) return Ok();
    MDB_val key_val = ToVal(key);
    const int answer = mdb_del(txn_, dbi_, &key_val, nullptr);
    return answer == MDB_NOTFOUND ? Ok() : Remember(answer);
  }

  // The first write that failed: LMDB refuses to commit after it, and this says why.
  const Status& broken() const { return broken_; }

 private:
  Result<Cursor> OpenCursor() {
    MDB_cursor* cursor = nullptr;
    const int answer = mdb_cursor_open(txn_, dbi_, &cursor);
    if (answer != 0) return StoreError("cannot read the store", answer);
    return Cursor(cursor);
  }

  Status Remember(int answer) {
    if (answer == 0) return Ok();
    const Status failed = StoreError("cannot write the store", answer);
    if (broken_.ok()) broken_ = failed;
    return failed;
  }

  MDB_txn* txn_;
  MDB_dbi dbi_;
  Status broken_;
};

class LmdbStore : public Store {
 public:
  LmdbStore(UniqueFd lock, Environment environment, MDB_dbi dbi)
      : lock_(std::move(lock)), environment_(std::move(environment)), dbi_(dbi) {}

  Status View(const std::function<Status(ReadTxn&)>& read) override {
    MDB_txn* raw = nullptr;
    const int answer = mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &raw);
    if (answer != 0) return StoreError("cannot read the store", answer);
    const Transaction transaction(raw);
    LmdbTxn txn(raw, dbi_);
    return read(txn);
  }

  Status Update(const std::function<Status(WriteTxn&)>& write) override {
    assert(writer_.load() != std::this_thread::get_id());
    MDB_txn* raw = nullptr;
    const int answer = mdb_txn_begin(environment_.get(), nullptr, 0, &raw);
    if (answer != 0) return StoreError("cannot write the store", answer);
    Transaction transaction(raw);
    writer_ = std::this_thread::get_id();
    LmdbTxn txn(raw, dbi_);
    Status written = write(txn);
    writer_ = std::thread::id();  // before the commit: there the next writer may start
    if (written.ok()) written = txn.broken();
    if (!written.ok()) return written;
    return Commit(environment_.get(), std::move(transaction), "cannot make the change durable");
  }

  Status Backup(const std::string& folder) override {
    const std::string path = folder + "/data.mdb";
    if (FileExists(path)) return Error{ErrorCode::kConflict, "there is a store in the folder already"};
    const UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR | O_CREAT | O_EXCL, 0600));
    if (const int answer = mdb_env_copyfd2(environment_.get(), fd.get(), 0); answer != 0) {
      unlink(path.c_str());
      return StoreError("cannot copy the store", answer);
    }
    if (fsync(fd.get()) != 0) return SystemError("cannot make the copy durable");
    return SyncFolder(folder);
  }

 private:
  UniqueFd lock_;  // closed last
  Environment environment_;
  MDB_dbi dbi_;
  std::atomic<std::thread::id> writer_;
};

// LMDB believes the first page of its file, page size included (CVE-2019-16228 divides by a zero there), so its fixed
// fields are looked at first. Layout: 16 bytes of page header (flags at 10), magic, version, address, map size, then
// the first database, whose pad field is the page size.
Status CheckFirstPage(const std::string& path) {
  Result<FileSource> source = FileSource::Open(path);
  if (!source.ok() && source.error().code == ErrorCode::kNotFound) return Ok();
  if (!source.ok()) return source.error();
  if (source->size() == 0) return Ok();
  constexpr uint32_t kMagic = 0xBEEFC0DE;
  constexpr uint16_t kMetaPage = 0x08;
  std::array<std::byte, 44> head;
  uint16_t flags = 0;
  uint32_t magic = 0;
  uint32_t page_bytes = 0;
  const Status read = ReadFully(*source, 0, head);
  std::memcpy(&flags, head.data() + 10, sizeof flags);
  std::memcpy(&magic, head.data() + 16, sizeof magic);
  std::memcpy(&page_bytes, head.data() + 40, sizeof page_bytes);
  const bool page_is_sane = std::has_single_bit(page_bytes) && page_bytes >= 512 && page_bytes <= 32768;
  if (!read.ok() || flags != kMetaPage || magic != kMagic || !page_is_sane ||
      source->size() < uint64_t{2} * page_bytes) {
    return Error{ErrorCode::kCorrupt, "the store's file is damaged or not ours"};
  }
  return Ok();
}

// A file cut short would kill the process (SIGBUS) at the first touch of what is missing.
Status CheckWholeFileIsThere(MDB_env* environment, const std::string& path) {
  MDB_envinfo info;
  MDB_stat stat;
  int answer = mdb_env_info(environment, &info);
  if (answer == 0) answer = mdb_env_stat(environment, &stat);
  if (answer != 0) return StoreError("cannot open the store", answer);
  const uint64_t needed = (static_cast<uint64_t>(info.me_last_pgno) + 1) * stat.ms_psize;
  const FileSource source = TILL_TRY(FileSource::Open(path));
  if (source.size() < needed && info.me_last_txnid > 0) {
    return Error{ErrorCode::kCorrupt, "the store's file has been cut short", source.size()};
  }
  return Ok();
}

// One process, one time: LMDB's own locks break when a process opens a file twice, and silently.
Result<UniqueFd> LockFolder(const std::string& folder) {
  UniqueFd fd = TILL_TRY(OpenFile(folder + "/owner.lock", O_RDWR | O_CREAT, 0600));
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{ErrorCode::kConflict, "the store is open already"};
    if (errno != EINTR) return SystemError("cannot lock the store");
  }
  return fd;
}

// LMDB makes its table of readers as a file of holes and writes to it through a map: on a full disk the first touch of
// a page of it would kill the process (SIGBUS). So its blocks are asked for first, and of any older one too. LMDB takes
// a file that is longer than it needs as it is.
Status ReserveReaders(const std::string& path) {
  constexpr off_t kReaderBytes = 64;
  constexpr off_t kHeadBytes = 4096;  // more than LMDB's head of the table on any platform
  const UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR | O_CREAT, 0600));
  int answer = EINTR;
  while (answer == EINTR) answer = posix_fallocate(fd.get(), 0, kHeadBytes + kReaderBytes * off_t{kMaxReaders});
  if (answer != 0) return SystemError("no room for the store's table of readers", answer);
  return Ok();
}

// A data file that a full disk cut short before it held anything would be taken for a damaged store ever after.
class NewDataFile {
 public:
  explicit NewDataFile(const std::string& path) : path_(path) {
    struct stat info {};
    is_new_ = stat(path.c_str(), &info) != 0 || info.st_size == 0;
  }
  ~NewDataFile() {
    if (is_new_) unlink(path_.c_str());
  }
  NewDataFile(const NewDataFile&) = delete;
  NewDataFile& operator=(const NewDataFile&) = delete;
  void Keep() { is_new_ = false; }

 private:
  const std::string& path_;
  bool is_new_ = false;
};

Result<MDB_dbi> OpenMainDatabase(MDB_env* environment) {
  MDB_txn* raw = nullptr;
  MDB_dbi dbi = 0;
  int answer = mdb_txn_begin(environment, nullptr, 0, &raw);
  if (answer != 0) return StoreError("cannot open the store", answer);
  Transaction transaction(raw);
  answer = mdb_dbi_open(raw, nullptr, 0, &dbi);
  if (answer != 0) return StoreError("cannot open the store", answer);
  TILL_TRY(Commit(environment, std::move(transaction), "cannot open the store"));
  return dbi;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const std::string& folder, const Options& options) {
  const std::string path = folder + "/data.mdb";
  UniqueFd lock;
  if (options.beside_owner) {
    if (!FileExists(path)) return Error{ErrorCode::kNotFound, "no store is there"};
  } else {
    TILL_TRY(MakeFolders(folder));
    if (chmod(folder.c_str(), 0700) != 0) return SystemError("cannot close the store's folder to others");
    lock = TILL_TRY(LockFolder(folder));
  }
  TILL_TRY(CheckFirstPage(path));
  TILL_TRY(ReserveReaders(folder + "/lock.mdb"));
  NewDataFile new_file(path);

  MDB_env* raw = nullptr;
  int answer = mdb_env_create(&raw);
  if (answer != 0) return StoreError("cannot open the store", answer);
  Environment environment(raw);
  const uint64_t page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  answer = mdb_env_set_mapsize(raw, (options.map_bytes + page_bytes - 1) / page_bytes * page_bytes);
  if (answer == 0) answer = mdb_env_set_maxreaders(raw, kMaxReaders);
  // NOTLS: a read transaction belongs to its object, so that View() may nest and a pool's threads cost no slots.
  const unsigned flags = MDB_NOTLS | (options.durable ? 0U : static_cast<unsigned>(MDB_NOSYNC));
  if (answer == 0) answer = mdb_env_open(raw, folder.c_str(), flags, 0600);
  if (answer != 0) return StoreError("cannot open the store", answer);
  TILL_TRY(CheckWholeFileIsThere(raw, path));
  int cleared = 0;
  answer = mdb_reader_check(raw, &cleared);  // slots of processes that died would keep old pages for ever
  if (answer != 0) return StoreError("cannot open the store", answer);
  const MDB_dbi dbi = TILL_TRY(OpenMainDatabase(raw));
  if (options.durable) TILL_TRY(SyncFolder(folder));
  new_file.Keep();
  return std::unique_ptr<Store>(std::make_unique<LmdbStore>(std::move(lock), std::move(environment), dbi));
}

}  // namespace till::kv
