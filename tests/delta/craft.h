// Payloads written by hand, stored streams only: what the applier's tests feed it, honest and hostile, without the
// differ (so that they run on the terminal's build too).
#pragma once

#include <string>
#include <vector>

#include "core/chunklist.h"
#include "core/io.h"
#include "delta/apply/applier.h"
#include "delta/apply/payload_file.h"
#include "delta/format/ops.h"

namespace till::delta::testing {

Bytes Text(std::string_view text);
Bytes Noise(size_t count, uint64_t seed);
// A chunk-hash list over exactly these bytes, and the bytes: hostile content with honest hashes.
Bytes SignBody(ByteView body);
ByteView BodyOf(const Bytes& file);

struct CraftedFrame {
  FrameHeader header;
  std::array<Bytes, kStreamCount> coded;
};

// Collects frames; Body() fills the header's totals in, unless they were set by hand.
class Craft {
 public:
  Craft(Bytes base, Bytes target);
  static Craft Full(Bytes target);

  // The next frame: ops in target order; streams follow from base and target.
  CraftedFrame& AddFrame(const std::vector<Op>& ops);
  PayloadHeader& header() { return header_; }
  std::vector<CraftedFrame>& frames() { return frames_; }
  const Bytes& base() const { return base_; }
  const Bytes& target() const { return target_; }
  void FillTotals();
  Bytes Body() const;
  Bytes File() {
    FillTotals();
    return SignBody(Body());
  }

 private:
  Bytes base_;
  Bytes target_;
  PayloadHeader header_;
  std::vector<CraftedFrame> frames_;
  uint64_t made_ = 0;
};

// A delta of three frames with every kind of op; about 100 KiB of target.
Craft ThreeFrames();

// Keeps what it is given; fails at the n-th Write when told (1-based; 0 never), and may claim to be slower to the
// flash than it is.
class MemoryTarget : public TargetWriter {
 public:
  explicit MemoryTarget(Bytes start = {}, size_t fail_at = 0, size_t durable_step = 1)
      : bytes_(std::move(start)), fail_at_(fail_at), durable_step_(durable_step) {}
  Status Write(ByteView bytes) override;
  uint64_t durable_bytes() const override { return bytes_.size() / durable_step_ * durable_step_; }
  const Bytes& bytes() const { return bytes_; }
  size_t writes() const { return writes_; }

 private:
  Bytes bytes_;
  size_t fail_at_;
  size_t durable_step_;
  size_t writes_ = 0;
};

struct Applied {
  Status status;
  Bytes target;
};

// Opens, checks and applies a payload file, fed in pieces of `piece` bytes (0: all at once).
Applied ApplyFile(const Bytes& file, const Bytes& base, size_t piece = 0);

}  // namespace till::delta::testing
