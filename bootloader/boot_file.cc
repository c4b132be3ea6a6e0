#include "bootloader/boot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "core/file.h"

namespace till::bootloader {
namespace {

using Record = std::array<uint8_t, TILL_BOOT_RECORD_BYTES>;

// A copy past the end of the file reads as erased flash.
Result<Record> ReadCopy(int fd, int copy) {
  Record bytes;
  bytes.fill(0xff);
  const auto out = std::as_writable_bytes(std::span(bytes));
  TILL_TRY(ReadSomeAt(fd, uint64_t{TILL_BOOT_COPY_STRIDE_BYTES} * static_cast<unsigned>(copy), out));
  return bytes;
}

}  // namespace

Result<till_boot_copies> ReadStateFile(const std::string& path) {
  const UniqueFd fd = TILL_TRY(OpenFile(path, O_RDONLY));
  const Record first = TILL_TRY(ReadCopy(fd.get(), 0));
  const Record second = TILL_TRY(ReadCopy(fd.get(), 1));
  till_boot_copies read;
  till_boot_read(first.data(), second.data(), &read);
  return read;
}

Status WriteStateFile(const std::string& path, const till_boot_copies& read, const till_boot_record& next) {
  till_boot_write write;
  till_boot_plan_write(&read, &next, &write);
  const UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR));
  const uint64_t offset = uint64_t{TILL_BOOT_COPY_STRIDE_BYTES} * static_cast<unsigned>(write.copy);
  TILL_TRY(WriteAllAt(fd.get(), offset, std::as_bytes(std::span(write.bytes))));
  if (fsync(fd.get()) != 0) return SystemError("cannot make the boot record durable");
  const Record back = TILL_TRY(ReadCopy(fd.get(), write.copy));
  if (memcmp(back.data(), write.bytes, back.size()) != 0) {
    return Error{ErrorCode::kCorrupt, "the boot record does not read back as written", offset};
  }
  return Ok();
}

Status CreateStateFile(const std::string& path) {
  const UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR | O_CREAT));
  if (TILL_TRY(FileSize(fd.get())) >= 2 * TILL_BOOT_COPY_STRIDE_BYTES) return Ok();
  if (ftruncate(fd.get(), 2 * TILL_BOOT_COPY_STRIDE_BYTES) != 0) return SystemError("cannot size the boot record file");
  if (fsync(fd.get()) != 0) return SystemError("cannot make the boot record durable");
  return Ok();
}

const char* SlotName(uint8_t slot) { return slot == 0 ? "a" : slot == 1 ? "b" : "-"; }

uint8_t SlotFromName(const char* text) {
  if (strcmp(text, "a") == 0) return 0;
  if (strcmp(text, "b") == 0) return 1;
  return TILL_BOOT_NO_SLOT;
}

const char* ReasonText(uint8_t reason) {
  switch (reason) {
    case TILL_BOOT_REASON_NONE:
      return "none";
    case TILL_BOOT_REASON_TRIES:
      return "tries used up";
    case TILL_BOOT_REASON_HEALTH:
      return "health checks failed";
    case TILL_BOOT_REASON_IMAGE:
      return "image not bootable";
    case TILL_BOOT_REASON_FLOOR:
      return "below the rollback floor";
    case TILL_BOOT_REASON_OPERATOR:
      return "marked by hand";
    default:
      return "unknown";
  }
}

}  // namespace till::bootloader
