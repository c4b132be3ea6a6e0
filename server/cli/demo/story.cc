#include "server/cli/demo/story.h"

#include <algorithm>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "server/cli/commands.h"

namespace till::cli::demo {
namespace {

constexpr int64_t kLookEveryMs = 50;
constexpr int64_t kAskHubEveryMs = 500;
constexpr int64_t kStandstillMs = 300'000;  // a slow machine takes its time; one that stands still is stuck
constexpr unsigned kCutAtPermille = 500;
// A server writes the line of an answer after its last byte: on a busy machine a moment after the terminal has it.
constexpr int64_t kLogsSettleMs = 5'000;

json::Value Threshold(const char* percent) {
  json::Value condition = json::Value::Object();
  condition.Set("condition", "THRESHOLD").Set("expression", percent);
  return condition;
}

json::Value ActionNamed(const char* name) {
  json::Value action = json::Value::Object();
  action.Set("action", name);
  return action;
}

json::Value Group(const char* name, double percent_of_rest) {
  json::Value group = json::Value::Object();
  group.Set("name", name).Set("targetPercentage", percent_of_rest);
  return group;
}

// Waves of 10 %, 40 % and all.
json::Value RolloutBody(int64_t release_id, const std::string& excluded) {
  json::Value groups = json::Value::Array();
  groups.Append(Group("wave-1", 10)).Append(Group("wave-2", 34)).Append(Group("wave-3", 100));
  json::Value body = json::Value::Object();
  body.Set("name", "demo").Set("distributionSetId", release_id).Set("targetFilterQuery", "id!=" + excluded);
  body.Set("type", "forced").Set("groups", groups);
  body.Set("successCondition", Threshold("95")).Set("successAction", ActionNamed("NEXTGROUP"));
  body.Set("errorCondition", Threshold("20")).Set("errorAction", ActionNamed("PAUSE"));
  return body.Set("fullFallback", "never");
}

bool SumsAgree(const StoryOutcome& outcome) {
  return outcome.ledger.sent_bytes == outcome.received_bytes + outcome.ledger.repeated_bytes();
}

Result<uint64_t> CounterOf(const std::string& edge_url, const char* name) {
  http::Client client(http::ClientOptions{});
  http::Call call;
  call.url = edge_url + "/status";
  const http::Reply reply = TILL_TRY(client.Send(call));
  const json::Value status = TILL_TRY(json::Parse(reply.body));
  return static_cast<uint64_t>(TILL_TRY(status.RequireInteger(name)));
}

}  // namespace

Status Story::Play() {
  TILL_TRY(AssignBadRelease());
  TILL_TRY(StartRollout());
  for (const auto& terminal : stage_.terminals()) terminal->Start();
  told_at_ms_ = SystemClock().MonotonicMs();
  int64_t ask_at_ms = 0;
  for (;;) {
    MaybeCutPower();
    MaybeStopEdge();
    const int64_t now_ms = SystemClock().MonotonicMs();
    if (now_ms >= ask_at_ms) {
      if (TILL_TRY(Finished())) break;
      Tell();
      ask_at_ms = now_ms + kAskHubEveryMs;
    }
    if (now_ms - told_at_ms_ > kStandstillMs)
      return Error{ErrorCode::kUnavailable, "the rollout stood still for five minutes"};
    SystemClock().SleepMs(kLookEveryMs);
  }
  return ReadEdgeCounters();
}

Status Story::AssignBadRelease() {
  HubClient& hub = stage_.hub();
  const json::Value release = TILL_TRY(FindRelease(hub, stage_.bad_image().version));
  json::Value assignment = json::Value::Object();
  assignment.Set("id", release["id"]).Set("type", "forced");
  TILL_TRY(hub.Post("/rest/v1/targets/" + bad_terminal().spec().id + "/assignedDS", assignment));
  narrate_(bad_terminal().spec().id + " is given " + stage_.bad_image().version + ", whose pos-app is broken");
  return Ok();
}

Status Story::StartRollout() {
  HubClient& hub = stage_.hub();
  const json::Value release = TILL_TRY(FindRelease(hub, stage_.new_image().version));
  const json::Value made =
      TILL_TRY(hub.Post("/rest/v1/rollouts", RolloutBody(release["id"].AsInteger(), bad_terminal().spec().id)));
  rollout_id_ = made["id"].AsInteger();
  const std::string path = "/rest/v1/rollouts/" + std::to_string(rollout_id_);
  const int64_t deadline_ms = SystemClock().MonotonicMs() + 30'000;
  for (;;) {
    const json::Value rollout = TILL_TRY(hub.Get(path));
    if (rollout["status"].AsString() == "ready") break;
    if (SystemClock().MonotonicMs() > deadline_ms)
      return Error{ErrorCode::kUnavailable, "the rollout did not become ready"};
    SystemClock().SleepMs(100);
  }
  TILL_TRY(hub.Post(path + "/start", json::Value::Object()));
  narrate_("rollout of " + stage_.new_image().version + " started: waves of 10 %, 40 %, 100 %");
  return Ok();
}

void Story::MaybeCutPower() {
  if (power_was_cut_) return;
  const json::Value status = cut_terminal().ReadStatus();
  const int64_t whole = status["payload_bytes"].AsInteger();
  const int64_t received = status["received_bytes"].AsInteger();
  if (whole <= 0 || received * 1000 < whole * kCutAtPermille || received >= whole) return;
  cut_terminal().CutPower(1'500);
  power_was_cut_ = true;
  power_cut_at_bytes_ = static_cast<uint64_t>(received);
  narrate_("power cut: " + cut_terminal().spec().id + " dies at " + std::to_string(received * 100 / whole) +
           " % of its download (kill -9)");
}

// Once terminals beyond the first waves are in the middle of their downloads.
void Story::MaybeStopEdge() {
  if (edge_was_stopped_ || !power_was_cut_) return;
  unsigned in_the_middle = 0;
  const auto& terminals = stage_.terminals();
  for (const auto& terminal : terminals) {
    const unsigned progress = terminal->ProgressPermille();
    if (progress > 100 && progress < 900) ++in_the_middle;
  }
  if (in_the_middle * 4 < terminals.size()) return;
  stage_.StopSecondEdge();
  edge_was_stopped_ = true;
  narrate_("edge-2 is stopped while " + std::to_string(in_the_middle) +
           " terminals download: its terminals go on from edge-1");
}

Result<bool> Story::Finished() {
  HubClient& hub = stage_.hub();
  rollout_ = TILL_TRY(hub.Get("/rest/v1/rollouts/" + std::to_string(rollout_id_)));
  const std::string& status = rollout_["status"].AsString();
  if (status == "paused" || status == "stopped")
    return Error{ErrorCode::kRefused, "the rollout paused: too many terminals failed"};
  bad_target_ = TILL_TRY(hub.Get("/rest/v1/targets/" + bad_terminal().spec().id));
  for (const auto& terminal : stage_.terminals()) {
    if (!terminal->trouble().empty()) narrate_(terminal->trouble());
  }
  if (bad_target_["till"]["action"]["outcome"].AsString() == "confirmed") {
    return Error{ErrorCode::kRefused, "the bad image was confirmed"};
  }
  return status == "finished" && bad_target_["till"]["action"]["outcome"].AsString() == "rolled_back";
}

void Story::Tell() {
  const json::Value& counts = rollout_["totalTargetsPerStatus"];
  const int64_t not_fetched = rollout_["till"]["waiting"].AsInteger();  // hawkBit counts them as running
  const int64_t waiting = not_fetched + counts["scheduled"].AsInteger() + counts["notstarted"].AsInteger();
  const std::string line = std::to_string(counts["finished"].AsInteger()) + " confirmed, " +
                           std::to_string(counts["running"].AsInteger() - not_fetched) + " under way, " +
                           std::to_string(waiting) + " waiting";
  if (line == last_line_) return;
  last_line_ = line;
  told_at_ms_ = SystemClock().MonotonicMs();
  narrate_(line);
}

Status Story::ReadEdgeCounters() {
  edge_filled_bytes_ = TILL_TRY(CounterOf(stage_.edge_urls()[0], "bytes_filled"));
  if (!edge_was_stopped_) edge_filled_bytes_ += TILL_TRY(CounterOf(stage_.edge_urls()[1], "bytes_filled"));
  return Ok();
}

// Each terminal's slot must hold, byte for byte, the image it is said to run.
void Story::CheckSlots(StoryOutcome& outcome) {
  for (const auto& terminal : stage_.terminals()) {
    const bool bad = terminal.get() == &bad_terminal();
    const DemoImage& wanted = bad ? stage_.old_image() : stage_.new_image();
    Bytes image(static_cast<size_t>(wanted.length));
    Result<FileSource> slot = FileSource::Open(terminal->SlotPath(terminal->running_slot()));
    const bool same = slot.ok() && ReadFully(*slot, 0, image).ok() && crypto::Sha256Of(image) == wanted.sha256;
    if (!same) outcome.faults.push_back(terminal->spec().id + ": the running slot does not hold " + wanted.version);
    if (same && !bad) ++outcome.confirmed;
    const auto peak_kib = static_cast<uint64_t>(terminal->ReadStatus()["applier_peak_rss_kib"].AsInteger());
    outcome.applier_peak_rss_kib = std::max(outcome.applier_peak_rss_kib, peak_kib);
    if (!terminal->trouble().empty()) outcome.faults.push_back(terminal->trouble());
  }
}

// What the terminals reported to the hub: bytes, outcomes, the reason of the rollback.
Status Story::ReadReports(StoryOutcome& outcome) {
  for (const json::Value& target : TILL_TRY(stage_.hub().List("/rest/v1/targets", "", 1000))) {
    const json::Value& action = target["till"]["action"];
    outcome.received_bytes += static_cast<uint64_t>(action["bytes"].AsInteger());
    if (target["till"]["edge"].AsString() == stage_.edge_urls()[1]) {
      of_second_edge_.push_back(target["controllerId"].AsString());
    }
    if (action["outcome"].AsString() == "rolled_back") {
      ++outcome.rolled_back;
      outcome.rollback_reason = action["reason"].AsString();
    }
  }
  return Ok();
}

Status Story::ReadLogs(StoryOutcome& outcome) {
  LedgerBook book;
  for (const char* server : {"edge-1", "edge-2", "hub"}) TILL_TRY(book.AddLog(stage_.AccessLog(server), server));
  outcome.ledger = book.Total();
  outcome.sent_by_server = book.sent_by_server();
  outcome.failed_over = static_cast<unsigned>(std::ranges::count_if(
      of_second_edge_, [&](const std::string& terminal) { return book.Served("edge-1", terminal); }));
  return Ok();
}

Result<StoryOutcome> Story::Conclude() {
  StoryOutcome outcome;
  TILL_TRY(ReadReports(outcome));
  const int64_t confirmed_at_hub = rollout_["totalTargetsPerStatus"]["finished"].AsInteger();
  const int64_t deadline_ms = SystemClock().MonotonicMs() + kLogsSettleMs;
  while (TILL_TRY(ReadLogs(outcome)), !SumsAgree(outcome) && SystemClock().MonotonicMs() < deadline_ms) {
    SystemClock().SleepMs(kLookEveryMs);
  }
  outcome.edge_filled_bytes = edge_filled_bytes_;
  outcome.power_cut_at_bytes = power_cut_at_bytes_;
  outcome.full_image_bytes = stage_.new_image().length * (stage_.terminals().size() - 1) + stage_.bad_image().length;
  CheckSlots(outcome);

  const auto expect = [&](bool holds, const std::string& fault) {
    if (!holds) outcome.faults.push_back(fault);
  };
  expect(outcome.confirmed + 1 == stage_.terminals().size(), "not every terminal of the rollout runs the new image");
  expect(confirmed_at_hub == static_cast<int64_t>(outcome.confirmed),
         "the hub counts " + std::to_string(confirmed_at_hub) + " confirmed");
  expect(outcome.rolled_back == 1, "the bad image was not reported as rolled back");
  expect(power_was_cut_, "no terminal was caught half-way through its download");
  expect(edge_was_stopped_, "edge-2 was not stopped while terminals downloaded");
  expect(outcome.failed_over > 0, "no terminal of edge-2 failed over to edge-1");
  expect(SumsAgree(outcome), "bytes served do not equal bytes received plus repeats");
  return outcome;
}

}  // namespace till::cli::demo
