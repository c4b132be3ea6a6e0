// Any bytes as header and frame header: refused, or of the one canonical form and within every bound.
#include <cstdint>
#include <cstdlib>

#include "delta/format/arena.h"

namespace {

using namespace till;
using namespace till::delta;

void Check(bool holds) {
  if (!holds) abort();
}

bool Same(const Bytes& encoded, ByteView given) {
  return given.size() >= encoded.size() && std::equal(encoded.begin(), encoded.end(), given.begin());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input = std::as_bytes(std::span(data, size));
  const auto header = DecodeHeader(input);
  if (!header.ok()) return 0;
  Check(Same(EncodeHeader(*header), input));
  Check(header->frame_coded_bytes_max <= kMaxFrameCodedBytes && header->window_logs[kControl] <= kMaxWindowLog);
  Check(header->arena_bytes >= ArenaBytesFor(*header));
  const ByteView rest = input.subspan(kHeaderBytes);
  const auto frame = DecodeFrameHeader(rest, *header);
  if (!frame.ok()) return 0;
  Check(Same(EncodeFrameHeader(*frame), rest));
  Check(frame->coded_bytes() <= header->frame_coded_bytes_max && frame->plain_bytes() <= header->frame_plain_bytes_max);
  Check(frame->target_offset + frame->target_bytes <= header->target_size);
  return 0;
}
