// What the agent must not forget: one value, saved whole in the journal before anything is done about it.
//   Bounds: texts as below (longer ones are cut when set, refused when read), 24 pending feedbacks, 12 KiB in all.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/crypto/hash.h"
#include "core/result.h"
#include "delta/apply/applier.h"
#include "device/boot_control.h"

namespace till::device {

enum class Phase : uint8_t {
  kIdle,        // nothing under way
  kOffered,     // an action was accepted, nothing is written yet
  kInstalling,  // its payload flows into the spare slot; `checkpoint` says how far
  kWritten,     // the slot is whole, not read back
  kVerified,    // read back and right, not switched
  kTrying,      // the boot record is or will be TRIAL; with `failure` set: on the way back
};
const char* PhaseName(Phase phase);

// A report for the server, heard once: the server drops a repeated (action, seq).
struct Feedback {
  bool about_cancel = false;  // goes to cancelAction instead of deploymentBase
  std::string action;
  uint32_t seq = 0;       // 0: not numbered (about an action that is not under way)
  uint64_t bytes = 0;     // distinct payload bytes received for the action so far
  std::string execution;  // "proceeding", "closed", "rejected"
  std::string finished;   // "none", "success", "failure"
  uint32_t code = 0;      // 0: none
  std::vector<std::string> details;
};

// What a slot holds, as the agent wrote or adopted it.
struct SlotImage {
  bool known = false;
  crypto::Sha256Digest sha256{};
  uint64_t length_bytes = 0;
  uint32_t rollback_index = 0;
  std::string version;
};

// The release under way, as signed metadata describes it.
struct Plan {
  bool is_delta = false;
  crypto::Sha256Digest payload{};
  uint64_t payload_bytes = 0;
  crypto::Sha256Digest chunk_list{};
  uint64_t chunk_list_bytes = 0;
  crypto::Sha256Digest base{};
  uint64_t base_bytes = 0;
  uint64_t arena_bytes = 0;
  SlotImage target;
  uint32_t signed_floor = 0;  // what the floor becomes at confirm, at most

  bool SamePayload(const Plan& other) const { return payload == other.payload && target.sha256 == other.target.sha256; }
};

struct AgentState {
  static constexpr size_t kMaxFeedbacks = 24;
  static constexpr size_t kMaxText = 128;
  static constexpr size_t kMaxDetail = 512;
  static constexpr size_t kMaxDetails = 4;

  Phase phase = Phase::kIdle;
  std::string action;         // the one under way
  std::string closed_action;  // the last one that ended here: an offer of it again is no news
  Plan plan;
  delta::Checkpoint checkpoint;    // how far the slot is durable; at its start: nothing is
  uint64_t received_bytes = 0;     // furthest payload byte that reached the applier
  uint64_t peak_rss_kib = 0;       // of the process while applying
  uint32_t feedback_seq = 0;       // last given in this action
  uint8_t reboots = 0;             // asked for in this trial without the new slot coming up
  std::string failure;             // why the trial failed
  bool erase_spare = false;        // the spare slot holds what was rejected: erase it
  uint32_t floor = 0;              // the highest floor ever seen, should the boot record be lost
  std::array<SlotImage, 2> slots;  // by SlotId
  std::vector<Feedback> feedbacks;

  SlotImage& slot(SlotId id) { return slots[static_cast<size_t>(id)]; }
  const SlotImage& slot(SlotId id) const { return slots[static_cast<size_t>(id)]; }
};

// One canonical encoding; kCorrupt (offset) for anything else, kLimit past a bound.
Bytes EncodeState(const AgentState& state);
Result<AgentState> DecodeState(ByteView bytes);

}  // namespace till::device
