#include "device/record_flash.h"

#include <fcntl.h>

#include <algorithm>

#include "device/crc32.h"
#include "device/slots/device_name.h"
#include "device/slots/mtd.h"

namespace till::device {
namespace {

constexpr uint32_t kEntryMagic = 0x45474c54;  // "TLGE"
constexpr size_t kCrcBytes = 4;

uint64_t WholePages(uint64_t bytes) {
  return (bytes + FlashLog::kPageBytes - 1) / FlashLog::kPageBytes * FlashLog::kPageBytes;
}

bool IsBlank(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0xff}; });
}

Status CheckTwoSectors(const FlashGeometry& g) {
  if (g.size_bytes == 2 * uint64_t{g.erase_bytes} && g.program_bytes == 1 && !g.has_bad_blocks &&
      g.erase_bytes % FlashLog::kPageBytes == 0 && g.erase_bytes > 0) {
    return Ok();
  }
  return Error{ErrorCode::kUnsupported, "records want a NOR partition of two erase sectors", g.size_bytes};
}

}  // namespace

Result<std::unique_ptr<RecordFile>> FlashRecords::Open(std::unique_ptr<FlashDevice> device) {
  TILL_TRY(CheckTwoSectors(device->geometry()));
  return std::unique_ptr<RecordFile>(new FlashRecords(std::move(device)));
}

Status FlashRecords::Read(int copy, MutableByteView out) {
  return device_->Read(uint64_t{device_->geometry().erase_bytes} * static_cast<unsigned>(copy), out);
}

Status FlashRecords::Write(int copy, ByteView bytes) {
  const uint32_t sector_bytes = device_->geometry().erase_bytes;
  if (bytes.size() > sector_bytes) return Error{ErrorCode::kLimit, "the record is too long", bytes.size()};
  const uint64_t at = uint64_t{sector_bytes} * static_cast<unsigned>(copy);
  TILL_TRY(device_->Erase(at));
  return device_->Program(at, bytes);
}

Status FlashRecords::ProgramOver(int copy, ByteView bytes) {
  return device_->Program(uint64_t{device_->geometry().erase_bytes} * static_cast<unsigned>(copy), bytes);
}

Result<std::unique_ptr<RecordFile>> FlashLog::Open(std::unique_ptr<FlashDevice> device) {
  TILL_TRY(CheckTwoSectors(device->geometry()));
  std::unique_ptr<FlashLog> log(new FlashLog(std::move(device)));
  TILL_TRY(log->Scan());
  return std::unique_ptr<RecordFile>(std::move(log));
}

Status FlashLog::Scan() {
  next_ = doubtful_from_ = sector_bytes_;
  for (unsigned sector = 0; sector < 2; sector++) TILL_TRY(ScanSector(sector));
  return Ok();
}

// True and `end` when a whole entry lies at `at`. Older serials than those known change nothing.
bool FlashLog::TakeEntry(ByteView sector, uint64_t at, unsigned number, uint64_t& end) {
  ByteReader in(sector.subspan(at));
  const auto magic = in.U32();
  const auto serial = in.U32();
  const auto length_and_copy = in.U32();
  if (!magic.ok() || *magic != kEntryMagic || !serial.ok() || !length_and_copy.ok()) return false;
  const uint32_t length = *length_and_copy >> 1;
  const size_t copy = *length_and_copy & 1;
  const auto record = in.Take(length);
  const auto crc = in.U32();
  if (!record.ok() || !crc.ok() || *crc != Crc32(sector.subspan(at, kHeaderBytes + length))) return false;
  end = at + WholePages(kHeaderBytes + length + kCrcBytes);
  Entry& entry = newest_[copy];
  if (!entry.valid || static_cast<int32_t>(*serial - entry.serial) > 0) {
    entry = {true, *serial, uint64_t{sector_bytes_} * number + at + kHeaderBytes, length};
  }
  if (!found_ || static_cast<int32_t>(*serial - serial_) > 0) {
    found_ = true;
    serial_ = *serial;
    sector_ = newest_sector_ = number;
  }
  return true;
}

