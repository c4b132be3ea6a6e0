#include "device/slots/mtd.h"

#include <mtd/mtd-user.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace till::device {
namespace {

class MtdDevice final : public FlashDevice {
 public:
  MtdDevice(UniqueFd fd, const MtdCalls& calls, const FlashGeometry& geometry)
      : fd_(std::move(fd)), calls_(calls), geometry_(geometry) {}

  const FlashGeometry& geometry() const override { return geometry_; }

  Status Erase(uint64_t block_offset) override {
    erase_info_user block = {static_cast<uint32_t>(block_offset), geometry_.erase_bytes};
    // Some chips come up locked; those that know no locks answer EOPNOTSUPP, and that is well.
    calls_.ioctl(fd_.get(), MEMUNLOCK, &block);
    return Retried([&] { return calls_.ioctl(fd_.get(), MEMERASE, &block); }, "cannot erase a flash block");
  }

  Status Program(uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t done = calls_.pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return SystemError("cannot write flash");
      if (done == 0) return SystemError("flash took no byte", EIO);
      offset += static_cast<uint64_t>(done);
      bytes = bytes.subspan(static_cast<size_t>(done));
    }
    return Ok();
  }

  Status Read(uint64_t offset, MutableByteView out) override {
    while (!out.empty()) {
      const ssize_t got = calls_.pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      // EUCLEAN: bits were mended and the bytes are right. EBADMSG: they are not.
      if (got < 0) return SystemError("cannot read flash");
      if (got == 0) return SystemError("flash ends early", EIO);
      offset += static_cast<uint64_t>(got);
      out = out.subspan(static_cast<size_t>(got));
    }
    return Ok();
  }

  Result<bool> IsBad(uint64_t block_offset) override {
    if (!geometry_.has_bad_blocks) return false;
    loff_t at = static_cast<loff_t>(block_offset);
    const int bad = calls_.ioctl(fd_.get(), MEMGETBADBLOCK, &at);
    if (bad < 0) return SystemError("cannot ask for bad blocks");
    return bad > 0;
  }

  Status MarkBad(uint64_t block_offset) override {
    loff_t at = static_cast<loff_t>(block_offset);
    return Retried([&] { return calls_.ioctl(fd_.get(), MEMSETBADBLOCK, &at); }, "cannot mark a bad block");
  }

 private:
  template <typename Call>
  static Status Retried(const Call& call, const char* what) {
    for (;;) {
      if (call() == 0) return Ok();
      if (errno != EINTR) return SystemError(what);
    }
  }

  UniqueFd fd_;
  const MtdCalls& calls_;
  const FlashGeometry geometry_;
};

}  // namespace

const MtdCalls& SystemMtdCalls() {
  static const MtdCalls kCalls = {
      [](int fd, unsigned long request, void* argument) { return ::ioctl(fd, request, argument); },
      [](int fd, void* out, size_t count, off_t offset) { return ::pread(fd, out, count, offset); },
      [](int fd, const void* bytes, size_t count, off_t offset) { return ::pwrite(fd, bytes, count, offset); },
  };
  return kCalls;
}

Result<std::unique_ptr<FlashDevice>> OpenMtd(UniqueFd fd, const MtdCalls& calls) {
  mtd_info_user info = {};
  if (calls.ioctl(fd.get(), MEMGETINFO, &info) != 0) return SystemError("cannot read the flash's geometry");
  FlashGeometry geometry;
  geometry.size_bytes = info.size;
  geometry.erase_bytes = info.erasesize;
  geometry.program_bytes = info.writesize;
  geometry.bit_writeable = (info.flags & MTD_BIT_WRITEABLE) != 0 && info.writesize == 1;
  geometry.has_bad_blocks = info.type == MTD_NANDFLASH || info.type == MTD_MLCNANDFLASH;
  if (info.size == 0 || info.erasesize == 0 || info.writesize == 0) {
    return Error{ErrorCode::kUnsupported, "flash without a geometry", info.type};
  }
  return std::unique_ptr<FlashDevice>(std::make_unique<MtdDevice>(std::move(fd), calls, geometry));
}

}  // namespace till::device
