// The agent's decisions, pure: (state, event) -> (state, actions). No I/O, no clock, no randomness in here, so that the
// terminal, the fault tests and the fleet simulator run the same steps. The runner (runner.h) saves the state when it
// changed, then performs the actions in order; each ends in an event. What a kill interrupts is asked for again by
// Event::kStarted, because every phase says what is due in it.
//   The table in agent.cc has a row for each (phase, event) that means something; any other pair changes nothing.
#pragma once

#include <string>
#include <vector>

#include "device/agent_state.h"

namespace till::device {

// The boot record as the agent needs it.
struct BootView {
  SlotId running = SlotId::kA;
  SlotId stable = SlotId::kA;
  bool in_trial = false;
  SlotId trial = SlotId::kA;
  bool has_failed = false;
  SlotId failed = SlotId::kA;
  uint8_t failed_reason = 0;
  uint32_t floor = 0;
};

struct Event {
  enum class Kind : uint8_t {
    kStarted,      // the program began, or goes on after a rest or an interruption
    kNothing,      // the server has no action for us
    kOffer,        // it has `action`
    kCancel,       // it wants `action` stopped
    kAccepted,     // the offer passed every check of trust; `plan`, `waiting`
    kAlready,      // the offered image is the one that runs
    kRefused,      // the action cannot be done; `text` is the reason for the report. With `next_choice` another
                   // payload of the same action may be tried instead
    kMayInstall,   // nobody objects to the download
    kNotYet,       // somebody does: `text` says who, the same words as long as it is the same
    kReady,        // preflight passed, the spare slot is withdrawn
    kProgress,     // a checkpoint: `checkpoint`, `received_bytes`; or `travel_bytes` became known
    kInstalled,    // every byte is in the slot; `received_bytes`, `peak_rss_kib`
    kInterrupted,  // the download stopped and is to be taken up again; `received_bytes`
    kReadBack,     // the slot holds the signed image
    kMaySwitch,    // nobody objects to the restart now
    kHealthy,      // every check passed
    kUnhealthy,    // `text` says which did not
    kConfirmed,    // the boot record says stable
  };
  Kind kind = Kind::kStarted;
  std::string action;
  std::string text;
  std::vector<std::string> details;  // of an outcome: the kernel's last words
  Plan plan;
  std::vector<Plan> waiting;
  bool next_choice = false;
  int64_t unix_s = 0;          // filled in every event, as well as it is known
  bool clock_is_right = true;  // false: `unix_s` is the earliest it can be
  BootView boot;               // filled in every event
  delta::Checkpoint checkpoint;
  uint64_t received_bytes = 0;
  uint64_t travel_bytes = 0;  // of kProgress: what of the payload will come in all; 0: nothing new
  uint64_t peak_rss_kib = 0;
};

enum class Action : uint8_t {
  kSendFeedback,  // deliver what is queued, in order
  kPoll,          // ask the server: kNothing, kOffer, kCancel
  kCheck,         // signed metadata about the offer: kAccepted, kRefused, kInterrupted
  kAskInstall,    // window, budget: kMayInstall, kNotYet, kRefused
  kPrepare,       // preflight: kReady, kRefused, kNotYet
  kInstall,       // from the checkpoint on: kProgress..., kInstalled, kInterrupted, kRefused, kCancel
  kReadBack,      // kReadBack, kRefused
  kAskSwitch,     // window, lock, consent, the server: kMaySwitch, kNotYet, kCancel
  kBeginTrial,    // boot record; kRefused when it cannot be written
  kLook,          // reads the boot record anew: kStarted
  kReboot,        // the program ends, or runs the command; kNotYet when the command fails
  kCheckHealth,   // kHealthy, kUnhealthy
  kConfirm,       // boot record: kConfirmed
  kMarkFailed,    // boot record
  kEraseSpare,    // what was rejected must not stay
  kBackOff,       // wait longer each time, then poll
  kRest,          // wait for the next poll
};
const char* ActionName(Action action);

// Whether a step ended the action under way, and how.
enum class Ending : uint8_t { kNone, kSucceeded, kFailed };

struct Step {
  AgentState state;
  std::vector<Action> actions;
  Ending ending = Ending::kNone;
  std::string reason;  // of the ending, as it is reported
};

Step Decide(const AgentState& state, const Event& event);

}  // namespace till::device
