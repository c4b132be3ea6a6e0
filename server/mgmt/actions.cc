// Actions of one target and of all.
#include "server/store/actions.h"
#include "server/choose/release_index.h"
#include "server/mgmt/listing.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/views.h"
#include "server/store/last_seen.h"
#include "server/store/rollouts.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::mgmt {

namespace {

// "delta", "chunks, delta": of the payloads offered.
std::string OfferedKinds(const server::Hub& hub, const server::Action& action) {
  const std::shared_ptr<const server::ReleaseIndex> index = hub.releases.Current();
  std::string kinds;
  for (const server::Offer& offer : action.offers) {
    const auto kind = index->KindOfPayload(offer.payload_sha256);
    if (kind) kinds += (kinds.empty() ? "" : ", ") + std::string(server::PayloadKindName(*kind));
  }
  return kinds;
}

}  // namespace

Result<json::Value> ActionView(kv::ReadTxn& txn, const Call& call, const server::Action& action) {
  json::Value view = json::Value::Object();
  SetAudit(view, action.audit);
  view.Set("id", server::Number(action.id)).Set("type", action.type());
  view.Set("status", server::ActionStateName(action.state)).Set("active", action.active);
  view.Set("detailStatus", server::ActionStateName(action.state));  // where older clients look
  view.Set("forceType", server::ForceTypeName(action.force_type)).Set("weight", action.weight);
  if (action.force_type == server::ForceType::kTimeForced) view.Set("forceTime", action.force_time_ms);
  if (action.last_code) view.Set("lastStatusCode", *action.last_code);
  if (!action.external_ref.empty()) view.Set("externalRef", action.external_ref);
  if (action.window.set()) {
    json::Value window = json::Value::Object();
    window.Set("schedule", action.window.schedule).Set("duration", action.window.duration);
    window.Set("timezone", action.window.timezone);
    view.Set("maintenanceWindow", std::move(window));
  }
  if (server::IsSet(action.rollout)) {
    view.Set("rollout", server::Number(action.rollout));
    const auto rollout = server::GetRollout(txn, action.rollout);
    if (rollout.ok()) view.Set("rolloutName", rollout->name);
  }
  json::Value till = json::Value::Object();
  till.Set("bytes", action.payload_bytes);
  if (const std::string kinds = OfferedKinds(call.hub, action); !kinds.empty()) till.Set("kind", kinds);
  if (!action.blocked.empty()) till.Set("blocked", action.blocked);
  if (action.state == server::ActionState::kError) till.Set("reason", TILL_TRY(FailureReason(txn, action.id)));
  view.Set("till", std::move(till));
  const std::string target = call.Link("targets/" + EncodeSegment(action.controller_id));
  SetLink(view, "self", target + "/actions/" + server::IdText(action.id));
  SetLink(view, "target", target);
  SetLink(view, "status",
          target + "/actions/" + server::IdText(action.id) + "/status?offset=0&limit=50&sort=id%3ADESC");
  SetLink(view, "distributionset", call.Link("distributionsets/" + server::IdText(action.set)));
  return view;
}

json::Value StatusView(const server::ActionStatus& status) {
  json::Value view = json::Value::Object();
  view.Set("id", server::Number(status.id)).Set("type", server::ActionStateName(status.state));
  json::Value messages = json::Value::Array();
  for (const std::string& message : status.messages) messages.Append(message);
  view.Set("messages", std::move(messages)).Set("reportedAt", status.reported_at_ms);
  view.Set("timestamp", status.timestamp_ms);
  if (status.code) view.Set("code", *status.code);
  return view;
}

namespace actions {
namespace {

using rsql::FieldKind;
using server::Action;
using server::ActionId;

constexpr rsql::Field kFields[] = {{"id", FieldKind::kNumber},
                                   {"active", FieldKind::kBool},
                                   {"status"},
                                   {"detailstatus"},
                                   {"laststatuscode", FieldKind::kNumber},
                                   {"weight", FieldKind::kNumber},
                                   {"externalref"},
                                   {"target.controllerid"},
                                   {"target.id"},
                                   {"target.name"},
                                   {"target.updatestatus"},
                                   {"target.ipaddress"},
                                   {"distributionset.id", FieldKind::kNumber},
                                   {"distributionset.name"},
                                   {"distributionset.version"},
                                   {"distributionset.type"},
                                   {"rollout.id", FieldKind::kNumber},
                                   {"rollout.name"},
                                   {"rolloutgroup.id", FieldKind::kNumber},
                                   {"rolloutgroup.name"},
                                   {"createdat", FieldKind::kNumber},
                                   {"lastmodifiedat", FieldKind::kNumber},
                                   {"createdby"},
                                   {"lastmodifiedby"}};

constexpr rsql::Field kStatusFields[] = {{"id", FieldKind::kNumber},
                                         {"code", FieldKind::kNumber},
                                         {"type"},
                                         {"status"},
                                         {"reportedat", FieldKind::kNumber},
                                         {"timestamp", FieldKind::kNumber},
                                         {"createdat", FieldKind::kNumber}};

struct ActionReader {
  kv::ReadTxn* txn;
  const Call* call;

