// Any base and any body, honest only where hashes and sums would stop everything at once: the applier refuses, or makes
// exactly what the header says, in the arena the header declares (a guarded buffer). covers S17 D06 D09
// Input: u32 base length, base, body. Base hash, lengths and arena are put into the header as they must be.
#include <algorithm>
#include <cstdint>

#include "core/chunklist.h"
#include "delta/apply/applier.h"
#include "delta/format/arena.h"
#include "tests/fuzz/counting_target.h"

namespace {

using namespace till;
using namespace till::delta;
using namespace till::delta::fuzzing;

constexpr uint64_t kMostTargetBytes = 4 << 20;
constexpr uint64_t kMostArenaBytes = 24 << 20;

void PutU64(Bytes& body, size_t at, uint64_t value) {
  for (size_t i = 0; i < 8; ++i) body[at + i] = static_cast<std::byte>(value >> 8 * i);
}

// Base, length and arena as they must be; the rest is the input's.
Result<PayloadHeader> MendHeader(ByteView base, Bytes& body) {
  if (body.size() < kHeaderBytes) return Error{ErrorCode::kCorrupt, "too short", 0};
  if (body[16] == std::byte{2}) {
    PutU64(body, 40, base.size());
    std::ranges::copy(crypto::Sha256Of(base), body.begin() + 48);
  }
  PutU64(body, 128, body.size() - kHeaderBytes);
  const uint32_t arena = kMostArenaBytes;
  for (size_t i = 0; i < 4; ++i) body[20 + i] = static_cast<std::byte>(arena >> 8 * i);
  PayloadHeader header = TILL_TRY(DecodeHeader(body));
  header.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(header));
  for (size_t i = 0; i < 4; ++i) body[20 + i] = static_cast<std::byte>(header.arena_bytes >> 8 * i);
  return DecodeHeader(body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader reader(std::as_bytes(std::span(data, size)));
  const auto base_bytes = reader.U32();
  if (!base_bytes.ok()) return 0;
  const ByteView base = *reader.Take(std::min<uint64_t>(*base_bytes, reader.remaining()));
  const ByteView rest = *reader.Take(reader.remaining());
  Bytes body(rest.begin(), rest.end());
  const auto header = MendHeader(base, body);
  if (!header.ok() || header->target_size > kMostTargetBytes) return 0;
  MemorySource body_source(body);
  MemorySource base_source(base);
  const auto chunks = ChunkList::Of(body_source, kChunkLog2);
  const auto verified = VerifiedBase::Check(&base_source, *header);
  if (!chunks.ok() || !verified.ok()) return 0;
  CountingTarget target(header->target_size);
  Bytes arena(header->arena_bytes);
  const auto applier = Applier::Create({&*chunks, &*header, &*verified, &target, kMostArenaBytes, arena});
  if (!applier.ok() || !(*applier)->Start().ok()) return 0;
  if ((*applier)->Write(body).ok() && (*applier)->Finish().ok()) {
    Check((*applier)->target_written() == header->target_size);
  }
  return 0;
}
