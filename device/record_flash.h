// Small records on raw flash, two kinds, both cut-proof:
//   FlashRecords: copy n is erase sector n, erased and programmed whole. For the boot record, whose boot code knows
//   just that; four writes per update are two erases per sector.
//   FlashLog: both copies are entries appended to a log of two sectors; a sector is erased when the other is full. For
//   the journal: one save per frame costs a page or two instead of an erase (28 MiB image, 128 KiB frames: half an
//   erase of each sector per update where two copies in place would take 120; ten years of daily updates are 1,825 of a
//   sector's 100,000 erases, measured by record_flash_test).
//     entry = magic "TLGE"  u32 serial  u32 length << 1 | copy  record  u32 CRC-32 of all before it; at a page's start.
//     A cut leaves weak bits, which read differently each time. So at a start the newest entry is programmed again as
//     it was read; MakeFirm(), or the first write, programs everything behind it that may have been begun to zeros (the
//     pages that are not blank, and one that looks so; the other sector's first page); and a sector is erased anew
//     before its first entry, however blank it looks. Without writes a start costs a page.
//   Errors: those of the device; kLimit for a record longer than a sector takes; kUnsupported for another geometry.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "device/record_file.h"
#include "device/slots/flash_device.h"

namespace till::device {

class FlashRecords final : public RecordFile {
 public:
  // A partition of two erase sectors.
  static Result<std::unique_ptr<RecordFile>> Open(std::unique_ptr<FlashDevice> device);
  Status Read(int copy, MutableByteView out) override;
  Status Write(int copy, ByteView bytes) override;
  Status ProgramOver(int copy, ByteView bytes) override;

 private:
  explicit FlashRecords(std::unique_ptr<FlashDevice> device) : device_(std::move(device)) {}
  std::unique_ptr<FlashDevice> device_;
};

class FlashLog final : public RecordFile {
 public:
  static constexpr uint32_t kPageBytes = 256;
  static constexpr size_t kHeaderBytes = 12;

  // A partition of two erase sectors. Reads both to find the newest entries.
  static Result<std::unique_ptr<RecordFile>> Open(std::unique_ptr<FlashDevice> device);
  Status Read(int copy, MutableByteView out) override;
  Status Write(int copy, ByteView bytes) override;
  Status MakeFirm() override { return doubts_ ? SpoilTheDoubtful() : Ok(); }

 private:
  struct Entry {
    bool valid = false;
    uint32_t serial = 0;
    uint64_t offset = 0;  // of its record
    uint32_t length = 0;
  };
  explicit FlashLog(std::unique_ptr<FlashDevice> device)
      : device_(std::move(device)), sector_bytes_(device_->geometry().erase_bytes) {}
  Status Scan();
  Status ScanSector(unsigned sector);
  bool TakeEntry(ByteView sector, uint64_t at, unsigned number, uint64_t& end);
  Result<uint64_t> MakeRoom(uint64_t entry_bytes);
  Status FirmNewest(ByteView sector);
  Status SpoilTheDoubtful();

  std::unique_ptr<FlashDevice> device_;
  const uint32_t sector_bytes_;
  std::array<Entry, 2> newest_;  // by copy
  bool found_ = false;           // some entry is valid
  uint32_t serial_ = 0;          // last given
  unsigned newest_sector_ = 0;
  unsigned sector_ = 0;         // the one being filled
  uint64_t next_ = 0;           // where in it the next entry goes; its size: nowhere
  uint64_t doubtful_from_ = 0;  // up to next_: what a cut before this start may have begun
  bool doubts_ = true;          // until MakeFirm() or the first write
};

// At a path: raw flash when that is an MTD partition (of the kind asked for), else a file or block device.
enum class RecordKind : uint8_t { kInPlace, kLog };
Result<std::unique_ptr<RecordFile>> OpenRecords(const std::string& path, uint64_t stride_bytes, RecordKind kind,
                                                bool create);

}  // namespace till::device
