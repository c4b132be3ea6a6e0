// What the residual encoder writes, the decoder reads back, whatever the bytes. Input: ops of u8 kind and address, u8
// length, then that many bytes; in a DIFF op they are the target's, and the predicted ones are made from them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "delta/residual/decoder.h"
#include "delta/residual/encoder.h"

namespace {

using namespace till;
using namespace till::delta;

struct Run {
  bool diff = false;
  uint64_t address = 0;
  unsigned phase = 0;
  Bytes predicted;
  ByteView actual;
};

constexpr size_t kMostBytes = 160;  // the model takes its time

std::vector<Run> RunsFrom(ByteView input) {
  input = input.first(std::min(input.size(), kMostBytes));
  std::vector<Run> runs;
  while (input.size() > 2) {
    const auto head = static_cast<uint8_t>(input[0]);
    const size_t length = std::min<size_t>(static_cast<uint8_t>(input[1]), input.size() - 2);
    Run run;
    run.diff = (head & 1) != 0 && length != 0;
    run.address = head >> 3;
    run.phase = head >> 1 & 3;
    run.actual = input.subspan(2, length);
    if (run.diff) {
      run.predicted.assign(run.actual.begin(), run.actual.end());
      for (size_t i = head % 7; i < length; i += 9) run.predicted[i] ^= std::byte{0x10};
    }
    input = input.subspan(2 + length);
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<Run> runs = RunsFrom(std::as_bytes(std::span(data, size)));
  ResidualEncoder encoder;
  for (const Run& run : runs) {
    if (run.diff) encoder.StartOp(run.address, run.phase);
    encoder.Write(run.predicted, run.actual);
  }
  const size_t bound = encoder.coded_bytes_bound();
  const Bytes coded = encoder.Finish();
  if (coded.size() > bound) abort();
  static uint64_t workspace[ResidualDecoder::kBytes / 8];
  auto decoder = ResidualDecoder::Create(std::as_writable_bytes(std::span(workspace)), coded);
  for (const Run& run : runs) {
    Bytes out(run.actual.size());
    if (run.diff) decoder->StartOp(run.address);
    if (!decoder->Read(run.predicted, out).ok()) abort();
    if (!std::equal(out.begin(), out.end(), run.actual.begin())) abort();
  }
  if (!decoder->Finish().ok()) abort();
  return 0;
}
