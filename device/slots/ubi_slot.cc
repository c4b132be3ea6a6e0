#include "device/slots/ubi_slot.h"

#include <mtd/ubi-user.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace till::device {
namespace {

class UbiSlot final : public Slot {
 public:
  UbiSlot(UniqueFd fd, uint64_t size_bytes, const UbiCalls& calls)
      : fd_(std::move(fd)), size_bytes_(size_bytes), calls_(calls) {}

  uint64_t size() const override { return size_bytes_; }

  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= size_bytes_ || out.empty()) return size_t{0};
    const size_t count = std::min<uint64_t>(out.size(), size_bytes_ - offset);
    for (;;) {
      const ssize_t got = calls_.pread(fd_.get(), out.data(), count, static_cast<off_t>(offset));
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return SystemError("cannot read the volume");
    }
  }

  bool reads_back() const override { return false; }

  Status BeginAt(uint64_t offset_bytes, uint64_t image_bytes) override {
    if (std::max(offset_bytes, image_bytes) > size_bytes_) {
      return Error{ErrorCode::kLimit, "past the end of the slot", size_bytes_};
    }
    if (offset_bytes != 0 || image_bytes == 0) {
      return Error{ErrorCode::kUnsupported, "a volume is written from its start, whole", offset_bytes};
    }
    image_bytes_ = image_bytes;
    written_ = 0;
    return StartUpdate(image_bytes);
  }

  Status Write(ByteView bytes) override {
    if (bytes.size() > image_bytes_ - written_) {
      return Error{ErrorCode::kLimit, "more than was announced", image_bytes_};
    }
    while (!bytes.empty()) {
      const ssize_t done = calls_.write(fd_.get(), bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return SystemError("cannot write the volume");
      if (done == 0) return SystemError("the volume took no byte", EIO);
      written_ += static_cast<uint64_t>(done);
      bytes = bytes.subspan(static_cast<size_t>(done));
    }
    return Ok();
  }

  Status Sync() override { return Ok(); }  // an update that took its last byte is on flash; before, nothing counts
  uint64_t durable_end() const override { return written_ == image_bytes_ ? written_ : 0; }

  Status Erase() override {
    image_bytes_ = written_ = 0;
    return StartUpdate(0);  // an update of no byte empties the volume
  }

 private:
  Status StartUpdate(uint64_t bytes) {
    int64_t count = static_cast<int64_t>(bytes);
    for (;;) {
      if (calls_.ioctl(fd_.get(), UBI_IOCVOLUP, &count) == 0) return Ok();
      if (errno != EINTR) return SystemError("cannot update the volume");
    }
  }

  UniqueFd fd_;
  uint64_t size_bytes_;
  const UbiCalls& calls_;
  uint64_t image_bytes_ = 0;
  uint64_t written_ = 0;
};

}  // namespace

const UbiCalls& SystemUbiCalls() {
  static const UbiCalls kCalls = {
      [](int fd, unsigned long request, void* argument) { return ::ioctl(fd, request, argument); },
      [](int fd, const void* bytes, size_t count) { return ::write(fd, bytes, count); },
      [](int fd, void* out, size_t count, off_t offset) { return ::pread(fd, out, count, offset); },
  };
  return kCalls;
}

std::unique_ptr<Slot> MakeUbiSlot(UniqueFd fd, uint64_t size_bytes, const UbiCalls& calls) {
  return std::make_unique<UbiSlot>(std::move(fd), size_bytes, calls);
}

}  // namespace till::device
