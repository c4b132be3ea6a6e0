#include "server/publish/delta_jobs.h"

#include <algorithm>

#include "core/fault.h"
#include "core/json/json.h"
#include "core/text.h"
#include "server/auth/gate.h"
#include "server/choose/chooser.h"
#include "server/faults.h"
#include "server/store/actions.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

constexpr size_t kMaxListed = 1'000;
constexpr size_t kMaxLeases = 1'000;
constexpr int64_t kMaxLeaseSeconds = 3'600;
constexpr const char* kListPath = "/api/v1/deltas/missing";
constexpr const char* kLeasePath = "/api/v1/deltas/lease";

using Wanted = std::map<std::pair<std::string, std::string>, MissingDelta>;

bool HasFull(const ReleaseIndex& index, std::string_view image) {
  const std::vector<Payload>& payloads = index.PayloadsFor(image);
  return std::any_of(payloads.begin(), payloads.end(), [](const Payload& payload) { return payload.full(); });
}

bool HasDelta(const ReleaseIndex& index, std::string_view base, std::string_view target) {
  const std::vector<Payload>& payloads = index.PayloadsFor(target);
  return std::any_of(payloads.begin(), payloads.end(), [&](const Payload& payload) {
    return payload.kind == PayloadKind::kDelta && payload.base == base;
  });
}

// What one terminal misses for the set that is assigned to it.
Status Count(kv::ReadTxn& txn, const ReleaseIndex& index, const Target& target, Wanted& wanted) {
  const Action action = TILL_TRY(GetAction(txn, target.current_action));
  const Terminal terminal = ReadTerminal(TILL_TRY(GetAttributes(txn, target.controller_id)));
  if (!terminal.takes_payloads) return Ok();
  const DistributionSet set = TILL_TRY(GetSet(txn, action.set));
  for (const SoftwareModule& module : TILL_TRY(ModulesOf(txn, set))) {
    const std::string yields = ToLower(module.MetadataValue("till.target"));
    const Image* image = index.FindImage(yields);
    if (image == nullptr) continue;
    const auto runs = terminal.images.find(image->component);
    if (runs == terminal.images.end() || runs->second == yields || HasDelta(index, runs->second, yields)) continue;
    // A worker rebuilds both images from full payloads: nothing else is at the hub.
    if (!HasFull(index, runs->second) || !HasFull(index, yields)) continue;
    MissingDelta& delta = wanted[{runs->second, yields}];
    delta = {runs->second, yields, image->product, image->version, image->component, delta.terminals + 1};
  }
  return Ok();
}

http::Response Problem(int status, std::string_view context) {
  return http::JsonResponse(status, FormatFaultJson(faults::kBadDeltaJob, context, nullptr));
}

}  // namespace

bool DeltaJobs::Takes(const http::Request& request) { return request.path == kListPath || request.path == kLeasePath; }

http::BodyPlan DeltaJobs::OnHead(const http::Request& request) {
  return ForOperators(hub_, request, FaultRefusal, [](const http::Request&) {
    http::BodyPlan plan;
    plan.max_bytes = 4096;
    return plan;
  });
}

void DeltaJobs::OnRequest(std::shared_ptr<http::Exchange> exchange) {
  const bool taken = workers_.Post([this, exchange] { exchange->Respond(Answer(exchange->request())); });
  if (taken) return;
  http::Response busy = http::TextResponse(503, "");
  http::AddRetryAfter(busy);
  exchange->Respond(std::move(busy));
}

http::Response DeltaJobs::Answer(const http::Request& request) {
  if (request.path == kListPath) return request.method == "GET" ? List() : http::TextResponse(405, "");
  return request.method == "POST" ? Lease(request) : http::TextResponse(405, "");
}

Result<std::vector<MissingDelta>> DeltaJobs::FindMissing() const {
  const std::shared_ptr<const ReleaseIndex> index = hub_.releases.Current();  // shared with polls being answered
  Wanted wanted;
  TILL_TRY(hub_.store.View([&](kv::ReadTxn& txn) -> Status {
    Status counted;
    TILL_TRY(ForEachTarget(txn, "", [&](const Target& target) {
      if (IsSet(target.current_action)) counted = Count(txn, *index, target, wanted);
      return counted.ok() && wanted.size() < kMaxListed;
    }));
    return counted;
  }));
  std::vector<MissingDelta> missing;
  missing.reserve(wanted.size());
  for (auto& [pair, delta] : wanted) missing.push_back(std::move(delta));
  std::stable_sort(missing.begin(), missing.end(),
                   [](const MissingDelta& a, const MissingDelta& b) { return a.terminals > b.terminals; });
  return missing;
}

bool DeltaJobs::Leased(const Pair& pair, int64_t now_ms) const {
  const auto lease = leases_.find(pair);
  return lease != leases_.end() && lease->second > now_ms;
}

http::Response DeltaJobs::List() {
  const Result<std::vector<MissingDelta>> missing = FindMissing();
  if (!missing.ok()) {
    return http::JsonResponse(500, FormatFaultJson(faults::kStoreFailed, "", &missing.error()));
  }
  const std::lock_guard lock(mutex_);
  json::Value list = json::Value::Array();
  for (const MissingDelta& delta : *missing) {
    if (Leased({delta.base, delta.target}, hub_.clock.MonotonicMs())) continue;
    json::Value item = json::Value::Object();
    item.Set("base", delta.base).Set("target", delta.target).Set("product", delta.product);
    item.Set("version", delta.version).Set("component", delta.component).Set("terminals", delta.terminals);
    list.Append(std::move(item));
  }
  return http::JsonResponse(200, json::Write(json::Value::Object({{"missing", std::move(list)}})));
}

http::Response DeltaJobs::Lease(const http::Request& request) {
  const Result<json::Value> body = json::Parse(request.body);
  if (!body.ok()) return Problem(400, "the body is no JSON");
  const Pair pair{(*body)["base"].AsString(), (*body)["target"].AsString()};
  const int64_t seconds = std::clamp<int64_t>((*body)["seconds"].AsInteger(600), 1, kMaxLeaseSeconds);
  const Result<std::vector<MissingDelta>> missing = FindMissing();
  if (!missing.ok()) return http::JsonResponse(500, FormatFaultJson(faults::kStoreFailed, "", &missing.error()));
  const bool wanted = std::any_of(missing->begin(), missing->end(), [&](const MissingDelta& delta) {
    return delta.base == pair.first && delta.target == pair.second;
  });
  if (!wanted) return Problem(404, "no terminal needs this delta");
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = hub_.clock.MonotonicMs();
  std::erase_if(leases_, [&](const auto& lease) { return lease.second <= now_ms; });
  if (leases_.contains(pair) || leases_.size() == kMaxLeases) return Problem(409, "another worker makes this delta");
  leases_[pair] = now_ms + seconds * 1000;
  return http::JsonResponse(200, "{\"leased\":true}");
}

}  // namespace till::server
