// Any bytes open as an image: blocks lie in it and in order, extents within blocks, and what is expanded is whole.
#include <cstdlib>

#include "delta/container/expanded_image.h"

namespace {

class CountingSink : public till::Sink {
 public:
  till::Status Write(till::ByteView bytes) override {
    count_ += bytes.size();
    return till::Ok();
  }
  till::Status Finish() override { return till::Ok(); }
  uint64_t count() const { return count_; }

 private:
  uint64_t count_ = 0;
};

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace till::delta;
  const till::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
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
  const till::Result<uint64_t> written = WriteExpanded(image, sink);
  Require(written.ok() && *written == sink.count());
  return 0;
}
