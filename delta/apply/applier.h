// Applies one payload to the spare slot, in one pass and bounded memory.
//   input   body bytes in order, any cutting: no byte reaches a decoder before its chunk's hash was checked
//   output  the target image, in order, in pieces of at most 32 KiB, to a TargetWriter
//   memory  header.arena_bytes, taken in Create() or given, nothing afterwards but each chunk's hash context
//   resume  Resume(LastCheckpoint()) in a new Applier; push body bytes from next_body_offset(), which may jump
//   errors  kCorrupt (body offset), kRefused (not this payload, base or checkpoint), kLimit (the bound), kUnsupported,
//           and whatever base and target answer. After an error every call answers it again: the slot holds nothing.
//   Thread rule: one thread at a time. Layout: docs/formats/payload.md.
//
//   header = DecodeHeader(first chunk, checked)  →  preflight by the caller (signed entry, slot size, memory)
//   base = VerifiedBase::Check(&slot_a, header)  →  applier = Applier::Create({...})
//   applier.Start() or applier.Resume(checkpoint, slot_b)
//   while (applier.next_body_offset() < header.body_bytes()) applier.Write(bytes from that offset);  applier.Finish()
#pragma once

#include <memory>

#include "core/chunklist.h"
#include "core/io.h"
#include "delta/apply/target_writer.h"
#include "delta/apply/verified_base.h"
#include "delta/format/format.h"

namespace till::delta {

// Where to go on after a kill or power cut. Untrusted when it comes back: it is checked against the frame it names.
struct Checkpoint {
  uint64_t body_offset = 0;  // of a frame header
  uint32_t frame_index = 0;
  uint64_t target_offset = 0;  // target bytes that are durable; at or behind the frame's start
  // Of the bytes of the frame's chunk before it: they need not come again for the chunk's hash to be checked whole.
  crypto::Sha256State chunk{};
  bool operator==(const Checkpoint&) const = default;
};

struct ApplierOptions {
  const ChunkList* chunks = nullptr;      // not owned; its digest was checked against signed metadata by the caller
  const PayloadHeader* header = nullptr;  // copied
  const VerifiedBase* base = nullptr;     // copied (its Source is not)
  TargetWriter* target = nullptr;         // not owned
  uint64_t max_arena_bytes = 0;           // what this terminal can spare; a payload that declares more is kLimit
  MutableByteView arena = {};             // header->arena_bytes to work in, not owned; empty: taken from the heap
};

class Applier {
 public:
  // Refuses before the first byte: kLimit (detail: bytes asked) when the arena is too small, kRefused when header,
  // chunk list and base do not belong together, kUnsupported for another chunk size.
  static Result<std::unique_ptr<Applier>> Create(const ApplierOptions& options);
  ~Applier();
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  // From the first byte of the body on.
  Status Start();
  // From a checkpoint on. Reads the target's first checkpoint.target_offset bytes back through `written` to rebuild
  // the hash. kRefused when the checkpoint cannot be of this payload (also found later, by Write): start from 0 then.
  Status Resume(const Checkpoint& checkpoint, Source& written);

  // Body bytes from next_body_offset() on. May write a lot to the target (a long COPY) before it returns. What comes
  // behind a jump in the same call is dropped: look at next_body_offset() before the next one.
  Status Write(ByteView bytes);
  // Everything came and the target's SHA-256 is the promised one; otherwise kCorrupt.
  Status Finish();

  // The first body byte not taken yet. After Resume() it is the checkpoint's frame, or 0 when the payload has a map:
  // then it jumps to that frame as soon as the map is there.
  uint64_t next_body_offset() const;
  uint64_t target_written() const;
  // The latest place to go on from, by what the target calls durable.
  Checkpoint LastCheckpoint() const;

 private:
  class Machine;
  explicit Applier(std::unique_ptr<Machine> machine);
  std::unique_ptr<Machine> machine_;
};

}  // namespace till::delta
