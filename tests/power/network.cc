#include "tests/power/network.h"

#include <fcntl.h>

#include <algorithm>

#include "core/text.h"
#include "device/faults.h"

namespace till::power {
namespace {

constexpr size_t kSegmentBytes = 16 << 10;  // what libcurl hands on at a time

}  // namespace

Result<std::optional<device::BaseAnswer>> ScriptedServer::Poll(bool) {
  device::BaseAnswer answer;
  const size_t next = world_.server.outcomes.size();
  if (next < site_.offers.size()) answer.deployment_url = "http://hub/deploymentBase/" + std::to_string(next + 1);
  return std::optional(answer);
}

Result<device::Deployment> ScriptedServer::GetDeployment(const std::string& url) {
  const std::string action = device::ActionOfUrl(url);
  const size_t index = ParseUint(action).value() - 1;
  const device::Plan& plan = site_.offers[index].plan;
  device::DdiArtifact artifact;
  artifact.file_name = "payload";
  artifact.sha256 = plan.payload;
  artifact.size_bytes = plan.payload_bytes;
  artifact.url = "http://hub/" + std::to_string(index);
  device::Deployment deployment;
  deployment.action = action;
  deployment.chunks.resize(1);
  deployment.chunks[0].artifacts.push_back(std::move(artifact));
  return deployment;
}

Result<std::string> ScriptedServer::GetCancel(const std::string&) {
  return Error{ErrorCode::kNotFound, "nothing is canceled"};
}

Result<std::string> ScriptedServer::GetMetadata(const std::string&, uint64_t) {
  return Error{ErrorCode::kUnavailable, "the judge needs none"};
}

// Closing what is closed already is a repeat: (action, seq) are dropped by the hub too.
Status ScriptedServer::PostFeedback(const device::Feedback& feedback, int64_t) {
  if (trace_ != nullptr) trace_->Changed();
  world_.server.reports++;
  const bool closes = feedback.execution == "closed" && !feedback.about_cancel;
  if (!closes || feedback.action != std::to_string(world_.server.outcomes.size() + 1)) return Ok();
  const std::string detail = feedback.details.empty() ? "" : ": " + feedback.details.front();
  world_.server.outcomes.push_back(feedback.finished == "success" ? "success" : feedback.finished + detail);
  return Ok();
}

Result<int> MemoryFetcher::Fetch(const device::PayloadSource& source, const device::FetchRange& range,
                                 const std::function<Status(ByteView)>& on_bytes) {
  const size_t index = ParseUint(source.url.substr(source.url.rfind('/') + 1)).value();
  ByteView rest = ByteView(*site_.offers[index].file).subspan(range.from);
  while (!rest.empty()) {
    const ByteView segment = rest.first(std::min(kSegmentBytes, rest.size()));
    if (trace_ != nullptr) trace_->Changed();
    world_.server.served_bytes += segment.size();
    TILL_TRY(on_bytes(segment));
    rest = rest.subspan(segment.size());
  }
  return range.from > 0 ? 206 : 200;
}

std::optional<device::Refusal> ScriptedJudge::Check(const device::Deployment& deployment,
                                                    const device::TerminalFacts& facts,
                                                    device::AcceptedOffer& out) const {
  const auto& digest = deployment.chunks[0].artifacts[0].sha256;
  const auto offer = std::find_if(site_.offers.begin(), site_.offers.end(),
                                  [&](const SignedPayload& payload) { return payload.plan.payload == digest; });
  if (offer == site_.offers.end()) return device::Refuse(device::kNotSigned, "");
  const device::Plan& plan = offer->plan;
  if (plan.target.rollback_index < facts.floor) return device::Refuse(device::kBelowFloor, "");
  const bool same = facts.running.known && facts.running.sha256 == plan.target.sha256;
  if (!same && plan.is_delta && (!facts.running.known || facts.running.sha256 != plan.base)) {
    return device::Refuse(device::kWrongBase, "");
  }
  out = {plan, 0, 0, same};
  return std::nullopt;
}

}  // namespace till::power
