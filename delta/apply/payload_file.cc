#include "delta/apply/payload_file.h"

#include <algorithm>

namespace till::delta {
namespace {

constexpr size_t kPieceBytes = 32 << 10;

}  // namespace

Status SinkTarget::Write(ByteView bytes) {
  TILL_TRY(sink_.Write(bytes));
  written_ += bytes.size();
  return Ok();
}

Result<PayloadFile> OpenPayload(Source& payload) {
  std::byte start[ChunkList::kHeaderBytes];
  TILL_TRY(ReadFully(payload, 0, start));
  const uint64_t list_bytes = TILL_TRY(ChunkList::EncodedLength(start));
  if (list_bytes > payload.size()) return Error{ErrorCode::kCorrupt, "the chunk list is cut off", payload.size()};
  Bytes encoded(list_bytes);
  TILL_TRY(ReadFully(payload, 0, encoded));
  ChunkList chunks = TILL_TRY(ChunkList::Decode(encoded));
  if (payload.size() - list_bytes != chunks.body_length()) {
    return Error{ErrorCode::kCorrupt, "the file's length is not the chunk list's", payload.size()};
  }
  if (chunks.chunk_bytes() != uint64_t{1} << kChunkLog2) {
    return Error{ErrorCode::kUnsupported, "chunk size", chunks.chunk_bytes()};
  }
  if (chunks.chunk_count() == 0) return Error{ErrorCode::kCorrupt, "an empty payload", list_bytes};
  Bytes first(chunks.ChunkLength(0));
  TILL_TRY(ReadFully(payload, list_bytes, first));
  if (!chunks.Matches(0, first)) return Error{ErrorCode::kCorrupt, "chunk hash differs", list_bytes};
  const PayloadHeader header = TILL_TRY(DecodeHeader(first));
  if (header.body_bytes() != chunks.body_length()) {
    return Error{ErrorCode::kCorrupt, "header and chunk list disagree on the length", list_bytes};
  }
  return PayloadFile{std::move(chunks), crypto::Sha256Of(encoded), header, list_bytes};
}

Status ApplyPayloadFile(const ApplyFileOptions& options) {
  const PayloadFile file = TILL_TRY(OpenPayload(*options.payload));
  // The ceiling first: hashing a base for a payload that cannot be applied would be wasted time.
  if (file.header.arena_bytes > options.max_arena_bytes) {
    return Error{ErrorCode::kLimit, "the payload needs more memory than allowed", file.header.arena_bytes};
  }
  const VerifiedBase base = TILL_TRY(VerifiedBase::Check(options.base, file.header));
  SinkTarget target(*options.target);
  const std::unique_ptr<Applier> applier = TILL_TRY(Applier::Create({.chunks = &file.chunks,
                                                                     .header = &file.header,
                                                                     .base = &base,
                                                                     .target = &target,
                                                                     .max_arena_bytes = options.max_arena_bytes}));
  TILL_TRY(applier->Start());
  std::byte piece[kPieceBytes];
  while (applier->next_body_offset() < file.header.body_bytes()) {
    const uint64_t offset = applier->next_body_offset();
    const uint64_t left = file.header.body_bytes() - offset;
    const MutableByteView part(piece, static_cast<size_t>(std::min<uint64_t>(left, kPieceBytes)));
    TILL_TRY(ReadFully(*options.payload, file.body_offset + offset, part));
    TILL_TRY(applier->Write(part));
  }
  TILL_TRY(applier->Finish());
  return options.target->Finish();
}

}  // namespace till::delta
