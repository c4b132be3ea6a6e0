// What terminals tell: feedback, attributes, what was installed at the factory (DDI A4, A5, A6, A7).
#include "core/text.h"
#include "server/ddi/bodies.h"
#include "server/ddi/ddi_handler.h"
#include "server/model/operations.h"

namespace till::server {
namespace {

// A body that could not be read: 400, or 429 where it passes a quota.
DdiOutcome RefuseBody(const Error& error) {
  return Refuse(error.code == ErrorCode::kLimit ? DdiFault::kQuota : DdiFault::kUnreadable, error.what);
}

http::Response Told(FeedbackVerdict verdict) {
  switch (verdict) {
    case FeedbackVerdict::kNotFound:
      return DdiError(DdiFault::kNotFound);
    case FeedbackVerdict::kGone:
      return DdiError(DdiFault::kGone);
    case FeedbackVerdict::kNotCanceling:
      return DdiError(DdiFault::kNotCanceling);
    case FeedbackVerdict::kQuota:
      return DdiError(DdiFault::kQuota);
    case FeedbackVerdict::kApplied:
    case FeedbackVerdict::kRepeated:
      break;
  }
  return DdiDone();
}

// An operation's refusal as DDI says it.
http::Response Refused(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return DdiError(DdiFault::kNotFound);
    case ErrorCode::kLimit:
      return DdiError(DdiFault::kQuota, error.what);
    default:
      return DdiError(DdiFault::kConstraint, error.what);
  }
}

// A job whose refusal (found before its first write) is its result, not a failure of the store.
DdiOutcome Perform(std::function<Status(kv::WriteTxn&)> operation) {
  DdiOutcome outcome;
  const auto refusal = std::make_shared<std::optional<Error>>();  // shared by the job and what follows it
  outcome.job = [refusal, operation = std::move(operation)](kv::WriteTxn& txn) -> Status {
    refusal->reset();
    const Status done = operation(txn);
    if (done.ok()) return Ok();
    const ErrorCode code = done.error().code;
    if (code != ErrorCode::kNotFound && code != ErrorCode::kLimit && code != ErrorCode::kInvalid) return done;
    *refusal = done.error();
    return Ok();
  };
  outcome.after = [refusal] { return *refusal ? Refused(**refusal) : DdiDone(); };
  return outcome;
}

}  // namespace

DdiHandler::Outcome DdiHandler::PostFeedback(const DdiCall& call, ActionId id, bool cancel) {
  if (!IsJsonBody(call.request())) return Refuse(DdiFault::kMediaType);
  auto feedback = ParseFeedback(call.request().body);
  if (!feedback.ok()) return RefuseBody(feedback.error());
  DdiOutcome outcome;
  const auto verdict = std::make_shared<FeedbackVerdict>();  // shared by the job and what follows it
  outcome.job = [verdict, id, cancel, feedback = std::move(*feedback), controller = call.controller_id,
                 now_ms = hub_.clock.UnixMs()](kv::WriteTxn& txn) -> Status {
    *verdict = TILL_TRY(cancel ? ApplyCancelFeedback(txn, controller, id, feedback, now_ms)
                               : ApplyFeedback(txn, controller, id, feedback, now_ms));
    return Ok();
  };
  outcome.after = [verdict] { return Told(*verdict); };
  return outcome;
}

DdiHandler::Outcome DdiHandler::PutConfigData(const DdiCall& call) {
  if (!IsJsonBody(call.request())) return Refuse(DdiFault::kMediaType);
  auto change = ParseConfigData(call.request().body);
  if (!change.ok()) return RefuseBody(change.error());
  const Actor actor{call.controller_id, hub_.clock.UnixMs()};
  return Perform([change = std::move(*change), actor](kv::WriteTxn& txn) {
    return UpdateAttributes(txn, actor.name, change, actor);
  });
}

DdiHandler::Outcome DdiHandler::PutInstalledBase(const DdiCall& call) {
  if (!IsJsonBody(call.request())) return Refuse(DdiFault::kMediaType);
  const auto base = ParseInstalledBase(call.request().body);
  if (!base.ok()) return RefuseBody(base.error());
  const Actor actor{call.controller_id, hub_.clock.UnixMs()};
  const auto news = std::make_shared<bool>(false);  // shared by the job and what follows it
  DdiOutcome outcome = Perform([base = *base, actor, news](kv::WriteTxn& txn) -> Status {
    *news = TILL_TRY(SetInstalled(txn, actor.name, base.name, base.version, actor));
    return Ok();
  });
  outcome.after = [news, refused = outcome.after] {
    http::Response response = refused();
    if (response.status == 200 && *news) response.status = 201;
    return response;
  };
  return outcome;
}

}  // namespace till::server