  std::vector<std::string> operator()(const Action& action, const rsql::Comparison& wanted) const {
    const std::string& field = wanted.field;
    if (field == "id") return {server::IdText(action.id)};
    if (field == "active") return {action.active ? "true" : "false"};
    if (field == "status" || field == "detailstatus") return {server::ActionStateName(action.state)};
    if (field == "weight") return {std::to_string(action.weight)};
    if (field == "externalref" && !action.external_ref.empty()) return {action.external_ref};
    if (field == "laststatuscode" && action.last_code) return {std::to_string(*action.last_code)};
    if (field == "target.controllerid" || field == "target.id") return {action.controller_id};
    if (field == "createdat") return {std::to_string(action.audit.created_at_ms)};
    if (field == "lastmodifiedat") return {std::to_string(action.audit.last_modified_at_ms)};
    if (field == "createdby") return {action.audit.created_by};
    if (field == "lastmodifiedby") return {action.audit.last_modified_by};
    if (field.starts_with("target.")) return OfTarget(action, field.substr(7));
    if (field.starts_with("distributionset.")) return OfSet(action, field.substr(16));
    if (field.starts_with("rollout")) return OfRollout(action, field);
    return {};
  }

 private:
  std::vector<std::string> OfTarget(const Action& action, std::string_view part) const {
    if (part == "ipaddress") return {call->hub.last_seen.Get(action.controller_id).address};
    const auto target = server::GetTarget(*txn, action.controller_id);
    if (!target.ok()) return {};
    return {part == "name" ? target->name : server::TargetStatusName(target->status)};
  }
  std::vector<std::string> OfSet(const Action& action, std::string_view part) const {
    if (part == "id") return {server::IdText(action.set)};
    const auto set = server::GetSet(*txn, action.set);
    if (!set.ok()) return {};
    return {part == "name" ? set->name : part == "version" ? set->version : set->type};
  }
  std::vector<std::string> OfRollout(const Action& action, std::string_view field) const {
    if (!server::IsSet(action.rollout)) return {};
    if (field == "rollout.id") return {server::IdText(action.rollout)};
    if (field == "rolloutgroup.id") return {server::IdText(action.group)};
    if (field == "rollout.name") {
      const auto rollout = server::GetRollout(*txn, action.rollout);
      return rollout.ok() ? std::vector<std::string>{rollout->name} : std::vector<std::string>{};
    }
    const auto group = server::GetGroup(*txn, action.group);
    return group.ok() ? std::vector<std::string>{group->name} : std::vector<std::string>{};
  }
};

std::vector<std::string> ReadStatusField(const server::ActionStatus& status, const rsql::Comparison& wanted) {
  const std::string& field = wanted.field;
  if (field == "id") return {server::IdText(status.id)};
  if (field == "type" || field == "status") return {server::ActionStateName(status.state)};
  if (field == "timestamp") return {std::to_string(status.timestamp_ms)};
  if (field == "code")
    return status.code ? std::vector<std::string>{std::to_string(*status.code)} : std::vector<std::string>{};
  return {std::to_string(status.reported_at_ms)};
}

// The action captures[1] of the target captures[0]; one of another target is not found.
Result<Action> Load(kv::ReadTxn& txn, const Call& call) {
  const Action action = TILL_TRY(server::GetAction(txn, TILL_TRY(call.IdOf<ActionId>(1))));
  if (action.controller_id != call.captures[0]) return Error{ErrorCode::kNotFound, "no such action of this target", 0};
  return action;
}

Result<Response> ListBy(const Call& call,
                        const std::function<Status(kv::ReadTxn&, const std::function<void(const Action&)>&)>& each) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<Action, ActionReader> page(query, ActionReader{&txn, &call});
    TILL_TRY(page.Fill([&](const auto& offer) { return each(txn, offer); }));
    std::vector<json::Value> content;
    for (const Action& action : page.Items()) content.push_back(TILL_TRY(ActionView(txn, call, action)));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

}  // namespace

Result<Response> ListAll(const Call& call) {
  return ListBy(call, [](kv::ReadTxn& txn, const std::function<void(const Action&)>& offer) {
    return server::ForEachAction(txn, ActionId{}, [&](const Action& action) {
      offer(action);
      return true;
    });
  });
}

Result<Response> ListOfTarget(const Call& call) {
  return ListBy(call, [&](kv::ReadTxn& txn, const std::function<void(const Action&)>& offer) -> Status {
    TILL_TRY(server::GetTarget(txn, call.captures[0]));
    for (const ActionId id : TILL_TRY(server::ActionsOf(txn, call.captures[0]))) {
      offer(TILL_TRY(server::GetAction(txn, id)));
    }
    return Ok();
  });
}

Result<Response> GetAny(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const Action action = TILL_TRY(server::GetAction(txn, TILL_TRY(call.IdOf<ActionId>(0))));
    return JsonAnswer(200, TILL_TRY(ActionView(txn, call, action)));
  });
}

