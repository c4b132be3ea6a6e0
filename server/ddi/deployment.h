// What an action means for its terminal right now: its modules, the payload chosen for each, and the JSON of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json/json.h"
#include "core/kv/kv.h"
#include "server/artifacts/artifact_store.h"
#include "server/choose/chooser.h"
#include "server/model/action.h"
#include "server/model/software.h"

namespace till::server {

struct DeploymentPart {
  SoftwareModule module;
  Choice choice;
  Blob blob;  // of the chosen payload
};

struct Deployment {
  std::shared_ptr<const ReleaseIndex> index;  // keeps the chosen payloads alive
  std::vector<DeploymentPart> parts;          // modules the terminal is to take; those that run already are left out
  std::string blocked;                        // why nothing is offered; "" = something is
  bool full_allowed = false;                  // by policy, for this action
  bool runs_already = false;                  // every module runs already
  std::vector<Offer> Offers() const;
  // What a person is told of an offer that is no matter of course: chunks, and why. "" = nothing.
  std::string OfferWords() const;
  // How the offer and the way of taking it hash: changes with either (DDI's `c`).
  int32_t Fingerprint(const Action& action, int64_t now_ms) const;
};

// For a running action: chooses. For an action that is over: what was offered then, else the artifacts as uploaded.
Result<Deployment> PlanDeployment(kv::ReadTxn& txn, std::shared_ptr<const ReleaseIndex> index, const Action& action);

// "forced" or "attempt"; "skip" where the terminal must not install.
const char* DownloadMode(const Action& action, int64_t now_ms);
const char* UpdateMode(const Action& action, int64_t now_ms);

// One artifact in DDI's shape. `url` is its download address without a suffix.
json::Value ArtifactJson(std::string_view filename, const Blob& blob, const std::string& url);

struct DeploymentView {
  const Action& action;
  const Deployment& deployment;
  std::string target_url;  // ".../controller/v1/<id>"
  std::string mirrors;     // value of till.mirrors, "" = none
  int64_t now_ms = 0;
};
// {"id","deployment":{...}} without the history.
json::Value DeploymentJson(const DeploymentView& view);
// Artifacts of one part, in DDI's shape.
json::Value ArtifactsJson(const DeploymentPart& part, const std::string& target_url);

}  // namespace till::server
