#include "delta/diff/stream_coder.h"

#include <algorithm>
#include <bit>

#include "delta/codec/lzma_encode.h"
#include "delta/codec/zstd_encode.h"
#include "delta/residual/encoder.h"

namespace till::delta {
namespace {

unsigned WindowFor(uint64_t plain_bytes, unsigned lowest, unsigned highest) {
  const unsigned wanted = plain_bytes <= 1 ? 0 : static_cast<unsigned>(std::bit_width(plain_bytes - 1));
  return std::clamp(wanted, lowest, highest);
}

struct Candidate {
  Codec codec = Codec::kStored;
  Bytes bytes;
  unsigned window_log = 0;
};

Candidate BestOf(ByteView plain, std::initializer_list<LzmaProperties> properties, const StreamCoderOptions& options) {
  Candidate best{Codec::kStored, Bytes(plain.begin(), plain.end()), 0};
  if (plain.size() < 2) return best;
  const auto offer = [&](Codec codec, Bytes bytes, unsigned window_log) {
    if (!bytes.empty() && bytes.size() < best.bytes.size()) best = {codec, std::move(bytes), window_log};
  };
  if (options.use_lzma) {
    const unsigned log = WindowFor(plain.size(), kMinLzmaWindowLog, options.max_window_log);
    for (const LzmaProperties& p : properties) offer(Codec::kLzma, EncodeLzma(plain, p, log), log);
  } else {
    const unsigned log = WindowFor(plain.size(), kMinWindowLog, options.max_window_log);
    offer(Codec::kZstd, ZstdEncoder(options.zstd_level).Encode(plain, log), log);
  }
  return best;
}

Bytes Differences(const FrameStreams& streams) {
  Bytes diff(streams.actual.size());
  for (size_t i = 0; i < diff.size(); ++i) {
    diff[i] =
        static_cast<std::byte>(static_cast<uint8_t>(streams.actual[i]) - static_cast<uint8_t>(streams.predicted[i]));
  }
  return diff;
}

// DIFF and DATA through one model, in op order.
Bytes EncodeWithModel(const FrameStreams& streams) {
  ResidualEncoder encoder;
  ByteView predicted = streams.predicted;
  ByteView actual = streams.actual;
  ByteView literal = streams.literal;
  for (const FrameStreams::Run& run : streams.runs) {
    if (!run.diff) {
      encoder.Write({}, literal.first(run.length));
      literal = literal.subspan(run.length);
      continue;
    }
    encoder.StartOp(run.address, run.phase);
    encoder.Write(predicted.first(run.length), actual.first(run.length));
    predicted = predicted.subspan(run.length);
    actual = actual.subspan(run.length);
  }
  return encoder.Finish();
}

// Mostly literals that nothing makes shorter (coded blocks sent as they are): the model would only cost time.
bool NothingToModel(const FrameStreams& streams) {
  if (streams.literal.size() < 4 * streams.actual.size()) return false;
  const Bytes sketch = ZstdEncoder(1).Encode(streams.literal, kMaxWindowLog);
  return sketch.size() + streams.literal.size() / 50 > streams.literal.size();
}

void Put(StreamIndex stream, Candidate candidate, uint64_t plain_bytes, CodedStreams& out) {
  out.infos[stream] = {candidate.codec, static_cast<uint32_t>(candidate.bytes.size()),
                       static_cast<uint32_t>(plain_bytes)};
  out.window_logs[stream] = candidate.window_log;
  out.bytes[stream] = std::move(candidate.bytes);
}

// New bytes may hold long repeats, which the model, unlike LZMA, does not look for.
bool MayRepeatItself(const FrameStreams& streams) { return 4 * streams.literal.size() >= streams.actual.size(); }

void PutSeparately(const FrameStreams& streams, const StreamCoderOptions& options, CodedStreams& out) {
  Put(kDiff, BestOf(Differences(streams), {{3, 0, 2}, {2, 2, 2}}, options), streams.actual.size(), out);
  Put(kLiteral, BestOf(streams.literal, {{3, 0, 2}, {0, 2, 2}}, options), streams.literal.size(), out);
}

void PutModelled(const FrameStreams& streams, Bytes coded, CodedStreams& out) {
  Put(kDiff, {Codec::kModel, std::move(coded), 0}, streams.actual.size(), out);
  Put(kLiteral, {Codec::kModel, {}, 0}, streams.literal.size(), out);
}

}  // namespace

uint64_t ModelledBytes(const FrameStreams& streams) { return EncodeWithModel(streams).size(); }

CodedStreams CodeStreams(const FrameStreams& streams, const StreamCoderOptions& options) {
  CodedStreams out;
  Put(kControl, BestOf(streams.control, {{0, 0, 0}, {3, 0, 0}}, options), streams.control.size(), out);
  const uint64_t plain_bytes = streams.actual.size() + streams.literal.size();
  Bytes modelled;
  if (options.use_model && plain_bytes > 0 && !NothingToModel(streams)) modelled = EncodeWithModel(streams);
  const bool shorter = !modelled.empty() && modelled.size() < plain_bytes;
  if (shorter && !MayRepeatItself(streams)) {
    PutModelled(streams, std::move(modelled), out);
    return out;
  }
  PutSeparately(streams, options, out);
  if (shorter && modelled.size() <= out.bytes[kDiff].size() + out.bytes[kLiteral].size()) {
    PutModelled(streams, std::move(modelled), out);
  }
  return out;
}

}  // namespace till::delta
