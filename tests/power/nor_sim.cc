#include "tests/power/nor_sim.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace till::power {
namespace {

const Error kNoPower{ErrorCode::kIo, "the power is off", EIO};

// What programming does: bits fall from 1 to 0. Eight bytes at a time: a twentieth of the whole proof went by here.
void ClearBits(std::byte* data, ByteView bytes) {
  size_t i = 0;
  for (uint64_t now, mask; i + sizeof(now) <= bytes.size(); i += sizeof(now)) {
    memcpy(&now, data + i, sizeof(now));
    memcpy(&mask, bytes.data() + i, sizeof(mask));
    now &= mask;
    memcpy(data + i, &now, sizeof(now));
  }
  for (; i < bytes.size(); i++) data[i] &= bytes[i];
}

}  // namespace

NorChip::NorChip(uint32_t block_bytes, size_t block_count)
    : block_bytes_(block_bytes), blocks_(block_count), wear_(block_count) {
  for (auto& block : blocks_) block = std::make_shared<Block>(Block{Bytes(block_bytes, std::byte{0xff}), {}});
}

NorChip::Block& NorChip::Own(size_t index) {
  auto& block = blocks_[index];
  if (block.use_count() > 1) block = std::make_shared<Block>(*block);
  return *block;
}

void NorChip::Erased(size_t index) {
  wear_[index]++;
  auto& block = blocks_[index];
  if (block.use_count() > 1) {
    block = std::make_shared<Block>(Block{Bytes(block_bytes_, std::byte{0xff}), {}});
    return;
  }
  std::fill(block->data.begin(), block->data.end(), std::byte{0xff});
  block->unstable.clear();
}

void NorChip::ProgramPage(uint64_t offset, ByteView bytes) {
  Block& block = Own(offset / block_bytes_);
  const size_t at = offset % block_bytes_;
  ClearBits(block.data.data() + at, bytes);
  if (!block.unstable.empty()) ClearBits(block.unstable.data() + at, bytes);
}

void NorChip::Apply(const FlashOp& op) {
  if (op.erase) return Erased(op.offset / block_bytes_);
  ProgramPage(op.offset, op.bytes);
}

void NorChip::ApplyTorn(const FlashOp& op, Tear tear) {
  if (tear == Tear::kBefore) return;
  Block& block = Own(op.offset / block_bytes_);
  const size_t at = op.offset % block_bytes_;
  const size_t count = op.erase ? block_bytes_ : op.bytes.size();
  if (op.erase) wear_[op.offset / block_bytes_]++;
  // An erase first clears every bit (chips do, so that all wear alike) or already sets some; which, the dice say.
  const bool erase_clears = op.erase && tear == Tear::kRandomBits && random_.Below(2) == 0;
  if (tear == Tear::kUnstable && block.unstable.empty()) block.unstable.resize(block_bytes_);
  for (size_t i = 0; i < count; i++) {
    std::byte& now = block.data[at + i];
    const std::byte then = op.erase ? std::byte{0xff} : now & op.bytes[i];
    switch (tear) {
      case Tear::kBefore:
        break;
      case Tear::kHalf:
        if (i < count / 2) now = then;
        break;
      case Tear::kRandomBits: {
        const std::byte dice = random_.Byte();
        if (erase_clears) {
          now &= dice;
        } else {
          now = (now & ~dice) | (then & dice);
        }
        break;
      }
      case Tear::kUnstable:
        block.unstable[at + i] |= now ^ then;
        now |= then;  // ReadUnstable() clears some of the weak ones
        break;
    }
  }
}

Status NorChip::Step(const FlashOp& op) {
  if (!powered_) return kNoPower;
  if (watcher_ != nullptr) watcher_->OnOperation(op.erase, op.offset, op.bytes);
  operations_++;
  if (operations_ == fail_at_) return Error{ErrorCode::kIo, "the chip did not do it", EIO};
  if (operations_ != cut_at_) return Apply(op), Ok();
  ApplyTorn(op, tear_);
  powered_ = false;
  return kNoPower;
}

Status NorChip::Erase(uint64_t offset) {
  if (offset % block_bytes_ != 0 || offset >= size_bytes()) return Error{ErrorCode::kInvalid, "no block", offset};
  return Step({true, static_cast<uint32_t>(offset), 0, {}});
}

Status NorChip::Program(uint64_t offset, ByteView bytes) {
  if (offset + bytes.size() > size_bytes()) return Error{ErrorCode::kInvalid, "past the chip", offset};
  while (!bytes.empty()) {
    const uint32_t page_bytes = offset >= coarse_from_ ? coarse_page_bytes_ : kPageBytes;
    const size_t count = std::min<uint64_t>(bytes.size(), page_bytes - offset % page_bytes);
    const ByteView page = bytes.first(count);
    TILL_TRY(Step({false, static_cast<uint32_t>(offset), 0, Bytes(page.begin(), page.end())}));
    offset += count;
    bytes = bytes.subspan(count);
  }
  return Ok();
}

// One reading sees all weak bits as 1, the next all as 0, others each as it comes: so a page may look blank, whole and
// torn in turn.
void NorChip::ReadUnstable(const Block& block, size_t at, MutableByteView out) {
  const uint64_t mood = random_.Below(4);
  for (size_t i = 0; i < out.size() && mood != 0; i++) {
    const std::byte weak = block.unstable[at + i];
    if (weak != std::byte{0}) out[i] &= ~(mood == 1 ? weak : weak & random_.Byte());
  }
}

Status NorChip::Read(uint64_t offset, MutableByteView out) {
  if (!powered_) return kNoPower;
  if (offset + out.size() > size_bytes()) return Error{ErrorCode::kInvalid, "past the chip", offset};
  while (!out.empty()) {
    const Block& block = *blocks_[offset / block_bytes_];
    const size_t at = offset % block_bytes_;
    const size_t count = std::min<size_t>(out.size(), block_bytes_ - at);
    std::copy_n(block.data.begin() + static_cast<ptrdiff_t>(at), count, out.begin());
    if (!block.unstable.empty()) ReadUnstable(block, at, out.first(count));
    offset += count;
    out = out.subspan(count);
  }
  return Ok();
}

bool NorChip::Holds(uint64_t offset, ByteView bytes) const {
  while (!bytes.empty()) {
    const Block& block = *blocks_[offset / block_bytes_];
    const size_t at = offset % block_bytes_;
    const size_t count = std::min<size_t>(bytes.size(), block_bytes_ - at);
    if (memcmp(bytes.data(), block.data.data() + at, count) != 0) return false;
    for (size_t i = 0; !block.unstable.empty() && i < count; i++) {
      if (block.unstable[at + i] != std::byte{0}) return false;
    }
    offset += count;
    bytes = bytes.subspan(count);
  }
  return true;
}

void NorChip::FlipBit(uint64_t offset, unsigned bit) {
  Own(offset / block_bytes_).data[offset % block_bytes_] ^= std::byte{1} << bit;
}

NorPartition::NorPartition(NorChip& chip, uint64_t start, uint64_t size_bytes) : chip_(chip), start_(start) {
  geometry_.size_bytes = size_bytes;
  geometry_.erase_bytes = chip.block_bytes();
}

}  // namespace till::power
