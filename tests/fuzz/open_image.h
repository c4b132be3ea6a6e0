// What must hold of any bytes opened as an image: blocks lie in it and in order, extents within blocks, and what is
// expanded is whole.
#pragma once

#include <cstdlib>

#include "delta/container/expanded_image.h"

namespace till::delta::fuzzing {

class CountingSink : public Sink {
 public:
  Status Write(ByteView bytes) override {
    count_ += bytes.size();
    return Ok();
  }
  Status Finish() override { return Ok(); }
  uint64_t count() const { return count_; }

 private:
  uint64_t count_ = 0;
};

inline void Require(bool holds) {
  if (!holds) std::abort();
}

inline int OpenAnyImage(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  ExpandedImage image = ExpandedImage::Open(bytes);
  uint64_t end = 0;
  for (const CodedBlock& block : image.blocks()) {
    Require(block.offset >= end && block.coded_bytes > 0 && block.coded_bytes <= size - block.offset);
    end = block.offset + block.coded_bytes;
  }
  for (const ContainedFile& file : image.files()) {
    for (const Extent& extent : file.extents) {
      if (extent.kind == Extent::Kind::kRaw) Require(extent.offset <= size && extent.length <= size - extent.offset);
      if (extent.kind == Extent::Kind::kBlock) Require(extent.block < image.blocks().size());
    }
  }
  CountingSink sink;
  const Result<uint64_t> written = WriteExpanded(image, sink);
  Require(written.ok() && *written == sink.count());
  return 0;
}

}  // namespace till::delta::fuzzing
