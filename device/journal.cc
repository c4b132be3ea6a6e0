#include "device/journal.h"

#include <algorithm>
#include <utility>

#include "device/crc32.h"

namespace till::device {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kCrcBytes = 4;
constexpr uint32_t kMagic = 0x4e4a4c54;  // "TLJN"

struct Framed {
  uint32_t seq = 0;
  ByteView state;
};

Result<Framed> Unframe(ByteView bytes) {
  ByteReader in(bytes);
  Framed framed;
  if (TILL_TRY(in.U32()) != kMagic) return Error{ErrorCode::kCorrupt, "this is no journal", 0};
  framed.seq = TILL_TRY(in.U32());
  const uint32_t length = TILL_TRY(in.U32());
  framed.state = TILL_TRY(in.Take(length));
  const uint32_t crc = TILL_TRY(in.U32());
  if (crc != Crc32(bytes.first(kHeaderBytes + length))) {
    return Error{ErrorCode::kCorrupt, "the journal's checksum is wrong", kHeaderBytes + length};
  }
  return framed;
}

Bytes Frame(uint32_t seq, ByteView state) {
  ByteWriter out;
  out.U32(kMagic);
  out.U32(seq);
  out.U32(static_cast<uint32_t>(state.size()));
  out.Append(state);
  out.U32(Crc32(out.bytes()));
  return std::move(out).Take();
}

}  // namespace

Result<Bytes> Journal::ReadCopy(int copy) {
  Bytes bytes(kCopyBytes);
  TILL_TRY(file_->Read(copy, bytes));
  return bytes;
}

bool Journal::TakeCopy(int copy, ByteView bytes, bool have_other) {
  const auto framed = Unframe(bytes);
  if (!framed.ok()) return false;
  if (have_other && static_cast<int32_t>(framed->seq - seq_) <= 0) return false;
  auto state = DecodeState(framed->state);
  if (!state.ok()) return false;
  state_ = std::move(state).value();
  seq_ = framed->seq;
  copy_ = copy;
  return true;
}

Status Journal::Load() {
  state_ = AgentState{};
  seq_ = 0;
  copy_ = 1;
  found_ = false;
  for (int copy = 0; copy < 2; copy++) {
    const Bytes bytes = TILL_TRY(ReadCopy(copy));
    if (TakeCopy(copy, bytes, found_)) found_ = true;
  }
  return Ok();
}

Status Journal::Save(const AgentState& state) {
  const Bytes encoded = EncodeState(state);
  // What would not be read back is not written: the state before it is worth more.
  TILL_TRY(DecodeState(encoded));
  const Bytes bytes = Frame(seq_ + 1, encoded);
  if (bytes.size() > kCopyBytes) return Error{ErrorCode::kLimit, "the journal is too long", bytes.size()};
  const int copy = 1 - copy_;
  TILL_TRY(file_->Write(copy, bytes));
  Bytes back(bytes.size());
  TILL_TRY(file_->Read(copy, back));
  if (back != bytes) return Error{ErrorCode::kCorrupt, "the journal does not read back as written"};
  state_ = state;
  seq_++;
  copy_ = copy;
  found_ = true;
  return Ok();
}

}  // namespace till::device
