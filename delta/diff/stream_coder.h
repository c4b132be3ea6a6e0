// Codes the three streams of a frame, each with what makes it shortest.
//   DIFF and DATA together may go to one model (delta/residual), which sees what each DIFF byte was predicted from.
#pragma once

#include <array>

#include "delta/diff/diff.h"
#include "delta/format/format.h"

namespace till::delta {

// What a frame's ops make, in op order.
struct FrameStreams {
  Bytes control;
  Bytes predicted;  // for DIFF bytes, one after the other
  Bytes actual;     // the same bytes as they shall be
  Bytes literal;
  struct Run {
    bool diff = false;
    uint32_t length = 0;
    uint64_t address = 0;  // DIFF: of its first base byte, as an applier counts
    uint8_t phase = 0;     // DIFF: where that byte stands in its word
  };
  std::vector<Run> runs;  // DIFF and DATA ops
};

struct CodedStreams {
  std::array<StreamInfo, kStreamCount> infos;
  std::array<Bytes, kStreamCount> bytes;
  std::array<unsigned, kStreamCount> window_logs{};  // 0: a codec without window
  uint64_t coded_bytes() const { return bytes[kControl].size() + bytes[kDiff].size() + bytes[kLiteral].size(); }
};

struct StreamCoderOptions {
  unsigned max_window_log = 18;
  bool use_model = true;
  bool use_lzma = true;
  int zstd_level = 22;
};

CodedStreams CodeStreams(const FrameStreams& streams, const StreamCoderOptions& options);
// How long DIFF and DATA become in a model of their own.
uint64_t ModelledBytes(const FrameStreams& streams);

}  // namespace till::delta
