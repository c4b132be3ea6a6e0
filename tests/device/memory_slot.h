// What the tests of installing write to and read from: a slot in memory, and a base that changes while it is read.
#pragma once

#include <algorithm>

#include "core/io.h"
#include "device/installer.h"

namespace till::device {

class MemorySlot final : public Slot {
 public:
  explicit MemorySlot(size_t bytes) : bytes_(bytes, std::byte{0xff}) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    return MemorySource(ByteView(bytes_)).ReadAt(offset, out);
  }
  uint64_t size() const override { return bytes_.size(); }
  Status BeginAt(uint64_t offset, uint64_t) override {
    at_ = synced_ = offset;
    return Ok();
  }
  Status Write(ByteView bytes) override {
    ++writes;
    if (at_ + bytes.size() > fail_from) return Error{ErrorCode::kIo, "worn out"};
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(at_));
    at_ += bytes.size();
    return Ok();
  }
  Status Sync() override {
    synced_ = durable_end();
    return Ok();
  }
  uint64_t durable_end() const override { return at_ == image_bytes ? at_ : at_ - at_ % page_bytes; }
  Status Erase() override { return Ok(); }
  bool reads_back() const override { return can_be_read; }
  // What was not synced is something else.
  void LosePower() { std::fill(bytes_.begin() + static_cast<ptrdiff_t>(synced_), bytes_.end(), std::byte{0x5a}); }
  bool Holds(ByteView image) const { return std::equal(image.begin(), image.end(), bytes_.begin()); }
  uint64_t fail_from = UINT64_MAX;
  uint64_t page_bytes = 1;  // whole pages alone are durable, and the image's end
  uint64_t image_bytes = 0;
  size_t writes = 0;
  bool can_be_read = true;  // while it is written

 private:
  Bytes bytes_;
  uint64_t at_ = 0;
  uint64_t synced_ = 0;
};

// One bit of what is read is another: at the n-th read, or from it on.
class ChangingBase final : public Source {
 public:
  enum class Lasts : uint8_t { kOnce, kOn };
  ChangingBase(const Bytes& bytes, uint64_t change_at, Lasts lasts)
      : bytes_(bytes), change_at_(change_at), lasts_(lasts) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    const size_t got = TILL_TRY(MemorySource(ByteView(bytes_)).ReadAt(offset, out));
    ++reads;
    const bool changes = lasts_ == Lasts::kOnce ? reads == change_at_ : reads >= change_at_;
    if (changes && got > 0) out[got / 2] ^= std::byte{1};
    return got;
  }
  uint64_t size() const override { return bytes_.size(); }
  uint64_t reads = 0;

 private:
  const Bytes& bytes_;
  const uint64_t change_at_;
  const Lasts lasts_;
};

}  // namespace till::device
