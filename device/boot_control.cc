#include "device/boot_control.h"

#include <array>
#include <cstring>
#include <string>

namespace till::device {
namespace {

using RecordBytes = std::array<uint8_t, TILL_BOOT_RECORD_BYTES>;

Error NotAllowed() { return Error{ErrorCode::kRefused, "the boot record does not allow this change"}; }

uint8_t Number(SlotId slot) { return static_cast<uint8_t>(slot); }

}  // namespace

Result<SlotId> ParseSlot(std::string_view text) {
  if (text == "a") return SlotId::kA;
  if (text == "b") return SlotId::kB;
  return Error{ErrorCode::kInvalid, "a slot is a or b"};
}

Result<till_boot_copies> BootControl::Read() {
  RecordBytes first, second;
  TILL_TRY(file_->Read(0, std::as_writable_bytes(std::span(first))));
  TILL_TRY(file_->Read(1, std::as_writable_bytes(std::span(second))));
  till_boot_copies read;
  till_boot_read(first.data(), second.data(), &read);
  return read;
}

Status BootControl::FirmNewest(const till_boot_copies& read) {
  RecordBytes same;
  till_boot_encode(&read.record, same.data());
  return file_->ProgramOver(read.copy, std::as_bytes(std::span(same)));
}

Status BootControl::MakeFirm(const till_boot_copies& read) {
  if (!read.found) return Ok();
  TILL_TRY(FirmNewest(read));
  const int other = 1 - read.copy;
  const RecordBytes zeros{};
  return read.valid[other] ? Ok() : file_->ProgramOver(other, std::as_bytes(std::span(zeros)));
}

Status BootControl::Write(const till_boot_copies& read, const till_boot_record& next) {
  // The other copy will be erased: the one that counts must not be one that only happens to read well.
  if (read.found) TILL_TRY(FirmNewest(read));
  till_boot_write write;
  till_boot_plan_write(&read, &next, &write);
  TILL_TRY(file_->Write(write.copy, std::as_bytes(std::span(write.bytes))));
  RecordBytes back;
  TILL_TRY(file_->Read(write.copy, std::as_writable_bytes(std::span(back))));
  if (memcmp(back.data(), write.bytes, back.size()) != 0) {
    return Error{ErrorCode::kCorrupt, "the boot record does not read back as written"};
  }
  return Ok();
}

Status BootControl::RoundTrip() {
  const till_boot_copies read = TILL_TRY(Read());
  if (!read.found) return Error{ErrorCode::kCorrupt, "neither copy of the boot record is valid"};
  return Write(read, read.record);
}

Status BootControl::Factory(SlotId slot, std::string_view version, uint32_t rollback_index, uint32_t floor) {
  const till_boot_copies read = TILL_TRY(Read());
  till_boot_record record;
  if (!till_boot_factory(&record, Number(slot), std::string(version).c_str(), rollback_index, floor)) {
    return NotAllowed();
  }
  return Write(read, record);
}

Status BootControl::Withdraw(SlotId slot) {
  till_boot_copies read = TILL_TRY(Read());
  till_boot_record record = read.record;
  if (!read.found || !till_boot_withdraw(&record, Number(slot))) return NotAllowed();
  return Write(read, record);
}

Status BootControl::BeginTrial(SlotId slot, std::string_view version, uint32_t rollback_index, uint8_t tries) {
  till_boot_copies read = TILL_TRY(Read());
  till_boot_record record = read.record;
  if (!read.found ||
      !till_boot_begin_trial(&record, Number(slot), std::string(version).c_str(), rollback_index, tries)) {
    return NotAllowed();
  }
  return Write(read, record);
}

Status BootControl::Confirm(SlotId slot, uint32_t signed_floor) {
  till_boot_copies read = TILL_TRY(Read());
  till_boot_record record = read.record;
  if (!read.found || !till_boot_confirm(&record, Number(slot), signed_floor)) return NotAllowed();
  return Write(read, record);
}

Status BootControl::MarkFailed(SlotId slot, uint8_t reason) {
  till_boot_copies read = TILL_TRY(Read());
  till_boot_record record = read.record;
  if (!read.found || !till_boot_mark_failed(&record, Number(slot), reason)) return NotAllowed();
  return Write(read, record);
}

}  // namespace till::device
