#include "packer/chunk_tier.h"

#include "core/file.h"
#include "delta/chunks/chunk_assembler.h"
#include "delta/chunks/chunk_file.h"

namespace till::packer {
namespace {

constexpr uint64_t kPlayedFrom = 1;       // till.format of the terminals that play version 1 of the index
constexpr size_t kPieceBytes = 16 << 10;  // of a range at a time, as a connection brings it

class HashedSink : public Sink {
 public:
  explicit HashedSink(Sink& next) : next_(next) {}
  Status Write(ByteView bytes) override {
    hash_.Update(bytes);
    length_ += bytes.size();
    return next_.Write(bytes);
  }
  Status Finish() override { return next_.Finish(); }
  crypto::Sha256Digest digest() { return hash_.Finish(); }
  uint64_t length() const { return length_; }

 private:
  Sink& next_;
  crypto::Sha256 hash_;
  uint64_t length_ = 0;
};

// The plan only: nothing is kept.
class SinkWriter : public delta::TargetWriter {
 public:
  explicit SinkWriter(Sink* sink) : sink_(sink) {}
  Status Write(ByteView bytes) override { return sink_ == nullptr ? Ok() : sink_->Write(bytes); }
  uint64_t durable_bytes() const override { return 0; }

 private:
  Sink* sink_;
};

Status FetchRanges(delta::ChunkAssembler& assembler, Source& object, uint64_t pack_offset) {
  Bytes piece(kPieceBytes);
  for (;;) {
    const std::optional<delta::PackRange> range = TILL_TRY(assembler.NextRange());
    if (!range) return assembler.Finish();
    for (uint64_t done = 0; done < range->length;) {
      const auto part = static_cast<size_t>(std::min<uint64_t>(piece.size(), range->length - done));
      TILL_TRY(ReadFully(object, pack_offset + range->offset + done, MutableByteView(piece).first(part)));
      TILL_TRY(assembler.Write(ByteView(piece).first(part)));
      done += part;
    }
  }
}

}  // namespace

Status MakeChunkObject(const std::string& image_path, Sink& out, unsigned average_log2, PayloadRecord& record) {
  FileSource image = TILL_TRY(FileSource::Open(image_path));
  HashedSink hashed(out);
  const delta::ChunkFile made = TILL_TRY(delta::WriteChunkFile(image, average_log2, hashed));
  TILL_TRY(hashed.Finish());
  record.kind = PayloadRecord::Kind::kChunks;
  record.length = hashed.length();
  record.sha256 = hashed.digest();
  record.chunk_list_length = made.list_bytes;
  record.chunk_list_sha256 = made.list_sha256;
  record.arena_bytes = delta::ChunkAssembler::ArenaBytesFor(made.index);
  record.format_minor = kPlayedFrom;
  record.index_length = made.index_bytes;
  record.index_sha256 = made.index_sha256;
  return Ok();
}

Result<ChunkCost> PlayChunks(const std::string& base_path, const std::string& object_path, const ChunkOutput& output) {
  FileSource object = TILL_TRY(FileSource::Open(object_path));
  const delta::ChunkFile file = TILL_TRY(delta::OpenChunkFile(object));
  FileSource base(UniqueFd(), 0);
  if (!base_path.empty()) base = TILL_TRY(FileSource::Open(base_path));
  SinkWriter writer(output.sink);
  delta::AssemblerOptions options;
  options.index = &file.index;
  options.base = base_path.empty() ? nullptr : &base;
  options.base_bytes = base.size();
  options.target = &writer;
  MemorySource anything{ByteView()};  // a plan asks whether, and reads nothing
  options.written = output.sink == nullptr ? &anything : output.written;
  options.max_arena_bytes = delta::ChunkAssembler::ArenaBytesFor(file.index);
  const std::unique_ptr<delta::ChunkAssembler> assembler = TILL_TRY(delta::ChunkAssembler::Create(options));
  TILL_TRY(assembler->Scan());
  const ChunkCost cost{file.index_bytes, assembler->missing_bytes(), assembler->range_count(), options.max_arena_bytes,
                       file.index.target_bytes};
  if (output.sink != nullptr) TILL_TRY(FetchRanges(*assembler, object, file.pack_offset()));
  return cost;
}

}  // namespace till::packer
