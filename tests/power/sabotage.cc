#include "tests/power/sabotage.h"

#include <algorithm>

#include "tests/power/world.h"

namespace till::power {
namespace {

// Whoever reads back finds what was written; after a restart there is only the one place.
class OneCopy final : public device::RecordFile {
 public:
  explicit OneCopy(std::unique_ptr<device::RecordFile> next) : next_(std::move(next)) {}
  Status Read(int copy, MutableByteView out) override {
    if (copy == last_written_) return next_->Read(0, out);
    std::fill(out.begin(), out.end(), std::byte{0xff});
    return Ok();
  }
  Status Write(int copy, ByteView bytes) override {
    last_written_ = copy;
    return next_->Write(0, bytes);
  }

 private:
  std::unique_ptr<device::RecordFile> next_;
  int last_written_ = 0;
};

// Changes places at each write, so that the write meant for the older copy hits the newer one.
class NewerFirst final : public device::RecordFile {
 public:
  explicit NewerFirst(std::unique_ptr<device::RecordFile> next) : next_(std::move(next)) {}
  Status Read(int copy, MutableByteView out) override { return next_->Read(copy ^ swapped_, out); }
  Status Write(int copy, ByteView bytes) override {
    swapped_ = 1 - swapped_;
    return next_->Write(copy ^ swapped_, bytes);
  }
  Status ProgramOver(int copy, ByteView bytes) override { return next_->ProgramOver(copy ^ swapped_, bytes); }
  Status MakeFirm() override { return next_->MakeFirm(); }

 private:
  std::unique_ptr<device::RecordFile> next_;
  int swapped_ = 0;
};

class SlotAround : public device::Slot {
 public:
  explicit SlotAround(std::unique_ptr<device::Slot> next) : next_(std::move(next)) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override { return next_->ReadAt(offset, out); }
  uint64_t size() const override { return next_->size(); }
  Status BeginAt(uint64_t offset, uint64_t image_bytes) override {
    end_ = offset;
    image_bytes_ = image_bytes;
    return next_->BeginAt(offset, image_bytes);
  }
  Status Write(ByteView bytes) override {
    end_ += bytes.size();
    return next_->Write(bytes);
  }
  Status Sync() override { return next_->Sync(); }
  uint64_t durable_end() const override { return next_->durable_end(); }
  Status Erase() override { return next_->Erase(); }

 protected:
  std::unique_ptr<device::Slot> next_;
  uint64_t end_ = 0;
  uint64_t image_bytes_ = 0;
};

class EarlyDurable final : public SlotAround {
 public:
  using SlotAround::SlotAround;
  Status Write(ByteView bytes) override {
    held_.insert(held_.end(), bytes.begin(), bytes.end());
    end_ += bytes.size();
    if (held_.size() < 40'000 && end_ < image_bytes_) return Ok();
    const Bytes all = std::move(held_);
    held_.clear();
    return next_->Write(all);
  }
  Status Sync() override { return held_.empty() ? next_->Sync() : Ok(); }
  uint64_t durable_end() const override { return end_; }

 private:
  Bytes held_;
};

class OtherBit final : public SlotAround {
 public:
  using SlotAround::SlotAround;
  Status Write(ByteView bytes) override {
    end_ += bytes.size();
    if (end_ < image_bytes_) return next_->Write(bytes);
    Bytes other(bytes.begin(), bytes.end());
    other.back() ^= std::byte{1};
    return next_->Write(other);
  }
};

class TellsTheImage final : public Source {
 public:
  explicit TellsTheImage(std::shared_ptr<const Bytes> bytes) : bytes_(std::move(bytes)), source_(*bytes_) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override { return source_.ReadAt(offset, out); }
  uint64_t size() const override { return source_.size(); }

 private:
  std::shared_ptr<const Bytes> bytes_;
  MemorySource source_;
};

bool Lies(const Site& site) { return site.sabotage == "lying-slot" || site.sabotage == "blind-boot"; }

}  // namespace

std::unique_ptr<device::RecordFile> SabotagedRecords(const Site& site, std::unique_ptr<device::RecordFile> next) {
  if (site.sabotage == "one-copy") return std::make_unique<OneCopy>(std::move(next));
  if (site.sabotage == "newer-first") return std::make_unique<NewerFirst>(std::move(next));
  return next;
}

std::unique_ptr<device::Slot> SabotagedSlot(const Site& site, std::unique_ptr<device::Slot> next) {
  if (site.sabotage == "early-durable") return std::make_unique<EarlyDurable>(std::move(next));
  if (Lies(site)) return std::make_unique<OtherBit>(std::move(next));
  return next;
}

std::unique_ptr<Source> SabotagedSource(const Site& site, unsigned slot, std::unique_ptr<Source> next) {
  if (Lies(site) && slot != site.start_slot) return std::make_unique<TellsTheImage>(site.images[1].bytes);
  return next;
}

}  // namespace till::power
