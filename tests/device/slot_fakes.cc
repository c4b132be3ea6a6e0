#include "tests/device/slot_fakes.h"

#include <mtd/mtd-user.h>
#include <mtd/ubi-user.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace till::device {
namespace {

int Fail(int error_number) {
  errno = error_number;
  return -1;
}

uint32_t BlockBytes() { return TheFakeMtd().chip->block_bytes(); }

// EINTR first, or the failure that was ordered.
int Trouble(bool changes) {
  FakeMtd& mtd = TheFakeMtd();
  if (mtd.interrupted && ++mtd.calls % 2 == 1) return EINTR;
  if (!mtd.interrupted && changes && ++mtd.calls == mtd.fail_at) return EIO;
  return 0;
}

int EraseBlock(uint64_t start, uint64_t length) {
  FakeMtd& mtd = TheFakeMtd();
  if (const int trouble = Trouble(true)) return Fail(trouble);
  if (start % BlockBytes() != 0 || length != BlockBytes() || start + length > mtd.size_bytes) return Fail(EINVAL);
  if (mtd.bad_blocks.count(start) + mtd.dying_blocks.count(start) > 0) return Fail(EIO);
  for (uint64_t page = start; page < start + length; page += mtd.page_bytes) {
    if (mtd.page_bytes > 1) mtd.programmed.erase(page);
  }
  return mtd.chip->Erase(start).ok() ? 0 : Fail(EIO);
}

int Ioctl(int, unsigned long request, void* argument) {
  FakeMtd& mtd = TheFakeMtd();
  const bool nand = mtd.page_bytes > 1;
  switch (request) {
    case MEMGETINFO: {
      mtd_info_user& info = *static_cast<mtd_info_user*>(argument);
      info = {};
      info.type = nand ? MTD_NANDFLASH : MTD_NORFLASH;
      info.flags = nand ? MTD_CAP_NANDFLASH : MTD_CAP_NORFLASH;
      info.size = static_cast<uint32_t>(mtd.size_bytes);
      info.erasesize = BlockBytes();
      info.writesize = mtd.page_bytes;
      return 0;
    }
    case MEMUNLOCK:
      return Fail(EOPNOTSUPP);
    case MEMERASE: {
      const erase_info_user& block = *static_cast<erase_info_user*>(argument);
      return EraseBlock(block.start, block.length);
    }
    case MEMGETBADBLOCK:
      return mtd.bad_blocks.count(static_cast<uint64_t>(*static_cast<loff_t*>(argument))) > 0 ? 1 : 0;
    case MEMSETBADBLOCK:
      mtd.bad_blocks.insert(static_cast<uint64_t>(*static_cast<loff_t*>(argument)));
      return 0;
    default:
      return Fail(ENOTTY);
  }
}

ssize_t Pread(int, void* out, size_t count, off_t offset) {
  if (const int trouble = Trouble(false)) return Fail(trouble);
  const auto at = static_cast<uint64_t>(offset);
  if (at >= TheFakeMtd().size_bytes) return 0;
  const MutableByteView bytes(static_cast<std::byte*>(out), std::min<size_t>(count, TheFakeMtd().size_bytes - at));
  return TheFakeMtd().chip->Read(at, bytes).ok() ? static_cast<ssize_t>(bytes.size()) : Fail(EIO);
}

ssize_t Pwrite(int, const void* from, size_t count, off_t offset) {
  FakeMtd& mtd = TheFakeMtd();
  if (const int trouble = Trouble(true)) return Fail(trouble);
  const auto at = static_cast<uint64_t>(offset);
  if (at + count > mtd.size_bytes) return Fail(ENOSPC);
  if (at % mtd.page_bytes != 0 || count % mtd.page_bytes != 0) return Fail(EINVAL);
  const uint64_t block = at - at % BlockBytes();
  if (mtd.bad_blocks.count(block) + mtd.dying_blocks.count(block) > 0) return Fail(EIO);
  for (uint64_t page = at; mtd.page_bytes > 1 && page < at + count; page += mtd.page_bytes) {
    if (!mtd.programmed.insert(page).second) return Fail(EIO);  // a page takes one program between erases
  }
  const ByteView bytes(static_cast<const std::byte*>(from), count);
  return mtd.chip->Program(at, bytes).ok() ? static_cast<ssize_t>(count) : Fail(EIO);
}

int UbiIoctl(int, unsigned long request, void* argument) {
  FakeUbi& ubi = TheFakeUbi();
  if (request != UBI_IOCVOLUP) return Fail(ENOTTY);
  if (++ubi.calls == ubi.fail_at) return Fail(EIO);
  const int64_t bytes = *static_cast<int64_t*>(argument);
  if (bytes < 0 || static_cast<uint64_t>(bytes) > ubi.volume.size()) return Fail(EINVAL);
  std::fill(ubi.volume.begin(), ubi.volume.end(), std::byte{0xff});
  ubi.wanted = static_cast<uint64_t>(bytes);
  ubi.taken = 0;
  ubi.updating = bytes > 0;
  return 0;
}

ssize_t UbiWrite(int, const void* from, size_t count) {
  FakeUbi& ubi = TheFakeUbi();
  if (!ubi.updating) return Fail(EPERM);
  if (++ubi.calls == ubi.fail_at) return Fail(EIO);
  const size_t take = std::min<uint64_t>({count, ubi.wanted - ubi.taken, ubi.most_per_write});
  std::copy_n(static_cast<const std::byte*>(from), take, ubi.volume.begin() + static_cast<ptrdiff_t>(ubi.taken));
  ubi.taken += take;
  ubi.updating = ubi.taken < ubi.wanted;
  return static_cast<ssize_t>(take);
}

ssize_t UbiPread(int, void* out, size_t count, off_t offset) {
  FakeUbi& ubi = TheFakeUbi();
  if (ubi.updating) return Fail(EBUSY);
  const auto at = static_cast<size_t>(offset);
  if (at >= ubi.volume.size()) return 0;
  const size_t take = std::min(count, ubi.volume.size() - at);
  std::copy_n(ubi.volume.begin() + offset, take, static_cast<std::byte*>(out));
  return static_cast<ssize_t>(take);
}

}  // namespace

FakeMtd& TheFakeMtd() {
  static FakeMtd mtd;
  return mtd;
}
FakeUbi& TheFakeUbi() {
  static FakeUbi ubi;
  return ubi;
}
const MtdCalls& FakeMtdCalls() {
  static const MtdCalls kCalls = {Ioctl, Pread, Pwrite};
  return kCalls;
}
const UbiCalls& FakeUbiCalls() {
  static const UbiCalls kCalls = {UbiIoctl, UbiWrite, UbiPread};
  return kCalls;
}

}  // namespace till::device
