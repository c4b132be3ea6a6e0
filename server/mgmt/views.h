// How the model's entities look as hawkBit's JSON. Pure but for look-ups in the given transaction.
#pragma once

#include <vector>

#include "server/mgmt/api.h"
#include "server/model/rollout.h"

namespace till::mgmt {

// A target. `with_till` adds our own member `till`: slot, running images and versions, newest action with its bytes.
Result<json::Value> TargetView(kv::ReadTxn& txn, const Call& call, const server::Target& target, bool with_till);
Result<json::Value> ActionView(kv::ReadTxn& txn, const Call& call, const server::Action& action);
json::Value StatusView(const server::ActionStatus& status);
json::Value ModuleView(const Call& call, const server::SoftwareModule& module);
json::Value ArtifactView(const Call& call, const server::SoftwareModule& module, const server::Artifact& artifact);
Result<json::Value> SetView(kv::ReadTxn& txn, const Call& call, const server::DistributionSet& set);
json::Value GroupView(const Call& call, const server::DeployGroup& group);

// A set has every module its type asks for.
bool IsComplete(const server::DistributionSet& set, const std::vector<server::SoftwareModule>& modules);

// The reason a terminal gave for its failure: details[0] of the newest error entry, "" when it gave none.
Result<std::string> FailureReason(kv::ReadTxn& txn, server::ActionId id);

}  // namespace till::mgmt
