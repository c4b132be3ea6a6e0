// How the planes for operators begin a request: who sends it is settled when the head is in. Nothing of a stranger's
// body is read, and no password is verified on a loop.
#pragma once

#include <cstdint>
#include <functional>

#include "core/http/server.h"
#include "server/hub.h"

namespace till::server {

enum class TurnedAway : uint8_t {
  kStranger,  // 401
  kLater,     // 429: too many sign-ins, wrong ones or at once
  kForeign,   // 403: another site's page sent it
};
// The body of a refusal, as the plane writes it. The gate adds WWW-Authenticate and Retry-After.
using Refusal = http::Response (*)(TurnedAway why);
// A fault as JSON: for the planes that speak to our own programs.
http::Response FaultRefusal(TurnedAway why);

// `plan` is called for operators only: here, or on a thread of the sign-ins. What it refers to outlives
// Operators::Stop().
http::BodyPlan ForOperators(Hub& hub, const http::Request& request, Refusal refusal,
                            std::function<http::BodyPlan(const http::Request&)> plan);

}  // namespace till::server
