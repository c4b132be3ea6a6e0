// GET base: what there is to do, and when to come again (DDI A2).
#include <algorithm>

#include "core/crypto/hash.h"
#include "core/text.h"
#include "server/ddi/ddi_handler.h"
#include "server/ddi/deployment.h"
#include "server/model/operations.h"
#include "server/model/tenant_config.h"
#include "server/store/actions.h"
#include "server/store/last_seen.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

constexpr int64_t kMaxSleepSeconds = 86399;
constexpr uint32_t kMaxBlockedNotes = 200;  // a terminal that keeps changing must not fill the store

json::Value Link(const std::string& href) { return json::Value::Object({{"href", href}}); }

}  // namespace

// pollingTime: "interval[~NN%]". Overrides by filter are refused when the setting is made.
Result<std::string> DdiHandler::SleepTime(kv::ReadTxn& txn) const {
  const std::string setting = TILL_TRY(ConfigText(txn, config::kPollingTime));
  const std::string_view first = setting;
  const size_t tilde = first.find('~');
  int64_t seconds = 300;
  if (const auto interval = ParseInterval(Trim(first.substr(0, tilde))); interval.ok()) seconds = *interval;
  if (tilde != std::string_view::npos) {
    std::string_view share = Trim(first.substr(tilde + 1));
    if (share.ends_with('%')) share.remove_suffix(1);
    const auto percent = ParseUint(share);
    if (percent.ok() && *percent <= 100) {
      const int64_t span = seconds * static_cast<int64_t>(*percent) / 100;
      uint32_t random = 0;
      for (const std::byte b : crypto::RandomBytes(4)) random = random << 8 | std::to_integer<uint32_t>(b);
      seconds += static_cast<int64_t>(random) % (2 * span + 1) - span;
    }
  }
  return FormatInterval(std::clamp(seconds, hub_.min_polling_s, kMaxSleepSeconds));
}

DdiHandler::Outcome DdiHandler::Poll(kv::ReadTxn& txn, const DdiCall& call) {
  const auto target = GetTarget(txn, call.controller_id);
  if (!target.ok() && target.error().code != ErrorCode::kNotFound) return target.error();
  if (!target.ok() && !CheckNewName(call.controller_id).ok()) {
    return Refuse(DdiFault::kConstraint, CheckNewName(call.controller_id).error().what);
  }
  hub_.last_seen.Touch(call.controller_id, PeerAddress(call.request()), hub_.clock.UnixMs());
  if (target.ok() && target->status != TargetStatus::kUnknown) return PollKnown(txn, call, *target, true);
  DdiOutcome outcome;
  const Actor actor{"CONTROLLER_PLUG_AND_PLAY", hub_.clock.UnixMs()};
  outcome.job = [id = call.controller_id, actor](kv::WriteTxn& write) -> Status {
    bool created = false;
    TILL_TRY(RegisterTarget(write, id, actor, &created));
    return Ok();
  };
  outcome.after = [this, call] { return PollAgain(call); };
  return outcome;
}

// After a write: the same question once more, which is not followed by another write.
http::Response DdiHandler::PollAgain(const DdiCall& call) {
  DdiOutcome outcome;
  const Status read = hub_.store.View([&](kv::ReadTxn& txn) -> Status {
    const auto target = GetTarget(txn, call.controller_id);
    if (target.ok()) {
      outcome = TILL_TRY(PollKnown(txn, call, *target, false));
    } else {
      outcome = Refuse(DdiFault::kNotFound);
    }
    return Ok();
  });
  if (read.ok()) return std::move(*outcome.response);
  return StoreTrouble(call.request(), read.error());
}

DdiHandler::Outcome DdiHandler::PollKnown(kv::ReadTxn& txn, const DdiCall& call, const Target& target, bool may_write) {
  const int64_t now_ms = hub_.clock.UnixMs();
  json::Value links = json::Value::Object();
  if (IsSet(target.current_action)) {
    const Action action = TILL_TRY(GetAction(txn, target.current_action));
    const std::string id = IdText(action.id);
    if (action.canceling()) {
      links.Set("cancelAction", Link(call.target_url + "/cancelAction/" + id));
    } else if (!action.waits_for_confirmation()) {
      const Deployment deployment = TILL_TRY(PlanDeployment(txn, hub_.releases.Current(), action));
      if (deployment.runs_already && !action.device_answered && may_write) {
        DdiOutcome outcome;
        outcome.job = [actor = Actor{target.controller_id, now_ms}, number = action.id](kv::WriteTxn& write) -> Status {
          const Status finished = FinishByServer(write, number, "the terminal runs this image already", actor);
          return !finished.ok() && finished.error().code != ErrorCode::kRefused ? finished : Ok();
        };
        outcome.after = [this, call] { return PollAgain(call); };
        return outcome;
      }
      // What runs on trial is nobody's problem yet.
      const bool news = !deployment.runs_already && !deployment.blocked.empty() && deployment.blocked != action.blocked;
      if (news && may_write && action.status_count < kMaxBlockedNotes) {
        DdiOutcome outcome;
        outcome.job = [number = action.id, reason = deployment.blocked, now_ms](kv::WriteTxn& write) -> Status {
          Action blocked = TILL_TRY(GetAction(write, number));
          if (!blocked.active || blocked.canceling()) return Ok();
          blocked.blocked = reason;
          return NoteOnAction(write, blocked, ActionState::kWarning, "nothing is offered: " + reason, now_ms);
        };
        outcome.after = [this, call] { return PollAgain(call); };
        return outcome;
      }
      if (deployment.blocked.empty() && !deployment.runs_already) {
        const int32_t c = deployment.Fingerprint(action, now_ms);
        links.Set("deploymentBase", Link(call.target_url + "/deploymentBase/" + id + "?c=" + std::to_string(c)));
      }
    }
  }
  if (IsSet(target.installed_action)) {
    links.Set("installedBase", Link(call.target_url + "/installedBase/" + IdText(target.installed_action)));
  }
  if (target.request_attributes) links.Set("configData", Link(call.target_url + "/configData"));
  const std::string sleep = TILL_TRY(SleepTime(txn));
  json::Value body =
      json::Value::Object({{"config", json::Value::Object({{"polling", json::Value::Object({{"sleep", sleep}})}})}});
  if (!links.members().empty()) body.Set("_links", std::move(links));
  return Now(DdiJson(call.request(), body));
}

}  // namespace till::server
