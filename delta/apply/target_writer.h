// Where the target image goes: a slot, a file. Bytes come once and in order, from the offset the applier started at.
#pragma once

#include "core/bytes.h"

namespace till::delta {

class TargetWriter {
 public:
  virtual ~TargetWriter() = default;
  virtual Status Write(ByteView bytes) = 0;
  // Target bytes, counted from the image's start, that a power cut now would leave behind. Never more than given.
  virtual uint64_t durable_bytes() const = 0;
};

}  // namespace till::delta
