// Reads the body of POST rollouts into a plan. Inside server/mgmt.
#pragma once

#include "server/mgmt/api.h"
#include "server/rollout/engine.h"

namespace till::mgmt {

// kInvalid with what is wrong; kNotFound (detail: offset) for an unknown field in a filter.
Result<rollout::Plan> ReadRolloutPlan(const json::Value& body);

}  // namespace till::mgmt
