// GET deploymentBase, installedBase and cancelAction (DDI A3, A5, A6).
#include <algorithm>

#include "core/text.h"
#include "server/ddi/ddi_handler.h"
#include "server/ddi/deployment.h"
#include "server/model/mirrors.h"
#include "server/model/operations.h"
#include "server/model/tenant_config.h"
#include "server/store/actions.h"

namespace till::server {
namespace {

constexpr size_t kMaxHistory = 100;

// The action when it is this target's, else nothing.
Result<std::optional<Action>> OwnAction(kv::ReadTxn& txn, const DdiCall& call, ActionId id) {
  auto action = GetAction(txn, id);
  if (!action.ok() && action.error().code != ErrorCode::kNotFound) return action.error();
  if (!action.ok() || action->controller_id != call.controller_id) return std::optional<Action>();
  return std::optional(std::move(*action));
}

// actionHistory: 0 none, N newest, negative or above 100 means 100. kInvalid for anything else.
Result<size_t> HistoryWanted(const http::Request& request) {
  const auto text = request.QueryParameter("actionHistory");
  if (!text || text->empty()) return size_t{0};
  if (text->starts_with('-') && ParseUint(std::string_view(*text).substr(1)).ok()) return kMaxHistory;
  const auto number = ParseUint(*text);
  if (!number.ok()) return Error{ErrorCode::kInvalid, "actionHistory is a number"};
  return static_cast<size_t>(std::min<uint64_t>(*number, kMaxHistory));
}

// The device's own messages, newest first.
Result<json::Value> History(kv::ReadTxn& txn, const Action& action, size_t wanted) {
  json::Value messages = json::Value::Array();
  TILL_TRY(ForEachStatusNewestFirst(txn, action.id, [&](const ActionStatus& status) {
    for (const std::string& message : status.messages) {
      if (messages.items().size() >= wanted) return false;
      if (!message.starts_with(kServerMessagePrefix)) messages.Append(message);
    }
    return true;
  }));
  if (messages.items().empty()) return json::Value();
  std::string state = ActionStateName(action.state);
  for (char& c : state) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return json::Value::Object({{"status", state}, {"messages", std::move(messages)}});
}

bool SameOffers(const std::vector<Offer>& a, const std::vector<Offer>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Offer& x, const Offer& y) {
    return x.module == y.module && x.payload_sha256 == y.payload_sha256;
  });
}

}  // namespace

Result<json::Value> DdiHandler::DeploymentBody(kv::ReadTxn& txn, const DdiCall& call, const Action& action,
                                               const Deployment& deployment) {
  const size_t history = TILL_TRY(HistoryWanted(call.request()));
  DeploymentView view{action, deployment, call.target_url, "", hub_.clock.UnixMs()};
  if (!deployment.Offers().empty()) {
    view.mirrors = MirrorsFor(call.controller_id, TILL_TRY(ConfigTextList(txn, config::kMirrors)));
  }
  json::Value body = DeploymentJson(view);
  if (history == 0) return body;
  json::Value told = TILL_TRY(History(txn, action, history));
  if (!told.is_null()) body.Set("actionHistory", std::move(told));
  return body;
}

DdiHandler::Outcome DdiHandler::GetDeploymentBase(kv::ReadTxn& txn, const DdiCall& call, ActionId id) {
  const auto action = TILL_TRY(OwnAction(txn, call, id));
  if (!action || action->canceling_or_canceled() || action->waits_for_confirmation() ||
      action->state == ActionState::kScheduled) {
    return Refuse(DdiFault::kNotFound);
  }
  const Deployment deployment = TILL_TRY(PlanDeployment(txn, hub_.releases.Current(), *action));
  if (action->active && (deployment.runs_already || !deployment.blocked.empty())) return Refuse(DdiFault::kNotFound);
  auto body = DeploymentBody(txn, call, *action, deployment);
  if (!body.ok() && body.error().code == ErrorCode::kInvalid) return Refuse(DdiFault::kConstraint, body.error().what);
  if (!body.ok()) return body.error();
  DdiOutcome outcome = Now(DdiJson(call.request(), *body));
  const std::vector<Offer> offers = deployment.Offers();
  const bool retrieved = action->last_entry == ActionState::kRetrieved;
  if (!action->active || (retrieved && SameOffers(offers, action->offers))) return outcome;
  outcome.job = [id, offers, words = deployment.OfferWords(),
                 now_ms = hub_.clock.UnixMs()](kv::WriteTxn& write) -> Status {
    Action taken = TILL_TRY(GetAction(write, id));
    if (!taken.active || taken.canceling()) return Ok();
    taken.offers = offers;
    taken.blocked.clear();
    TILL_TRY(PutAction(write, taken));
    std::string message = "Target retrieved update action and should start now the download.";
    if (!words.empty()) message += " " + words;
    return NoteRetrieved(write, id, message, now_ms);
  };
  return outcome;
}

DdiHandler::Outcome DdiHandler::GetInstalledBase(kv::ReadTxn& txn, const DdiCall& call, ActionId id) {
  const auto action = TILL_TRY(OwnAction(txn, call, id));
  if (!action || action->active || action->canceling_or_canceled() || action->state == ActionState::kScheduled) {
    return Refuse(DdiFault::kNotFound);
  }
  const Deployment deployment = TILL_TRY(PlanDeployment(txn, hub_.releases.Current(), *action));
  auto body = DeploymentBody(txn, call, *action, deployment);
  if (!body.ok() && body.error().code == ErrorCode::kInvalid) return Refuse(DdiFault::kConstraint, body.error().what);
  if (!body.ok()) return body.error();
  return Now(DdiJson(call.request(), *body));
}

DdiHandler::Outcome DdiHandler::GetCancelAction(kv::ReadTxn& txn, const DdiCall& call, ActionId id) {
  const auto action = TILL_TRY(OwnAction(txn, call, id));
  if (!action || !action->active || !action->canceling()) return Refuse(DdiFault::kNotFound);
  const std::string number = IdText(id);
  DdiOutcome outcome =
      Now(DdiJson(call.request(),
                  json::Value::Object({{"id", number}, {"cancelAction", json::Value::Object({{"stopId", number}})}})));
  if (action->last_entry == ActionState::kRetrieved) return outcome;
  outcome.job = [id, now_ms = hub_.clock.UnixMs()](kv::WriteTxn& write) {
    return NoteRetrieved(write, id, "Target retrieved cancel action and should start now the cancellation.", now_ms);
  };
  return outcome;
}

}  // namespace till::server
