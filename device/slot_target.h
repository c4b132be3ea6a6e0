// What an installation reads and writes, watched: whether the slots failed or the bytes were wrong is another refusal.
#pragma once

#include <optional>

#include "core/io.h"
#include "delta/apply/target_writer.h"
#include "device/slots/slot.h"

namespace till::device {

// The way into the spare slot. "Durable" is what a sync leaves behind: whoever uses a checkpoint syncs before.
class SlotTarget final : public delta::TargetWriter {
 public:
  explicit SlotTarget(Slot& slot) : slot_(slot) {}
  Status Begin(uint64_t offset, uint64_t image_bytes) { return Keep(slot_.BeginAt(offset, image_bytes)); }
  Status Write(ByteView bytes) override { return Keep(slot_.Write(bytes)); }
  uint64_t durable_bytes() const override { return slot_.durable_end(); }
  Status Sync() { return Keep(slot_.Sync()); }
  const std::optional<Error>& failure() const { return failure_; }
  void Forgive() { failure_.reset(); }  // it was begun anew

 private:
  Status Keep(Status status) {
    if (!status.ok()) failure_ = status.error();
    return status;
  }
  Slot& slot_;
  std::optional<Error> failure_;
};

// The base: its own read errors, told from a payload that refers to nothing.
class WatchedSource final : public Source {
 public:
  explicit WatchedSource(Source& source) : source_(source) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    auto got = source_.ReadAt(offset, out);
    if (!got.ok()) failure_ = got.error();
    return got;
  }
  uint64_t size() const override { return source_.size(); }
  const std::optional<Error>& failure() const { return failure_; }

 private:
  Source& source_;
  std::optional<Error> failure_;
};

}  // namespace till::device
