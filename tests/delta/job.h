// One payload, opened and ready to be applied from anywhere, with any writer.
#pragma once

#include "tests/delta/craft.h"

namespace till::delta::testing {

struct Job {
  Job(Bytes payload, Bytes old_image, Bytes new_image)
      : file(std::move(payload)), base(std::move(old_image)), target(std::move(new_image)) {
    MemorySource source(file);
    opened = std::make_unique<PayloadFile>(OpenPayload(source).value());
    base_source = std::make_unique<MemorySource>(base);
    verified = std::make_unique<VerifiedBase>(VerifiedBase::Check(base_source.get(), opened->header).value());
  }
  explicit Job(Craft craft) : Job(craft.File(), craft.base(), craft.target()) {}

  std::unique_ptr<Applier> NewApplier(TargetWriter& writer, MutableByteView arena = {}) {
    return Applier::Create({.chunks = &opened->chunks,
                            .header = &opened->header,
                            .base = verified.get(),
                            .target = &writer,
                            .max_arena_bytes = 64 << 20,
                            .arena = arena})
        .value();
  }
  // Pushes the rest of the body in pieces, then finishes.
  Status Pump(Applier& applier, size_t piece = 1000) {
    const ByteView body = BodyOf(file);
    while (applier.next_body_offset() < body.size()) {
      const uint64_t at = applier.next_body_offset();
      TILL_TRY(applier.Write(body.subspan(at, std::min<uint64_t>(piece, body.size() - at))));
    }
    return applier.Finish();
  }

  Bytes file;
  Bytes base;
  Bytes target;
  std::unique_ptr<PayloadFile> opened;
  std::unique_ptr<MemorySource> base_source;
  std::unique_ptr<VerifiedBase> verified;
};

}  // namespace till::delta::testing
