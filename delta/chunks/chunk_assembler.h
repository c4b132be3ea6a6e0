// Rebuilds an image from what a terminal already holds and the ranges of the pack that it does not.
//   input   a ChunkIndex (checked against its signed hash by the caller), any base, then the ranges it asks for
//   output  the image in order, in pieces of at most one chunk, to a TargetWriter
//   memory  ArenaBytesFor(index), with the index itself: taken in Create() and Scan(), nothing afterwards
//   repeat  a chunk that stands more than once in the image is fetched once: what was written counts as held. It is
//           read back from `written` and checked again; one that follows itself needs not even that
//   time    one pass over the base before the first range: 38 (SHA-256) + 4 instructions a byte
//   resume  SkipWritten() first: the chunks that stand in the slot already are hashed, not fetched and not written
//   errors  kCorrupt (fetched bytes that are not what the index names: nothing of that chunk was written, and
//   NextRange()
//           asks for it again, so that another source may be tried), kLimit, and what base and target answer: then the
//           assembler is done with. A base that no longer holds what it held costs that chunk, which is fetched.
//
//   assembler = Create({index, &slot_a, base bytes, &slot_b writer});  assembler.SkipWritten(slot_b, durable);
//   assembler.Scan();
//   while (range = assembler.NextRange()) assembler.Write(pack bytes [range.offset, +range.length), in any cutting);
//   assembler.Finish();
#pragma once

#include <memory>
#include <optional>

#include "delta/apply/target_writer.h"
#include "delta/chunks/chunk_index.h"

namespace till::delta {

struct PackRange {
  uint64_t offset = 0;  // in the pack, which is the image
  uint64_t length = 0;
  bool operator==(const PackRange&) const = default;
};

struct AssemblerOptions {
  const ChunkIndex* index = nullptr;  // not owned
  Source* base = nullptr;             // not owned; null: nothing is held
  uint64_t base_bytes = 0;            // how much of it to look through
  TargetWriter* target = nullptr;     // not owned
  // Reads what `target` wrote, by its place in the image; not owned. Null: it cannot be read back while it is written,
  // and a chunk that does not follow itself is fetched again.
  Source* written = nullptr;
  // Held stretches of the base shorter than this between two missing ones are fetched with them: a request costs more.
  uint64_t merge_gap_bytes = 2048;
  uint64_t max_arena_bytes = 0;
};

class ChunkAssembler {
 public:
  // Index included, and the bytes that it is read from.
  static uint64_t ArenaBytesFor(const ChunkIndex& index);
  // kLimit (detail: bytes wanted) when the arena is larger than allowed.
  static Result<std::unique_ptr<ChunkAssembler>> Create(const AssemblerOptions& options);

  // Before Scan(): takes the chunks that stand in `written` from the image's start on, below `durable_bytes`, for done.
  // Answers where writing goes on: the target must take bytes from there.
  Result<uint64_t> SkipWritten(Source& written, uint64_t durable_bytes);
  // Finds what the base holds.
  Status Scan();
  // All that will still be fetched, in order: for the budget, before the first request.
  uint64_t missing_bytes() const;
  size_t range_count() const;
  // Of the pack, what was fetched: distinct bytes, those of an attempt before counted as far as they were kept.
  uint64_t fetched_bytes() const;
  uint64_t written_bytes() const { return next_offset_; }  // of the image; a place to go on from
  size_t collected_bytes() const { return collected_; }    // of the chunk that Write() is in

  // Writes what is held from here on, at least one chunk of it and about `max_bytes`. False: a missing chunk is next,
  // or the end.
  Result<bool> WriteHeld(uint64_t max_bytes);
  // Writes what is held up to the next missing chunk; answers the range to fetch now, nothing when all is written.
  Result<std::optional<PackRange>> NextRange();
  // Bytes of that range, in order.
  Status Write(ByteView bytes);
  // kCorrupt when the image is not the one the index names.
  Status Finish();

 private:
  explicit ChunkAssembler(const AssemblerOptions& options);
  void Mark(const ChunkName& name, uint32_t length, uint64_t base_offset);
  void MergeNear();
  void MarkRepeats();
  void MarkLaterOf(size_t first, uint64_t offset);
  bool Same(size_t a, size_t b) const {
    return chunks_[a].name == chunks_[b].name && chunks_[a].length == chunks_[b].length;
  }
  Result<bool> ReadHeld(MutableByteView out);
  Status Emit(ByteView chunk);
  bool missing(size_t index) const { return held_at_[index] == kMissing; }

  static constexpr uint32_t kMissing = ~uint32_t{0};
  // Held in what was written; an image's last byte stands below 2^30, so no place in it is taken for kMissing.
  static constexpr uint32_t kWritten = uint32_t{3} << 30;
  static constexpr size_t kNone = ~size_t{0};
  AssemblerOptions options_;
  const std::vector<ChunkEntry>& chunks_;
  std::vector<uint32_t> held_at_;  // per chunk: offset in the base, kWritten + offset in the image, or kMissing
  std::vector<uint32_t> by_name_;  // chunk numbers, sorted by name
  Bytes chunk_;                    // being collected, or read again
  size_t in_hand_ = kNone;         // the chunk whose bytes chunk_ holds
  size_t collected_ = 0;
  size_t next_ = 0;           // chunk to write next
  uint64_t next_offset_ = 0;  // its place in the image
  crypto::Sha256 hash_;
};

}  // namespace till::delta
