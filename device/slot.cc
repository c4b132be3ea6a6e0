#include "device/slot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/file.h"

namespace till::device {
namespace {

constexpr uint64_t kEraseBytes = 64 * 1024;  // one NOR erase block: a superblock or FIT header lies within

// Device nodes have no size in stat(): seek tells it for both kinds.
Result<uint64_t> EndOf(int fd) {
  const off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0) return SystemError("cannot find the slot's size");
  return static_cast<uint64_t>(end);
}

class FileSlot final : public Slot {
 public:
  FileSlot(UniqueFd fd, uint64_t size_bytes) : fd_(std::move(fd)), size_bytes_(size_bytes) {}

  uint64_t size() const override { return size_bytes_; }

  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= size_bytes_) return size_t{0};
    return ReadSomeAt(fd_.get(), offset, out.first(std::min<uint64_t>(out.size(), size_bytes_ - offset)));
  }

  Status BeginAt(uint64_t offset_bytes) override {
    if (offset_bytes > size_bytes_) return Error{ErrorCode::kLimit, "past the end of the slot", size_bytes_};
    at_ = offset_bytes;
    return Ok();
  }

  Status Write(ByteView bytes) override {
    if (bytes.size() > size_bytes_ - at_) return Error{ErrorCode::kLimit, "past the end of the slot", size_bytes_};
    TILL_TRY(WriteAllAt(fd_.get(), at_, bytes));
    at_ += bytes.size();
    return Ok();
  }

  Status Sync() override {
    if (fdatasync(fd_.get()) != 0) return SystemError("cannot make the slot durable");
    // Reading back must ask the storage, not the cache.
    posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
    return Ok();
  }

  Status Erase() override {
    const std::vector<std::byte> blank(std::min(kEraseBytes, size_bytes_), std::byte{0xff});
    TILL_TRY(WriteAllAt(fd_.get(), 0, blank));
    return Sync();
  }

 private:
  UniqueFd fd_;
  uint64_t size_bytes_;
  uint64_t at_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> OpenSlotForReading(const std::string& path) {
  UniqueFd fd = TILL_TRY(OpenFile(path, O_RDONLY));
  const uint64_t size_bytes = TILL_TRY(EndOf(fd.get()));
  return std::unique_ptr<Source>(std::make_unique<FileSource>(std::move(fd), size_bytes));
}

Result<std::unique_ptr<Slot>> OpenSpareSlot(const std::string& path, const std::string& running) {
  struct stat running_stat, spare_stat;
  if (stat(running.c_str(), &running_stat) != 0) return SystemError("cannot find the running slot");
  UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR));
  if (fstat(fd.get(), &spare_stat) != 0) return SystemError("cannot look at the spare slot");
  const bool same_device =
      S_ISBLK(spare_stat.st_mode) && S_ISBLK(running_stat.st_mode) && spare_stat.st_rdev == running_stat.st_rdev;
  if (same_device || (spare_stat.st_dev == running_stat.st_dev && spare_stat.st_ino == running_stat.st_ino)) {
    return Error{ErrorCode::kRefused, "this is the running slot"};
  }
  const uint64_t size_bytes = TILL_TRY(EndOf(fd.get()));
  return std::unique_ptr<Slot>(std::make_unique<FileSlot>(std::move(fd), size_bytes));
}

}  // namespace till::device
