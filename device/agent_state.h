// What the agent must not forget: one value, saved whole in the journal before anything is done about it.
//   Bounds: texts as below (longer ones are cut when set, refused when read), 24 pending feedbacks, 4 components; 24
//   KiB in all, as a rule below 2.
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

// One component of the release under way, as signed metadata describes it.
struct Plan {
  enum class Kind : uint8_t {
    kFull,
    kDelta,   // from the image `base`
    kChunks,  // from whatever runs: what it lacks is fetched
    kCopy,    // no payload: the running slot's image, so that the spare group is whole
  };
  uint8_t component = 0;  // by the configuration: 0 is the one that boots
  Kind kind = Kind::kFull;
  crypto::Sha256Digest payload{};
  uint64_t payload_bytes = 0;
  crypto::Sha256Digest chunk_list{};
  uint64_t chunk_list_bytes = 0;
  crypto::Sha256Digest index{};  // of chunks
  uint64_t index_bytes = 0;
  crypto::Sha256Digest base{};
  uint64_t base_bytes = 0;
  uint64_t arena_bytes = 0;
  // What of the payload will come: all of it; of chunks the index, and more once the base was looked through.
  uint64_t travel_bytes = 0;
  SlotImage target;
  uint32_t signed_floor = 0;  // what the floor becomes at confirm, at most

  bool is_delta() const { return kind == Kind::kDelta; }
  bool is_copy() const { return kind == Kind::kCopy; }
  bool SamePayload(const Plan& other) const { return payload == other.payload && target.sha256 == other.target.sha256; }
};

// As in signed metadata; "copy".
const char* PlanKindName(Plan::Kind kind);

// The last action that failed here, for `tilld why`.
struct Trouble {
  std::string text, action, version;
  int64_t unix_s = 0;
};

struct AgentState {
  static constexpr size_t kMaxFeedbacks = 24;
  static constexpr size_t kMaxText = 128;
  static constexpr size_t kMaxDetail = 512;
  static constexpr size_t kMaxDetails = 8;
  static constexpr size_t kMaxComponents = 4;
  static constexpr size_t kMaxRefused = 4;

  Phase phase = Phase::kIdle;
  std::string action;                         // the one under way
  std::string closed_action;                  // the last one that ended here: an offer of it again is no news
  std::string version;                        // of the release under way
  Plan plan;                                  // the component being installed
  std::vector<Plan> waiting;                  // those after it: all are switched to at once
  SlotId target = SlotId::kB;                 // the slot they go to
  uint32_t signed_floor = 0;                  // what the floor becomes at confirm, at most
  std::vector<crypto::Sha256Digest> refused;  // payloads given up in this action, for the next choice
  delta::Checkpoint checkpoint;               // how far the slot is durable; at its start: nothing is
  uint64_t received_bytes = 0;                // furthest payload byte of `plan` that reached the applier
  uint64_t received_before = 0;               // payload bytes of the action before `plan`
  uint64_t total_bytes = 0;                   // that the whole action lets travel, as far as it is known
  uint64_t peak_rss_kib = 0;                  // of the process while applying
  uint32_t feedback_seq = 0;                  // last given in this action
  uint8_t reboots = 0;                        // asked for in this trial without the new slot coming up
  std::string failure;                        // why the trial failed
  bool erase_spare = false;                   // the spare slot holds what was rejected: erase it
  std::string waiting_for;                    // why nothing is done now: "window", "lock: sale", ...
  int64_t asked_unix_s = 0;                   // since when the restart waits for somebody's word
  uint32_t floor = 0;                         // the highest floor ever seen, should the boot record be lost
  uint32_t month = 0;                         // the one the data budget counts: 202611
  uint64_t month_bytes = 0;                   // payload bytes received in it, repeats included
  Trouble trouble;
  std::array<SlotImage, 2> slots;                                       // by SlotId, of the component that boots
  std::array<std::array<SlotImage, kMaxComponents - 1>, 2> more_slots;  // of the others
  std::vector<Feedback> feedbacks;

  SlotImage& slot(SlotId id, size_t component = 0) {
    const auto index = static_cast<size_t>(id);
    return component == 0 ? slots[index] : more_slots[index][component - 1];
  }
  const SlotImage& slot(SlotId id, size_t component = 0) const {
    return const_cast<AgentState*>(this)->slot(id, component);
  }
  uint64_t received() const { return received_before + received_bytes; }
};

// One canonical encoding; kCorrupt (offset) for anything else, kLimit past a bound.
Bytes EncodeState(const AgentState& state);
Result<AgentState> DecodeState(ByteView bytes);

}  // namespace till::device
