// A slot on raw flash: each erase block is erased just ahead of its first byte, programmed, and read back when it is
// full and at every Sync(). Bad blocks are skipped, as the boot loader skips them: block n of the image lies in the
// n-th good block.
//   Going on in the middle of a block: where flash is bit-writeable (NOR) the same bytes are programmed over what a
//   power cut left half done, so that nothing durable is ever erased again. Elsewhere (NAND) the block is erased and
//   its durable part written back: a second cut in just that moment costs the download from its start, not the slot.
//   Memory: one erase block. Errors: kIo; kCorrupt (offset) when a block does not read back even after one repair.
#pragma once

#include <memory>
#include <vector>

#include "device/slots/flash_device.h"
#include "device/slots/slot.h"

namespace till::device {

class FlashSlot final : public Slot {
 public:
  static Result<std::unique_ptr<FlashSlot>> Open(std::unique_ptr<FlashDevice> device);

  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override;
  uint64_t size() const override { return good_blocks_.size() * uint64_t{geometry_.erase_bytes}; }
  Status BeginAt(uint64_t offset_bytes, uint64_t image_bytes) override;
  Status Write(ByteView bytes) override;
  Status Sync() override;
  uint64_t durable_end() const override;
  Status Erase() override;

 private:
  explicit FlashSlot(std::unique_ptr<FlashDevice> device)
      : device_(std::move(device)), geometry_(device_->geometry()), block_(geometry_.erase_bytes) {}
  Status FindGoodBlocks();
  uint64_t BlockStart() const { return good_blocks_[block_index_]; }
  Status StartBlock();
  Status ProgramTo(uint32_t fill);
  Status Flush(bool whole_image);
  Status CheckBlock();
  Status RepairBlock();
  Status GiveUpBlock();

  std::unique_ptr<FlashDevice> device_;
  const FlashGeometry geometry_;
  std::vector<uint64_t> good_blocks_;  // where each block of the image lies
  Bytes block_;                        // what the current block holds, or will
  size_t block_index_ = 0;
  uint32_t filled_ = 0;      // bytes of it that were given
  uint32_t programmed_ = 0;  // bytes of it that are on flash
  uint32_t checked_ = 0;     // bytes of it that read back
  bool erased_ = false;      // it is ready for programmed_ and on
  uint64_t image_bytes_ = 0;
};

}  // namespace till::device
