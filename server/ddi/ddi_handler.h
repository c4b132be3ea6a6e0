// The Direct Device Integration API (hawkBit's DDI v1), as terminals speak it: /{tenant}/controller/v1/{id}/…
//   Reads run on the loop thread (one LMDB snapshot, microseconds); writes go to the Writer and answer once durable.
//   A poll with nothing to do writes nothing: its last-seen stamp stays in memory (store/last_seen.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/http/server.h"
#include "server/auth/origin.h"
#include "server/ddi/ddi_reply.h"
#include "server/ddi/device_auth.h"
#include "server/hub.h"
#include "server/model/action.h"
#include "server/model/target.h"
#include "server/publish/access_log.h"
#include "server/store/writer.h"

namespace till::server {

struct Deployment;

// One DDI request, taken apart.
struct DdiCall {
  std::shared_ptr<http::Exchange> exchange;
  std::string controller_id;
  std::vector<std::string> rest;  // segments behind the controller id
  DeviceAuth auth = DeviceAuth::kRefused;
  std::string target_url;  // "<origin>/DEFAULT/controller/v1/<id>", for links
  const http::Request& request() const { return exchange->request(); }
};

// How a call is answered: at once, or after a write.
struct DdiOutcome {
  std::shared_ptr<http::Response> response;  // shared with the writer's closure; null: `after` makes it
  Writer::Job job;                           // empty: nothing to write
  std::function<http::Response()> after;     // once the job is durable
  bool background = false;                   // answer at once, write afterwards
};

class DdiHandler : public http::Handler {
 public:
  DdiHandler(Hub& hub, AccessLog& access_log) : hub_(hub), access_log_(access_log) {}

  bool Takes(const http::Request& request) const;
  http::BodyPlan OnHead(const http::Request& request) override;
  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

 private:
  using Outcome = Result<DdiOutcome>;
  bool NamesController(const std::vector<std::string>& parts) const;
  Outcome Answer(kv::ReadTxn& txn, DdiCall& call);
  Outcome Route(kv::ReadTxn& txn, const DdiCall& call);
  void Finish(const DdiCall& call, DdiOutcome outcome);

  // poll.cc
  Outcome Poll(kv::ReadTxn& txn, const DdiCall& call);
  Outcome PollKnown(kv::ReadTxn& txn, const DdiCall& call, const Target& target, bool may_write);
  http::Response PollAgain(const DdiCall& call);
  Result<std::string> SleepTime(kv::ReadTxn& txn) const;

  // deployment_base.cc
  Outcome GetDeploymentBase(kv::ReadTxn& txn, const DdiCall& call, ActionId id);
  Outcome GetInstalledBase(kv::ReadTxn& txn, const DdiCall& call, ActionId id);
  Outcome GetCancelAction(kv::ReadTxn& txn, const DdiCall& call, ActionId id);
  Result<json::Value> DeploymentBody(kv::ReadTxn& txn, const DdiCall& call, const Action& action,
                                     const Deployment& deployment);

  // device_words.cc
  Outcome PostFeedback(const DdiCall& call, ActionId id, bool cancel);
  Outcome PutConfigData(const DdiCall& call);
  Outcome PutInstalledBase(const DdiCall& call);

  // artifacts.cc
  Outcome ListArtifacts(kv::ReadTxn& txn, const DdiCall& call);
  Outcome GetArtifact(kv::ReadTxn& txn, const DdiCall& call);

  Hub& hub_;
  AccessLog& access_log_;
};

// Shorthands for the parts of the handler.
http::Response StoreTrouble(const http::Request& request, const Error& error);
DdiOutcome Now(http::Response response);
DdiOutcome Refuse(DdiFault fault, std::string_view message = "");

}  // namespace till::server
