#include "core/text.h"
#include "server/mgmt/views.h"
#include "server/model/mirrors.h"
#include "server/model/tenant_config.h"
#include "server/store/actions.h"
#include "server/store/last_seen.h"
#include "server/store/targets.h"

namespace till::mgmt {
namespace {

using server::Action;
using server::ActionState;

Result<int64_t> IntervalOf(kv::ReadTxn& txn, std::string_view key) {
  const std::string text = TILL_TRY(server::ConfigText(txn, key));
  return server::ParseInterval(Trim(std::string_view(text).substr(0, text.find_first_of("~,"))));
}

Result<json::Value> PollStatus(kv::ReadTxn& txn, const server::Seen& seen, int64_t now_ms) {
  const auto interval_s = IntervalOf(txn, server::config::kPollingTime);
  const auto overdue_s = IntervalOf(txn, server::config::kPollingOverdueTime);
  const int64_t next_ms = seen.at_ms + (interval_s.ok() ? *interval_s : 300) * 1000;
  json::Value poll = json::Value::Object();
  poll.Set("lastRequestAt", seen.at_ms).Set("nextExpectedRequestAt", next_ms);
  poll.Set("overdue", now_ms > next_ms + (overdue_s.ok() ? *overdue_s : 300) * 1000);
  return poll;
}

// The word a person wants for the newest action: only a confirmed boot is a success.
const char* OutcomeOf(const Action& action) {
  switch (action.state) {
    case ActionState::kFinished:
      return "confirmed";
    case ActionState::kError:
      return "rolled_back";
    case ActionState::kCanceled:
      return "canceled";
    default:
      return "pending";
  }
}

Result<json::Value> TillSummary(kv::ReadTxn& txn, const server::Target& target) {
  json::Value till = json::Value::Object();
  const server::Attributes attributes = TILL_TRY(server::GetAttributes(txn, target.controller_id));
  json::Value images = json::Value::Object(), versions = json::Value::Object();
  std::string version;
  for (const auto& [key, value] : attributes) {
    if (key == "till.slot") till.Set("slot", value);
    if (key == "till.board") till.Set("board", value);
    if (key.starts_with("till.image.")) images.Set(key.substr(11), value);
    if (key.starts_with("till.version.")) {
      versions.Set(key.substr(13), value);
      if (version.empty() || key == "till.version.rootfs") version = value;
    }
  }
  if (!version.empty()) till.Set("version", version);
  const auto mirrors = TILL_TRY(server::ConfigTextList(txn, server::config::kMirrors));
  const std::string order = server::MirrorsFor(target.controller_id, mirrors);
  if (!order.empty()) till.Set("edge", order.substr(0, order.find(' ')));
  till.Set("images", std::move(images)).Set("versions", std::move(versions));
  const auto ids = TILL_TRY(server::ActionsOf(txn, target.controller_id));
  if (ids.empty()) return till;
  const Action action = TILL_TRY(server::GetAction(txn, ids.back()));
  json::Value newest = json::Value::Object();
  newest.Set("id", server::Number(action.id)).Set("status", server::ActionStateName(action.state));
  newest.Set("outcome", OutcomeOf(action)).Set("bytes", action.payload_bytes);
  if (action.last_code) newest.Set("code", *action.last_code);
  if (!action.blocked.empty()) newest.Set("blocked", action.blocked);
  if (action.state == ActionState::kError) newest.Set("reason", TILL_TRY(FailureReason(txn, action.id)));
  till.Set("action", std::move(newest));
  return till;
}

}  // namespace

Result<std::string> FailureReason(kv::ReadTxn& txn, server::ActionId id) {
  std::string reason;
  TILL_TRY(server::ForEachStatusNewestFirst(txn, id, [&](const server::ActionStatus& status) {
    if (status.state != ActionState::kError) return true;
    for (const std::string& message : status.messages) {
      if (message.starts_with(server::kServerMessagePrefix)) continue;
      reason = message;
      break;
    }
    return false;
  }));
  return reason;
}

Result<json::Value> TargetView(kv::ReadTxn& txn, const Call& call, const server::Target& target, bool with_till) {
  const server::Seen seen = call.hub.last_seen.Get(target.controller_id);
  json::Value view = json::Value::Object();
  SetAudit(view, target.audit);
  view.Set("name", target.name).Set("description", target.description).Set("controllerId", target.controller_id);
  view.Set("updateStatus", server::TargetStatusName(target.status));
  if (seen.at_ms != 0) {
    view.Set("lastControllerRequestAt", seen.at_ms).Set("ipAddress", seen.address);
    view.Set("pollStatus", TILL_TRY(PollStatus(txn, seen, call.now_ms)));
  }
  if (target.installed_at_ms != 0) view.Set("installedAt", target.installed_at_ms);
  if (!target.address.empty()) view.Set("address", target.address);
  if (!target.group.empty()) view.Set("group", target.group);
  view.Set("securityToken", target.security_token).Set("requestAttributes", target.request_attributes);
  view.Set("autoConfirmActive", target.auto_confirm);
  if (with_till) view.Set("till", TILL_TRY(TillSummary(txn, target)));
  const std::string self = call.Link("targets/" + EncodeSegment(target.controller_id));
  SetLink(view, "self", self);
  for (const char* part : {"assignedDS", "installedDS", "attributes", "metadata", "autoConfirm"}) {
    SetLink(view, part, self + "/" + part);
  }
  SetLink(view, "actions", self + "/actions?offset=0&limit=50&sort=id%3ADESC");
  return view;
}

}  // namespace till::mgmt