Status FlashLog::ScanSector(unsigned sector) {
  Bytes bytes(sector_bytes_);
  TILL_TRY(device_->Read(uint64_t{sector_bytes_} * sector, bytes));
  uint64_t used = 0;    // behind the last page that was touched
  uint64_t newest = 0;  // behind the newest entry
  for (uint64_t at = 0; at < sector_bytes_;) {
    uint64_t end = at + kPageBytes;
    const uint32_t before = serial_;
    const bool entry = TakeEntry(bytes, at, sector, end);
    if (entry && serial_ != before) newest = end;
    if (entry || !IsBlank(ByteView(bytes).subspan(at, kPageBytes))) used = end;
    at = end;
  }
  if (!found_ || newest_sector_ != sector) return Ok();
  // One page more may have been begun and read as blank.
  next_ = std::min<uint64_t>(used + kPageBytes, sector_bytes_);
  doubtful_from_ = newest;
  return FirmNewest(bytes);
}

Status FlashLog::FirmNewest(ByteView sector) {
  const Entry& entry = newest_[0].valid && newest_[0].serial == serial_ ? newest_[0] : newest_[1];
  const uint64_t start = entry.offset % sector_bytes_ - kHeaderBytes;
  return device_->Program(entry.offset - kHeaderBytes, sector.subspan(start, kHeaderBytes + entry.length + kCrcBytes));
}

Status FlashLog::SpoilTheDoubtful() {
  const Bytes zeros(kPageBytes);
  for (uint64_t at = doubtful_from_; found_ && at < next_; at += kPageBytes) {
    TILL_TRY(device_->Program(uint64_t{sector_bytes_} * newest_sector_ + at, zeros));
  }
  // Without any entry the very first one may have been begun.
  if (!found_) TILL_TRY(device_->Program(0, zeros));
  const unsigned other = found_ ? 1 - newest_sector_ : 1;
  TILL_TRY(device_->Program(uint64_t{sector_bytes_} * other, zeros));
  for (Entry& entry : newest_) {
    if (entry.valid && entry.offset == uint64_t{sector_bytes_} * other + kHeaderBytes) entry.valid = false;
  }
  doubts_ = false;
  return Ok();
}

Status FlashLog::Read(int copy, MutableByteView out) {
  std::fill(out.begin(), out.end(), std::byte{0xff});
  const Entry& entry = newest_[static_cast<size_t>(copy)];
  if (!entry.valid) return Ok();
  return device_->Read(entry.offset, out.first(std::min<size_t>(out.size(), entry.length)));
}

// Where the next entry goes, erased. Never in the sector that holds the newest entry, if that must be erased first.
Result<uint64_t> FlashLog::MakeRoom(uint64_t entry_bytes) {
  if (entry_bytes > sector_bytes_) return Error{ErrorCode::kLimit, "the record is too long", entry_bytes};
  if (entry_bytes > sector_bytes_ - next_) {
    const unsigned sector = found_ ? 1 - newest_sector_ : 0;
    for (Entry& entry : newest_) {
      if (entry.valid && entry.offset / sector_bytes_ == sector) entry.valid = false;
    }
    next_ = sector_bytes_;  // should the erase fail, nothing goes anywhere
    TILL_TRY(device_->Erase(uint64_t{sector_bytes_} * sector));
    sector_ = sector;
    next_ = 0;
  }
  const uint64_t at = uint64_t{sector_bytes_} * sector_ + next_;
  next_ += WholePages(entry_bytes);
  return at;
}

Status FlashLog::Write(int copy, ByteView bytes) {
  ByteWriter out;
  out.U32(kEntryMagic);
  out.U32(serial_ + 1);
  out.U32(static_cast<uint32_t>(bytes.size()) << 1 | static_cast<uint32_t>(copy));
  out.Append(bytes);
  out.U32(Crc32(out.bytes()));
  TILL_TRY(MakeFirm());
  const uint64_t at = TILL_TRY(MakeRoom(out.size()));
  Entry& entry = newest_[static_cast<size_t>(copy)];
  entry.valid = false;
  serial_++;
  TILL_TRY(device_->Program(at, out.bytes()));
  entry = {true, serial_, at + kHeaderBytes, static_cast<uint32_t>(bytes.size())};
  found_ = true;
  newest_sector_ = sector_;
  return Ok();
}

Result<std::unique_ptr<RecordFile>> OpenRecords(const std::string& path, uint64_t stride_bytes, RecordKind kind,
                                                bool create) {
  struct stat node;
  if (stat(path.c_str(), &node) != 0 || NameNode(node).kind != NodeKind::kMtd) {
    return OpenRecordFile(path, stride_bytes, create);
  }
  auto device = TILL_TRY(OpenMtd(TILL_TRY(OpenFile(path, O_RDWR))));
  return kind == RecordKind::kLog ? FlashLog::Open(std::move(device)) : FlashRecords::Open(std::move(device));
}

}  // namespace till::device
