// Moves rollouts: cuts the fleet into groups at creation, starts group after group, pauses on errors, ends.
//   Every function works in one write transaction and checks before it writes, so a kill between two of them loses and
//   doubles nothing: Step() decides from what is stored alone. Counts are kept by the store with each action, so a step
//   looks at rollouts and groups, never at all targets; starting a group takes kBatch members per step.
//   Only a confirmed boot (action finished) counts as success. A group that is over without reaching its success
//   threshold pauses the rollout, unless it is the last one: the next group never opens by itself on too little.
//   Success: finished / total >= n %. Error: error / total > n % (strict). Source: hawkBit's rollout thresholds.
//   Errors: kNotFound; kRefused for a command that does not fit the state; kInvalid for a plan that cannot be;
//   kConflict for a name in use; kLimit for more than kMaxGroups groups.
#pragma once

#include <string>
#include <vector>

#include "core/kv/kv.h"
#include "server/mgmt/rsql.h"
#include "server/model/operations.h"
#include "server/model/rollout.h"
#include "server/store/last_seen.h"

namespace till::rollout {

inline constexpr size_t kMaxGroups = 500;
inline constexpr size_t kBatch = 200;  // members started, canceled or removed in one transaction

struct GroupPlan {
  std::string name, description;
  std::string target_filter;               // RSQL on top of the rollout's; "" = all
  mgmt::rsql::Filter filter;               // the same, parsed
  uint32_t target_millipercent = 100'000;  // of what matches and is left when this group is filled
  server::GroupConditions conditions;
};

struct Plan {
  server::Rollout rollout;  // name, set, target_filter and types filled
  mgmt::rsql::Filter filter;
  std::vector<GroupPlan> groups;
};

// Equal groups, as `amountGroups` asks: group-1 … group-n.
std::vector<GroupPlan> EqualGroups(size_t amount, const server::GroupConditions& conditions);

// Takes the matching targets into the groups and puts the rollout as ready (or waiting for approval). kInvalid when no
// target matches or some target would be in no group.
Result<server::Rollout> Create(kv::WriteTxn& txn, const server::LastSeen& last_seen, Plan plan, bool needs_approval,
                               const server::Actor& actor);

Status Decide(kv::WriteTxn& txn, server::RolloutId id, bool approved, std::string remark, const server::Actor& actor);
Status Start(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor);
Status Pause(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor);
// From paused: goes on with the next group; what paused it is past.
Status Resume(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor);
// Running: opens the next group now, whatever the thresholds say.
Status TriggerNextGroup(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor);
Status Stop(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor);
// Never started: gone with its groups. Else hidden; what terminals work on goes on.
Status Delete(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor);

// One bounded piece of work. Answers true when more can be done at once.
Result<bool> Step(kv::WriteTxn& txn, server::RolloutId id, int64_t now_ms);
// Whether Step() could have something to do.
bool HasWork(const server::Rollout& rollout, int64_t now_ms);

// All that is in a group: what its counts add up to (deleted targets drop out).
uint64_t TotalOf(const server::DeployGroup& group);

}  // namespace till::rollout
