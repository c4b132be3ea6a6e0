#include "tests/power/network.h"

#include <fcntl.h>

#include <algorithm>

#include "core/text.h"
#include "device/faults.h"

namespace till::power {
namespace {

constexpr char kAction[] = "1";
constexpr size_t kSegmentBytes = 16 << 10;  // what libcurl hands on at a time, at most
constexpr size_t kChunkBytes = 32 << 10;

// A segment ends with its chunk, so that what is counted is what the agent took: a chunk is used as soon as it is
// whole, and what the link had on its way behind it is not the agent's to save.
size_t SegmentAt(const SignedPayload& payload, uint64_t at) {
  const uint64_t list = payload.plan.chunk_list_bytes;
  const uint64_t chunk_left = at < list ? list - at : kChunkBytes - (at - list) % kChunkBytes;
  return std::min<uint64_t>({kSegmentBytes, chunk_left, payload.file->size() - at});
}

}  // namespace

Result<std::optional<device::BaseAnswer>> ScriptedServer::Poll(bool) {
  device::BaseAnswer answer;
  if (world_.server.outcome.empty()) answer.deployment_url = std::string("http://hub/deploymentBase/") + kAction;
  return std::optional(answer);
}

// One component, a delta and a full payload at most; policy lets the second stand in for the first.
Result<device::Deployment> ScriptedServer::GetDeployment(const std::string&) {
  device::Deployment deployment;
  deployment.action = kAction;
  deployment.chunks.resize(1);
  deployment.chunks[0].fallback = "full";
  for (size_t i = 0; i < site_.offers.size(); i++) {
    device::DdiArtifact artifact;
    artifact.file_name = "payload";
    artifact.sha256 = site_.offers[i].plan.payload;
    artifact.size_bytes = site_.offers[i].plan.payload_bytes;
    artifact.url = "http://hub/" + std::to_string(i);
    deployment.chunks[0].artifacts.push_back(std::move(artifact));
  }
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
  if (!closes || feedback.action != kAction || !world_.server.outcome.empty()) return Ok();
  const std::string detail = feedback.details.empty() ? "" : ": " + feedback.details.front();
  world_.server.outcome = feedback.finished == "success" ? "success" : feedback.finished + detail;
  return Ok();
}

Result<int> MemoryFetcher::Fetch(const device::PayloadSource& source, const device::FetchRange& range,
                                 const std::function<Status(ByteView)>& on_bytes) {
  const size_t index = ParseUint(source.url.substr(source.url.rfind('/') + 1)).value();
  const SignedPayload& payload = site_.offers[index];
  const uint64_t end = range.length > 0 ? range.from + range.length : payload.file->size();
  for (uint64_t at = range.from; at < end;) {
    const ByteView segment = ByteView(*payload.file).subspan(at, std::min<uint64_t>(SegmentAt(payload, at), end - at));
    if (trace_ != nullptr) trace_->Changed();
    world_.server.served_bytes += segment.size();
    TILL_TRY(on_bytes(segment));
    at += segment.size();
  }
  return range.from > 0 ? 206 : 200;
}

std::optional<device::Refusal> ScriptedJudge::Check(const device::Deployment&, const device::TerminalFacts& facts,
                                                    device::AcceptedOffer& out) const {
  std::optional<device::Refusal> first;
  for (size_t i = 0; i < site_.offers.size(); i++) {
    const device::Plan& plan = site_.offers[i].plan;
    const bool same = facts.running.known && facts.running.sha256 == plan.target.sha256;
    const bool given_up = std::find(facts.refused.begin(), facts.refused.end(), plan.payload) != facts.refused.end();
    std::optional<device::Refusal> refusal;
    if (facts.component != (plan.component == 0 ? "rootfs" : "app")) {
      refusal = device::Refuse(device::kWrongComponent, "");
    } else if (plan.target.rollback_index < facts.floor) {
      refusal = device::Refuse(device::kBelowFloor, "");
    } else if (given_up || (i > 0 && !facts.full_fallback)) {
      refusal = device::Refuse(device::kPayloadDamaged, "given up");
    } else if (!same && plan.is_delta() && (!facts.running.known || facts.running.sha256 != plan.base)) {
      refusal = device::Refuse(device::kWrongBase, "");
    }
    if (!refusal) {
      out = {plan, 0, i, same};
      return std::nullopt;
    }
    if (!first) first = refusal;
  }
  return first;
}

}  // namespace till::power
