#include "device/slots/flash_slot.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace till::device {
namespace {

constexpr size_t kCompareBytes = 4096;
constexpr int kMaxBlocksGivenUp = 8;  // in one write: more than that is no flash to install on

}  // namespace

Result<std::unique_ptr<FlashSlot>> FlashSlot::Open(std::unique_ptr<FlashDevice> device) {
  const FlashGeometry& g = device->geometry();
  if (g.erase_bytes == 0 || g.program_bytes == 0 || g.erase_bytes % g.program_bytes != 0 ||
      g.size_bytes < g.erase_bytes || g.erase_bytes > 4u << 20) {
    return Error{ErrorCode::kUnsupported, "flash of such a geometry", g.erase_bytes};
  }
  std::unique_ptr<FlashSlot> slot(new FlashSlot(std::move(device)));
  TILL_TRY(slot->FindGoodBlocks());
  return slot;
}

Status FlashSlot::FindGoodBlocks() {
  good_blocks_.clear();
  for (uint64_t at = 0; at + geometry_.erase_bytes <= geometry_.size_bytes; at += geometry_.erase_bytes) {
    if (!geometry_.has_bad_blocks || !TILL_TRY(device_->IsBad(at))) good_blocks_.push_back(at);
  }
  return Ok();
}

Result<size_t> FlashSlot::ReadAt(uint64_t offset, MutableByteView out) {
  if (offset >= size()) return size_t{0};
  const uint64_t within = offset % geometry_.erase_bytes;
  const size_t count = std::min<uint64_t>(out.size(), geometry_.erase_bytes - within);
  TILL_TRY(device_->Read(good_blocks_[offset / geometry_.erase_bytes] + within, out.first(count)));
  return count;
}

Status FlashSlot::BeginAt(uint64_t offset_bytes, uint64_t image_bytes) {
  if (std::max(offset_bytes, image_bytes) > size()) {
    return Error{ErrorCode::kLimit, "past the end of the slot", size()};
  }
  image_bytes_ = image_bytes;
  block_index_ = offset_bytes / geometry_.erase_bytes;
  filled_ = static_cast<uint32_t>(offset_bytes % geometry_.erase_bytes);
  programmed_ = checked_ = filled_;
  erased_ = filled_ > 0;
  if (filled_ == 0) return Ok();
  TILL_TRY(device_->Read(BlockStart(), MutableByteView(block_).first(filled_)));
  return geometry_.bit_writeable ? Ok() : RepairBlock();
}

// The block is worn out: the image goes on in the next good one.
Status FlashSlot::GiveUpBlock() {
  TILL_TRY(device_->MarkBad(BlockStart()));
  good_blocks_.erase(good_blocks_.begin() + static_cast<ptrdiff_t>(block_index_));
  if (block_index_ < good_blocks_.size()) return Ok();
  return Error{ErrorCode::kLimit, "too many bad blocks", size()};
}

Status FlashSlot::StartBlock() {
  for (int given_up = 0;; given_up++) {
    if (block_index_ >= good_blocks_.size()) return Error{ErrorCode::kLimit, "past the end of the slot", size()};
    const Status erased = device_->Erase(BlockStart());
    if (erased.ok()) break;
    if (!geometry_.has_bad_blocks || given_up == kMaxBlocksGivenUp) return erased;
    TILL_TRY(GiveUpBlock());
  }
  programmed_ = checked_ = 0;
  erased_ = true;
  return Ok();
}

Status FlashSlot::ProgramTo(uint32_t fill) {
  if (fill <= programmed_) return Ok();
  const ByteView part = ByteView(block_).subspan(programmed_, fill - programmed_);
  TILL_TRY(device_->Program(BlockStart() + programmed_, part));
  programmed_ = fill;
  return Ok();
}

// Whole program units; the last page of an image is filled up with ones.
Status FlashSlot::Flush(bool whole_image) {
  uint32_t fill = filled_ - filled_ % geometry_.program_bytes;
  if (whole_image && fill < filled_) {
    fill += geometry_.program_bytes;
    std::fill(block_.begin() + filled_, block_.begin() + fill, std::byte{0xff});
  }
  if (fill > programmed_ && !erased_) TILL_TRY(StartBlock());
  if (ProgramTo(fill).ok()) return Ok();
  return RepairBlock();
}

Status FlashSlot::Write(ByteView bytes) {
  while (!bytes.empty()) {
    if (filled_ == geometry_.erase_bytes) {
      block_index_++;
      filled_ = programmed_ = checked_ = 0;
      erased_ = false;
    }
    if (block_index_ >= good_blocks_.size()) return Error{ErrorCode::kLimit, "past the end of the slot", size()};
    const size_t count = std::min<uint64_t>(bytes.size(), geometry_.erase_bytes - filled_);
    std::copy_n(bytes.begin(), count, block_.begin() + filled_);
    filled_ += static_cast<uint32_t>(count);
    bytes = bytes.subspan(count);
    TILL_TRY(Flush(false));
    if (filled_ == geometry_.erase_bytes) TILL_TRY(CheckBlock());
  }
  return Ok();
}

// What was programmed since the last look reads back as it was given.
Status FlashSlot::CheckBlock() {
  std::array<std::byte, kCompareBytes> back;
  for (int attempt = 0;; attempt++) {
    bool same = true;
    for (uint32_t at = checked_; same && at < programmed_;) {
      const uint32_t count = std::min<uint32_t>(kCompareBytes, programmed_ - at);
      const Status read = device_->Read(BlockStart() + at, MutableByteView(back).first(count));
      same = read.ok() && memcmp(back.data(), block_.data() + at, count) == 0;
      at += count;
    }
    if (same) break;
    if (attempt > 0) return Error{ErrorCode::kCorrupt, "a block does not read back as written", BlockStart()};
    TILL_TRY(RepairBlock());
  }
  checked_ = programmed_;
  return Ok();
}

// Erases the current block and writes all of it again; on NAND elsewhere when it does not take it.
Status FlashSlot::RepairBlock() {
  const uint32_t fill = std::max(programmed_, filled_ - filled_ % geometry_.program_bytes);
  for (int given_up = 0;; given_up++) {
    TILL_TRY(StartBlock());
    const Status programmed = ProgramTo(fill);
    if (programmed.ok()) return Ok();
    if (!geometry_.has_bad_blocks || given_up == kMaxBlocksGivenUp) return programmed;
    TILL_TRY(GiveUpBlock());
  }
}

Status FlashSlot::Sync() {
  const bool whole_image = block_index_ * uint64_t{geometry_.erase_bytes} + filled_ >= image_bytes_;
  TILL_TRY(Flush(whole_image));
  return CheckBlock();
}

uint64_t FlashSlot::durable_end() const {
  const uint64_t written = block_index_ * uint64_t{geometry_.erase_bytes} + filled_;
  return written >= image_bytes_ ? written : written - written % geometry_.program_bytes;
}

Status FlashSlot::Erase() {
  block_index_ = 0;
  filled_ = 0;
  TILL_TRY(StartBlock());
  erased_ = false;
  return Ok();
}

}  // namespace till::device
