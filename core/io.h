// Streams: two verbs, one direction each. Everything that touches a disk, a slot or the network goes through these,
// so that faults (n-th failure, short read, lost write) can be put in the middle by a decorator.
//   A Sink gives the same result for any cutting of its input. Finish() makes everything written durable; a Sink that
//   was not finished may have left anything behind. After an error a Sink or Source stays unusable.
//   Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "core/bytes.h"
#include "core/result.h"

namespace till {

class Source {
 public:
  virtual ~Source() = default;
  // Reads up to out.size() bytes at offset; answers how many. 0 means the end (or an empty `out`).
  virtual Result<size_t> ReadAt(uint64_t offset, MutableByteView out) = 0;
  virtual uint64_t size() const = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual Status Write(ByteView bytes) = 0;
  virtual Status Finish() = 0;
};

// Reads exactly out.size() bytes or fails: kCorrupt (detail: offset) when the source ends early.
Status ReadFully(Source& source, uint64_t offset, MutableByteView out);

// Pumps a whole Source through a buffer of 64 KiB into a Sink, without finishing it. Answers the number of bytes.
Result<uint64_t> Copy(Source& source, Sink& sink);

class MemorySource : public Source {
 public:
  explicit MemorySource(ByteView bytes) : bytes_(bytes) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override;
  uint64_t size() const override { return bytes_.size(); }

 private:
  ByteView bytes_;  // not owned
};

// Collects up to `limit_bytes`; one byte more is kLimit.
class MemorySink : public Sink {
 public:
  explicit MemorySink(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  Status Write(ByteView bytes) override;
  Status Finish() override { return Ok(); }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  uint64_t limit_bytes_;
};

}  // namespace till