Result<Response> EraseAny(const Call& call) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const Action action = TILL_TRY(server::GetAction(txn, TILL_TRY(call.IdOf<ActionId>(0))));
    if (action.active || action.state == server::ActionState::kScheduled) {
      return Refuse(405, "action.notdeletable", "the action is not over: cancel it first");
    }
    TILL_TRY(server::EraseAction(txn, action.id));
    return NoContent();
  });
}

Result<Response> Get(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    return JsonAnswer(200, TILL_TRY(ActionView(txn, call, TILL_TRY(Load(txn, call)))));
  });
}

Result<Response> Update(const Call& call) {
  const std::string type = TILL_TRY(ReadText(call.body, "forceType", 32));
  if (type != "forced") return Error{ErrorCode::kInvalid, "the only change of an action is forceType \"forced\"", 0};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const Action action = TILL_TRY(Load(txn, call));
    TILL_TRY(server::ForceAction(txn, action.id, call.actor()));
    return JsonAnswer(200, TILL_TRY(ActionView(txn, call, TILL_TRY(Load(txn, call)))));
  });
}

Result<Response> Cancel(const Call& call) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const Action action = TILL_TRY(Load(txn, call));
    const bool force = call.Flag("force");
    const Status done =
        force ? server::ForceQuit(txn, action.id, call.actor()) : server::RequestCancel(txn, action.id, call.actor());
    if (!done.ok() && done.error().code == ErrorCode::kRefused) {
      return Refuse(405, force ? "action.notforcequitable" : "action.notcancelable", done.error().what);
    }
    TILL_TRY(done);
    return NoContent();
  });
}

Result<Response> Confirm(const Call& call) {
  const std::string word = TILL_TRY(ReadText(call.body, "confirmation", 16));
  if (word != "confirmed" && word != "denied")
    return Error{ErrorCode::kInvalid, "confirmation is confirmed or denied", 0};
  std::vector<std::string> messages;
  for (const json::Value& detail : call.body["details"].items()) messages.push_back(detail.AsString());
  if (server::SplitMessages(messages).size() > server::kMaxMessages)
    return Error{ErrorCode::kLimit, "too many messages", server::kMaxMessages};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const Action action = TILL_TRY(Load(txn, call));
    if (!action.active) return Refuse(410, "action.closed", "the action is over");
    if (!action.waits_for_confirmation())
      return Error{ErrorCode::kNotFound, "the action does not wait for confirmation", 0};
    TILL_TRY(server::ConfirmAction(txn, action.id, word == "confirmed", messages, call.actor()));
    return NoContent();
  });
}

Result<Response> Statuses(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kStatusFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const Action action = TILL_TRY(Load(txn, call));
    Page<server::ActionStatus, decltype(&ReadStatusField)> page(query, &ReadStatusField);
    TILL_TRY(page.Fill([&](const auto& offer) {
      return server::ForEachStatus(txn, action.id, [&](const server::ActionStatus& status) {
        offer(status);
        return true;
      });
    }));
    std::vector<json::Value> content;
    for (const server::ActionStatus& status : page.Items()) content.push_back(StatusView(status));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

}  // namespace actions
}  // namespace till::mgmt
