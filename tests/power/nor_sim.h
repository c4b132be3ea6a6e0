// A NOR chip that can lose its power at every operation: programming only clears bits (256-byte pages, each page one
// operation), erasing sets a whole block, every erase is counted.
//   What a cut leaves (Tear): nothing of the operation; its first half; a random part of its bits; or weak bits, that
//   read differently each time until they are programmed to 0 or erased again.
//   Copies of a chip share their blocks until one is written, so a snapshot costs next to nothing.
//   Thread rule: one thread; a chip and its partitions together.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "device/slots/flash_device.h"

namespace till::power {

enum class Tear : uint8_t { kBefore, kHalf, kRandomBits, kUnstable };
inline constexpr std::array kTears = {Tear::kBefore, Tear::kHalf, Tear::kRandomBits, Tear::kUnstable};

// A small fast generator: every run repeats with its seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 0x9e3779b97f4a7c15ull) {}
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1dull;
  }
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  std::byte Byte() { return static_cast<std::byte>(Next() >> 56); }

 private:
  uint64_t state_;
};

// One operation as it was asked for: a page (or a part of one) programmed, or a block erased.
struct FlashOp {
  bool erase = false;
  uint32_t offset = 0;
  uint32_t world = 0;  // what the rest of the world was then: Trace's keeper says what it means
  Bytes bytes;
};

// Who is told of each operation before it is done.
class FlashWatcher {
 public:
  virtual ~FlashWatcher() = default;
  virtual void OnOperation(bool erase, uint64_t offset, ByteView bytes) = 0;
};

class NorChip {
 public:
  static constexpr uint32_t kPageBytes = 256;

  NorChip(uint32_t block_bytes, size_t block_count);
  // A coarser model: from `offset` on a page is so long.
  void SetPages(uint64_t offset, uint32_t page_bytes) {
    coarse_from_ = offset;
    coarse_page_bytes_ = page_bytes;
  }

  uint32_t block_bytes() const { return block_bytes_; }
  uint64_t size_bytes() const { return uint64_t{block_bytes_} * blocks_.size(); }
  uint64_t operations() const { return operations_; }
  const std::vector<uint32_t>& wear() const { return wear_; }
  bool powered() const { return powered_; }
  void Watch(FlashWatcher* watcher) { watcher_ = watcher; }
  // The `nth` operation from now (1-based) is torn, and from then on nothing answers until PowerOn().
  void CutAt(uint64_t nth, Tear tear) {
    cut_at_ = operations_ + nth;
    tear_ = tear;
  }
  void PowerOn() {
    powered_ = true;
    cut_at_ = 0;
  }
  void Seed(uint64_t seed) { random_ = Random(seed); }
  // The `nth` operation from now fails and does nothing; the power stays on.
  void FailAt(uint64_t nth) { fail_at_ = operations_ + nth; }

  Status Erase(uint64_t offset);
  Status Program(uint64_t offset, ByteView bytes);
  Status Read(uint64_t offset, MutableByteView out);

  // What an operation leaves when power goes in it.
  void Apply(const FlashOp& op);
  void ApplyTorn(const FlashOp& op, Tear tear);
  // True when these bytes stand there, stable.
  bool Holds(uint64_t offset, ByteView bytes) const;
  void FlipBit(uint64_t offset, unsigned bit);

 private:
  struct Block {
    Bytes data;
    Bytes unstable;  // a mask of bits, or empty
  };
  Block& Own(size_t index);
  Status Step(const FlashOp& op);
  void Erased(size_t index);
  void ProgramPage(uint64_t offset, ByteView bytes);
  void ReadUnstable(const Block& block, size_t at, MutableByteView out);

  uint32_t block_bytes_;
  uint64_t coarse_from_ = UINT64_MAX;
  uint32_t coarse_page_bytes_ = kPageBytes;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::vector<uint32_t> wear_;
  uint64_t operations_ = 0;
  uint64_t cut_at_ = 0;
  uint64_t fail_at_ = 0;
  Tear tear_ = Tear::kBefore;
  bool powered_ = true;
  FlashWatcher* watcher_ = nullptr;
  Random random_{1};
};

// Part of a chip as the product sees flash. The chip outlives it.
class NorPartition final : public device::FlashDevice {
 public:
  NorPartition(NorChip& chip, uint64_t start, uint64_t size_bytes);
  const device::FlashGeometry& geometry() const override { return geometry_; }
  Status Erase(uint64_t block_offset) override { return chip_.Erase(start_ + block_offset); }
  Status Program(uint64_t offset, ByteView bytes) override { return chip_.Program(start_ + offset, bytes); }
  Status Read(uint64_t offset, MutableByteView out) override { return chip_.Read(start_ + offset, out); }
  Result<bool> IsBad(uint64_t) override { return false; }
  Status MarkBad(uint64_t) override { return Error{ErrorCode::kUnsupported, "NOR knows no bad blocks"}; }

 private:
  NorChip& chip_;
  uint64_t start_;
  device::FlashGeometry geometry_;
};

}  // namespace till::power
