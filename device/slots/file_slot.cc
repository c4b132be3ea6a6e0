#include "device/slots/file_slot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace till::device {
namespace {

constexpr uint64_t kEraseBytes = 64 * 1024;  // one NOR erase block: a superblock or FIT header lies within

class FileSlot final : public Slot {
 public:
  FileSlot(UniqueFd fd, uint64_t size_bytes) : fd_(std::move(fd)), size_bytes_(size_bytes) {}

  uint64_t size() const override { return size_bytes_; }

  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= size_bytes_) return size_t{0};
    return ReadSomeAt(fd_.get(), offset, out.first(std::min<uint64_t>(out.size(), size_bytes_ - offset)));
  }

  Status BeginAt(uint64_t offset_bytes, uint64_t image_bytes) override {
    if (std::max(offset_bytes, image_bytes) > size_bytes_) {
      return Error{ErrorCode::kLimit, "past the end of the slot", size_bytes_};
    }
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

  uint64_t durable_end() const override { return at_; }

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

Result<uint64_t> EndOfDevice(int fd) {
  const off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0) return SystemError("cannot find the slot's size");
  return static_cast<uint64_t>(end);
}

Result<std::unique_ptr<Slot>> MakeFileSlot(UniqueFd fd) {
  const uint64_t size_bytes = TILL_TRY(EndOfDevice(fd.get()));
  return std::unique_ptr<Slot>(std::make_unique<FileSlot>(std::move(fd), size_bytes));
}

}  // namespace till::device
