// Property: an index that is accepted says what it was read from, and assembling it from nothing asks for the whole
// image and no byte more.
#include <cstdlib>

#include "delta/chunks/chunk_assembler.h"

namespace {

class Nowhere : public till::delta::TargetWriter {
 public:
  till::Status Write(till::ByteView) override { return till::Ok(); }
  uint64_t durable_bytes() const override { return 0; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace till::delta;
  const till::ByteView bytes = std::as_bytes(std::span(data, size));
  const till::Result<ChunkIndex> index = ChunkIndex::Decode(bytes);
  if (!index.ok()) return 0;
  const till::Bytes again = index->Encode();
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) abort();
  Nowhere target;
  till::MemorySource base(bytes);
  const auto assembler =
      ChunkAssembler::Create({&*index, &base, size, &target, &base, 2048, ChunkAssembler::ArenaBytesFor(*index)});
  if (!assembler.ok() || !(*assembler)->Scan().ok()) abort();
  if ((*assembler)->missing_bytes() > index->target_bytes) abort();
  return 0;
}
