// The agent's memory: its state in two copies with a sequence number and a CRC, as the boot record is kept, so that a
// kill or power cut at any write leaves the state before it or after it.
//   magic "TLJN"  u32 seq  u32 length  state (agent_state.h)  u32 CRC-32 of all before it; little endian
//   Bounds: kCopyBytes per copy. Errors: kIo, kLimit; kCorrupt when a write does not read back.
#pragma once

#include <memory>

#include "device/agent_state.h"
#include "device/record_file.h"

namespace till::device {

class Journal {
 public:
  static constexpr uint64_t kCopyBytes = 32 * 1024;

  explicit Journal(std::unique_ptr<RecordFile> file) : file_(std::move(file)) {}

  // The newest valid state; a fresh one when neither copy is valid (then `found` is false).
  Status Load();
  // Before anything is done about what was loaded: a newer state that a cut left half written, and that did not read as
  // valid, must not come back when the slot was written on by the older one.
  Status MakeFirm() { return file_->MakeFirm(); }
  Status Save(const AgentState& state);
  const AgentState& state() const { return state_; }
  bool found() const { return found_; }

 private:
  Result<Bytes> ReadCopy(int copy);
  bool TakeCopy(int copy, ByteView bytes, bool have_other);

  std::unique_ptr<RecordFile> file_;
  AgentState state_;
  bool found_ = false;
  uint32_t seq_ = 0;
  int copy_ = 1;  // the one that counts; the next write goes over the other
};

}  // namespace till::device
