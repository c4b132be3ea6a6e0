// One coded stream of a payload, decoded as it is asked for, whatever its codec.
//   Memory: what Create() is given, for one stream at a time. Errors: kCorrupt; kUnsupported (detail: codec).
#pragma once

#include <optional>

#include "delta/codec/lzma.h"
#include "delta/codec/zstd.h"
#include "delta/format/format.h"
#include "delta/residual/decoder.h"

namespace till::delta {

struct CodedStream {
  Codec codec = Codec::kStored;
  ByteView coded;
  uint64_t plain_bytes = 0;
  unsigned window_log = 0;
};

class StreamDecoder final : public ByteInput {
 public:
  explicit StreamDecoder(MutableByteView memory) : memory_(memory) {}

  // `coded` is not owned.
  Status Begin(const CodedStream& stream);
  Status Read(MutableByteView out) override { return ReadPredicted({}, out); }
  // Each byte of `predicted` (as long as `out`, or empty for zeros) plus the stream's; the model's guess to correct.
  Status ReadPredicted(ByteView predicted, MutableByteView out);
  // Every plain byte was read, every coded byte used.
  Status Finish();

  // A DIFF op begins, whose first base byte has this address.
  void StartDiff(uint64_t address);
  // At most so many bytes, so that the next piece of an op does not end inside a word the model codes as one. What is
  // left of the op may be read whole.
  size_t WholeWords(size_t bytes) const;

  // What is predicted changes how the stream is decoded, not only what comes out.
  bool needs_prediction() const { return model(); }

 private:
  bool model() const { return codec_ == Codec::kModel; }

  MutableByteView memory_;
  Codec codec_ = Codec::kStored;
  MemoryInput stored_;
  ZstdInput zstd_;
  LzmaInput lzma_;
  std::optional<ResidualDecoder> model_;
  uint64_t plain_left_ = 0;
};

}  // namespace till::delta
