// Any bytes as a model stream: the decoder makes exactly what it is asked for, the same for every cutting, stays in
// its memory, and answers a clean end only when it used every byte. Input: u8 op length, u8 that makes it longer when
// below 16 (most stay below a hundred bytes: the model takes its time), u8 address, then the stream.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "delta/residual/decoder.h"

namespace {

using namespace till;
using namespace till::delta;

struct Outcome {
  bool ok = false;
  Bytes bytes;
};

Outcome Decode(ByteView coded, ByteView predicted, uint64_t address, size_t piece) {
  static uint64_t workspace[ResidualDecoder::kBytes / 8];
  auto decoder = ResidualDecoder::Create(std::as_writable_bytes(std::span(workspace)), coded);
  Outcome outcome{true, Bytes(predicted.size() * 2)};
  const MutableByteView out = outcome.bytes;
  decoder->StartOp(address);
  for (size_t done = 0; outcome.ok && done < predicted.size();) {
    size_t count = std::min(piece, predicted.size() - done);
    if (count < predicted.size() - done) count -= (decoder->phase() + count) % 4;
    outcome.ok = decoder->Read(predicted.subspan(done, count), out.subspan(done, count)).ok();
    done += count;
  }
  outcome.ok = outcome.ok && decoder->Read({}, out.subspan(predicted.size())).ok() && decoder->Finish().ok();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const size_t length = data[0] % (data[1] < 16 ? 384 : 96);
  Bytes predicted(length);
  for (size_t i = 0; i < length; ++i) predicted[i] = static_cast<std::byte>(i % 4 == 3 ? 0x8f : i * 5 >> 4);
  const ByteView coded = std::as_bytes(std::span(data, size)).subspan(3);
  const Outcome whole = Decode(coded, predicted, data[2], SIZE_MAX);
  const Outcome parts = Decode(coded, predicted, data[2], 8);
  if (whole.ok != parts.ok) abort();
  if (whole.ok && whole.bytes != parts.bytes) abort();
  return 0;
}
