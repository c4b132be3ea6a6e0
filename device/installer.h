// One payload into the spare slot, in one pass, of any kind: a full payload or a delta through the applier, sources in
// order -> chunk hash -> applier -> slot, with a checkpoint at each frame; chunks by chunk_install.h. A source that is
// slow, gone, short or wrong gives way to the next at the byte where it stood; a chunk is taken only whole and with its
// signed hash, so that a wrong byte costs at most 32 KiB and reaches no decoder.
//   Memory: the payload's arena, its chunk list, one chunk. Errors: as InstallEnd says. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/chunklist.h"
#include "delta/apply/applier.h"
#include "device/agent_state.h"
#include "device/payload_fetcher.h"
#include "device/refusal.h"
#include "device/slots/slot.h"

namespace till::device {

struct InstallEnd {
  enum class Kind : uint8_t {
    kInstalled,
    kInterrupted,  // no source delivers now, or the program shall stop: go on later from the checkpoint
    kCanceled,     // the observer said so
    kRefused,      // never: `refusal`
  };
  Kind kind = Kind::kInterrupted;
  Refusal refusal;  // of kInterrupted: why, where it was the observer's word
  uint64_t received_bytes = 0;
};

// Told while bytes flow. An Error ends the installation: kCanceled to stop it, kUnavailable to go on
// later, others when the journal fails.
class InstallObserver {
 public:
  virtual ~InstallObserver() = default;
  virtual Status OnCheckpoint(const delta::Checkpoint& checkpoint, uint64_t received_bytes) = 0;
  virtual Status OnBytes(uint64_t received_bytes) = 0;
  // How much of the payload will travel in all, before more does: known for chunks only once the base was looked
  // through. The end of the installation, or nothing.
  virtual std::optional<InstallEnd> OnPlanned(uint64_t travel_bytes) = 0;
};

struct InstallInput {
  Plan plan;
  delta::Checkpoint checkpoint;  // at its start: from the beginning
  std::vector<PayloadSource> sources;
  // The running image, exactly its length; null for a full payload. For chunks anything, or null: it is looked through.
  Source* base = nullptr;
  Slot* slot = nullptr;
  std::string head_file;  // keeps what a resume needs first: chunk list and first chunk, or the index
  uint64_t arena_bytes = 0;
};

class Installer {
 public:
  Installer(PayloadFetcher& fetcher, InstallObserver& observer) : fetcher_(fetcher), observer_(observer) {}
  InstallEnd Run(const InstallInput& input);

 private:
  struct Job;
  PayloadFetcher& fetcher_;
  InstallObserver& observer_;
};

// The first `length_bytes` of a slot: the image without what follows it.
class ImageInSlot final : public Source {
 public:
  ImageInSlot(Source& slot, uint64_t length_bytes) : slot_(slot), length_bytes_(length_bytes) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override;
  uint64_t size() const override { return length_bytes_; }

 private:
  Source& slot_;
  uint64_t length_bytes_;
};

}  // namespace till::device
