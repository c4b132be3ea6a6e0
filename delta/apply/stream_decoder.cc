#include "delta/apply/stream_decoder.h"

namespace till::delta {
Status StreamDecoder::Begin(const CodedStream& stream) {
  codec_ = stream.plain_bytes == 0 && stream.coded.empty() ? Codec::kStored : stream.codec;
  plain_left_ = stream.plain_bytes;
  switch (codec_) {
    case Codec::kStored:
      stored_ = MemoryInput(stream.coded);
      return Ok();
    case Codec::kZstd:
      return zstd_.Begin(stream.coded, stream.plain_bytes, stream.window_log, memory_);
    case Codec::kLzma:
      return lzma_.Begin(stream.coded, stream.plain_bytes, stream.window_log, memory_);
    case Codec::kModel:
      model_ = TILL_TRY(ResidualDecoder::Create(memory_, stream.coded));
      return Ok();
  }
  return Error{ErrorCode::kUnsupported, "stream codec", static_cast<uint64_t>(stream.codec)};
}

void StreamDecoder::StartDiff(uint64_t address) {
  if (model()) model_->StartOp(address);
}

size_t StreamDecoder::WholeWords(size_t bytes) const {
  return model() && bytes >= 4 ? bytes - (model_->phase() + bytes) % 4 : bytes;
}

Status StreamDecoder::ReadPredicted(ByteView predicted, MutableByteView out) {
  if (out.size() > plain_left_) return Error{ErrorCode::kCorrupt, "a stream ends early", 0};
  plain_left_ -= out.size();
  switch (codec_) {
    case Codec::kStored:
      TILL_TRY(stored_.Read(out));
      break;
    case Codec::kZstd:
      TILL_TRY(zstd_.Read(out));
      break;
    case Codec::kLzma:
      TILL_TRY(lzma_.Read(out));
      break;
    case Codec::kModel:
      return model_->Read(predicted, out);
  }
  for (size_t i = 0; i < predicted.size(); ++i) {
    out[i] = static_cast<std::byte>(static_cast<uint8_t>(out[i]) + static_cast<uint8_t>(predicted[i]));
  }
  return Ok();
}

Status StreamDecoder::Finish() {
  if (plain_left_ != 0) return Error{ErrorCode::kCorrupt, "a stream with bytes left over", 0};
  switch (codec_) {
    case Codec::kStored:
      return Ok();
    case Codec::kZstd:
      return zstd_.Finish();
    case Codec::kLzma:
      return lzma_.Finish();
    case Codec::kModel:
      return model_->Finish();
  }
  return Ok();
}

}  // namespace till::delta
