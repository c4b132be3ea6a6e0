// The agent's hand on the boot record: reads it, changes it by the transitions of bootloader/boot_state.h, and makes
// sure that what it wrote is what reads back. Writes go over the copy that does not count, never over the other.
//   Errors: kIo (storage), kCorrupt (does not read back), kRefused (the machine does not allow the change).
#pragma once

#include <memory>
#include <string_view>

#include "bootloader/boot_state.h"
#include "core/result.h"
#include "device/record_file.h"

namespace till::device {

enum class SlotId : uint8_t { kA = 0, kB = 1 };
inline SlotId OtherSlot(SlotId slot) { return slot == SlotId::kA ? SlotId::kB : SlotId::kA; }
inline const char* SlotName(SlotId slot) { return slot == SlotId::kA ? "a" : "b"; }
Result<SlotId> ParseSlot(std::string_view text);

class BootControl {
 public:
  explicit BootControl(std::unique_ptr<RecordFile> file) : file_(std::move(file)) {}

  // found = 0 when neither copy is valid.
  Result<till_boot_copies> Read();
  // Once per start: whatever a cut left weak on flash becomes what it reads as now.
  Status MakeFirm(const till_boot_copies& read);
  // Writes the record as it is once more and reads it back: shows, before the first byte of a payload, that the
  // switch at the end will be possible.
  Status RoundTrip();

  Status Factory(SlotId slot, std::string_view version, uint32_t rollback_index, uint32_t floor);
  Status Withdraw(SlotId slot);
  Status BeginTrial(SlotId slot, std::string_view version, uint32_t rollback_index, uint8_t tries);
  Status Confirm(SlotId slot, uint32_t signed_floor);
  Status MarkFailed(SlotId slot, uint8_t reason);

 private:
  Status Write(const till_boot_copies& read, const till_boot_record& next);
  Status FirmNewest(const till_boot_copies& read);

  std::unique_ptr<RecordFile> file_;
};

}  // namespace till::device
