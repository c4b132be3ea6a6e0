// What the payload targets share: a target that counts and aborts beyond its limit.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "delta/apply/target_writer.h"

namespace till::delta::fuzzing {

inline void Check(bool holds) {
  if (!holds) abort();
}

class CountingTarget : public TargetWriter {
 public:
  explicit CountingTarget(uint64_t limit) : limit_(limit) {}
  Status Write(ByteView bytes) override {
    written_ += bytes.size();
    Check(!bytes.empty() && written_ <= limit_);
    return Ok();
  }
  uint64_t durable_bytes() const override { return written_; }

 private:
  uint64_t limit_;
  uint64_t written_ = 0;
};

}  // namespace till::delta::fuzzing
