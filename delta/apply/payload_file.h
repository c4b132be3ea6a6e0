// A payload as a whole file (or any Source): opened, looked at, applied. For programs that hold all of it; the agent
// streams instead.
#pragma once

#include "core/chunklist.h"
#include "delta/apply/applier.h"

namespace till::delta {

struct PayloadFile {
  ChunkList chunks;
  crypto::Sha256Digest chunks_sha256;  // of the encoded list, as signed metadata names it
  PayloadHeader header;
  uint64_t body_offset;  // in the file
};

// Reads the list, checks the file's length against it and the first chunk's hash, and decodes the header.
// kCorrupt, kUnsupported, kLimit; kIo from the source.
Result<PayloadFile> OpenPayload(Source& payload);

// A target that is a Sink which loses nothing (a file that will be renamed, memory).
class SinkTarget : public TargetWriter {
 public:
  explicit SinkTarget(Sink& sink) : sink_(sink) {}
  Status Write(ByteView bytes) override;
  uint64_t durable_bytes() const override { return written_; }

 private:
  Sink& sink_;
  uint64_t written_ = 0;
};

struct ApplyFileOptions {
  Source* payload = nullptr;
  Source* base = nullptr;  // null for a full payload
  Sink* target = nullptr;  // finished when all is well
  uint64_t max_arena_bytes = 0;
};

// Opens, checks the base, applies, checks the target's digest.
Status ApplyPayloadFile(const ApplyFileOptions& options);

}  // namespace till::delta
