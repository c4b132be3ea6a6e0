// The reports that the agent's steps put into the queue (agent_state.h). Pure. Codes as docs/wires.md lists them.
#pragma once

#include <string>

#include "device/agent_state.h"

namespace till::device {

// An action that came from a medium: no server asked for it, none hears of it.
inline constexpr char kLocalAction[] = "local:";

void QueueStep(AgentState& state, uint32_t code, std::string detail);
// `details` follow the reason: the kernel's last words, as a rule.
void QueueOutcome(AgentState& state, bool success, std::string reason, const std::vector<std::string>& details);
void QueueCancelAnswer(AgentState& state, const std::string& action, bool stopped, std::string detail);

}  // namespace till::device
