#include "server/auth/gate.h"

#include "core/fault.h"
#include "server/auth/operators.h"
#include "server/auth/origin.h"
#include "server/faults.h"

namespace till::server {
namespace {

http::BodyPlan Refuse(Refusal refusal, TurnedAway why, uint64_t wait_s = 0) {
  http::Response response = refusal(why);
  if (why == TurnedAway::kStranger) {
    response.headers.push_back({"WWW-Authenticate", "Basic realm=\"tillhub\", charset=\"UTF-8\""});
  }
  if (why == TurnedAway::kLater) response.headers.push_back({"Retry-After", std::to_string(wait_s)});
  http::BodyPlan plan;
  plan.refuse = std::move(response);
  return plan;
}

}  // namespace

http::Response FaultRefusal(TurnedAway why) {
  switch (why) {
    case TurnedAway::kStranger:
      return http::JsonResponse(401, FormatFaultJson(faults::kUnauthorized, "", nullptr));
    case TurnedAway::kLater:
      return http::JsonResponse(429, FormatFaultJson(faults::kTooManySignIns, "", nullptr));
    case TurnedAway::kForeign:
      break;
  }
  return http::JsonResponse(403, FormatFaultJson(faults::kForeignOrigin, "", nullptr));
}

http::BodyPlan ForOperators(Hub& hub, const http::Request& request, Refusal refusal,
                            std::function<http::BodyPlan(const http::Request&)> plan) {
  if (IsForeign(request, hub.base_url, hub.trusted_proxies)) return Refuse(refusal, TurnedAway::kForeign);
  const std::string_view authorization = request.header("Authorization");
  if (hub.operators.Known(authorization)) return plan(request);
  if (!authorization.starts_with("Basic ")) return Refuse(refusal, TurnedAway::kStranger);
  http::BodyPlan pending;
  pending.later = [&hub, refusal, plan = std::move(plan)](const std::shared_ptr<http::PendingPlan>& undecided) {
    const auto decide = [refusal, plan, undecided](const Result<Operator>& who) {
      if (who.ok()) return undecided->Decide(plan(undecided->request()));
      if (who.error().code == ErrorCode::kRefused) return undecided->Decide(Refuse(refusal, TurnedAway::kStranger));
      const uint64_t wait_s = who.error().code == ErrorCode::kUnavailable ? who.error().detail : 1;
      undecided->Decide(Refuse(refusal, TurnedAway::kLater, wait_s));
    };
    const http::Request& asked = undecided->request();
    hub.operators.SignIn(asked.header("Authorization"), ClientKey(asked, hub.trusted_proxies), decide);
  };
  return pending;
}

}  // namespace till::server
