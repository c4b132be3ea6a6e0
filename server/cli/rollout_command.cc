#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "core/clock.h"
#include "core/text.h"
#include "server/cli/commands.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

struct Arguments {
  std::string name;
  std::string version;
  std::string target = "id==*";
  std::string waves = "5,25,100";
  unsigned advance_percent = 95;
  unsigned stop_percent = 20;
  std::string full_fallback = "never";
  bool start = false;
};

// "5,25,100" (cumulative percentages) as the percentage of the remaining targets that each group takes.
Result<std::vector<double>> GroupShares(const std::string& waves) {
  std::vector<double> shares;
  uint64_t before = 0;
  for (std::string_view wave : Split(waves, ',')) {
    wave = Trim(wave);
    if (!wave.empty() && wave.back() == '%') wave.remove_suffix(1);
    const uint64_t percent = TILL_TRY(ParseUint(wave));
    if (percent <= before || percent > 100) return Error{ErrorCode::kInvalid, "waves must grow and end at 100"};
    shares.push_back(100.0 * static_cast<double>(percent - before) / static_cast<double>(100 - before));
    before = percent;
  }
  if (before != 100) return Error{ErrorCode::kInvalid, "waves must grow and end at 100"};
  return shares;
}

json::Value Condition(unsigned percent) {
  json::Value condition = json::Value::Object();
  condition.Set("condition", "THRESHOLD").Set("expression", std::to_string(percent));
  return condition;
}

json::Value Action(const char* action) {
  json::Value value = json::Value::Object();
  value.Set("action", action);
  return value;
}

json::Value RolloutBody(const Arguments& arguments, int64_t release_id, const std::vector<double>& shares) {
  json::Value groups = json::Value::Array();
  for (size_t i = 0; i < shares.size(); ++i) {
    json::Value group = json::Value::Object();
    group.Set("name", "wave-" + std::to_string(i + 1)).Set("targetPercentage", shares[i]);
    groups.Append(group);
  }
  json::Value body = json::Value::Object();
  body.Set("name", arguments.name).Set("distributionSetId", release_id).Set("targetFilterQuery", arguments.target);
  body.Set("type", "forced").Set("groups", groups);
  body.Set("successCondition", Condition(arguments.advance_percent)).Set("successAction", Action("NEXTGROUP"));
  body.Set("errorCondition", Condition(arguments.stop_percent)).Set("errorAction", Action("PAUSE"));
  body.Set("fullFallback", arguments.full_fallback);
  return body;
}

Result<json::Value> FindRollout(HubClient& hub, const std::string& name) {
  for (const json::Value& rollout : TILL_TRY(hub.List("/rest/v1/rollouts?representation=full", "", 10'000))) {
    if (rollout["name"].AsString() == name) return rollout;
  }
  return Error{ErrorCode::kNotFound, "no such rollout"};
}

// The hub cuts a new rollout into groups before it can start: it is "ready" then.
Status AwaitReady(HubClient& hub, int64_t id) {
  const int64_t deadline_ms = SystemClock().MonotonicMs() + 60'000;
  while (SystemClock().MonotonicMs() < deadline_ms) {
    const json::Value rollout = TILL_TRY(hub.Get("/rest/v1/rollouts/" + std::to_string(id)));
    if (rollout["status"].AsString() != "creating") return Ok();
    SystemClock().SleepMs(200);
  }
  return Error{ErrorCode::kUnavailable, "the rollout is still being created"};
}

int CreateRollout(Session& session, const Arguments& arguments) {
  HubClient& hub = session.hub();
  const Result<std::vector<double>> shares = GroupShares(arguments.waves);
  if (!shares.ok()) return FailUsage(kBadWaves, "--waves " + arguments.waves, &shares.error());
  if (!NameFitsUrl(arguments.name)) return FailUsage(kBadName, arguments.name);
  const Result<json::Value> release = FindRelease(hub, arguments.version);
  if (!release.ok() && release.error().code == ErrorCode::kNotFound) return Fail(kNoSuchRelease, arguments.version);
  if (!release.ok()) return session.FailHub(release.error());
  const Result<json::Value> made =
      hub.Post("/rest/v1/rollouts", RolloutBody(arguments, (*release)["id"].AsInteger(), *shares));
  if (!made.ok()) return session.FailHub(made.error());
  const int64_t id = (*made)["id"].AsInteger();
  if (const Status ready = AwaitReady(hub, id); !ready.ok()) return session.FailHub(ready.error());
  if (arguments.start) {
    const Result<json::Value> started =
        hub.Post("/rest/v1/rollouts/" + std::to_string(id) + "/start", json::Value::Object());
    if (!started.ok()) return session.FailHub(started.error());
  }
  std::fprintf(stderr, "rollout %s %s\n", Printable(arguments.name).c_str(),
               arguments.start ? "started" : "created: tillctl rollout start NAME begins it");
  if (session.form() == OutputForm::kJson) std::printf("%s\n", json::WritePretty(*made).c_str());
  return 0;
}

// What a verb asks for, and the states in which that is done already.
struct Verb {
  const char* name;
  const char* done;
  std::vector<std::string_view> done_in;
};
const std::vector<Verb>& Verbs() {
  static const std::vector<Verb> verbs = {{"start", "started", {"starting", "running"}},
                                          {"pause", "paused", {"paused"}},
                                          {"resume", "resumed", {"running"}},
                                          {"stop", "stopped", {"stopping", "stopped"}}};
  return verbs;
}

int Command(Session& session, const std::string& name, const Verb& verb) {
  const Result<json::Value> rollout = FindRollout(session.hub(), name);
  if (!rollout.ok() && rollout.error().code == ErrorCode::kNotFound) return Fail(kNotFound, name);
  if (!rollout.ok()) return session.FailHub(rollout.error());
  const std::string& state = (*rollout)["status"].AsString();
  if (std::ranges::find(verb.done_in, state) != verb.done_in.end()) {
    std::fprintf(stderr, "rollout %s is %s already\n", Printable(name).c_str(), Printable(state).c_str());
    return 0;
  }
  const std::string path = "/rest/v1/rollouts/" + std::to_string((*rollout)["id"].AsInteger()) + "/" + verb.name;
  const Result<json::Value> done = session.hub().Post(path, json::Value::Object());
  if (!done.ok() && done.error().code == ErrorCode::kInvalid)
    return Fail(kRolloutState, std::string(verb.name) + " " + name + ", which is " + state, &done.error());
  if (!done.ok()) return session.FailHub(done.error());
  std::fprintf(stderr, "rollout %s %s\n", Printable(name).c_str(), verb.done);
  return 0;
}

std::string Counts(const json::Value& rollout) {
  const json::Value& by_status = rollout["totalTargetsPerStatus"];
  // hawkBit counts both as running.
  const int64_t blocked = rollout["till"]["blocked"].AsInteger();
  const int64_t waiting = rollout["till"]["waiting"].AsInteger();
  std::string text;
  for (const char* status : {"finished", "running", "scheduled", "notstarted", "error", "cancelled"}) {
    const bool running = std::string_view(status) == "running";
    const int64_t count = by_status[status].AsInteger() - (running ? blocked + waiting : 0);
    const std::string_view shown = std::string_view(status) == "finished" ? "confirmed"
                                   : std::string_view(status) == "error"  ? "failed"
                                                                          : status;
    if (count != 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(shown);
  }
  if (waiting != 0) text += (text.empty() ? "" : ", ") + std::to_string(waiting) + " waiting";
  if (blocked != 0) text += (text.empty() ? "" : ", ") + std::to_string(blocked) + " blocked";
  return text;
}

int ListRollouts(Session& session) {
  const Result<std::vector<json::Value>> rollouts =
      session.hub().List("/rest/v1/rollouts?representation=full", "", 10'000);
  if (!rollouts.ok()) return session.FailHub(rollouts.error());
  Listing listing{Table({"NAME", "STATUS", "TARGETS", "PROGRESS"}), {}, json::Value::Array()};
  for (const json::Value& rollout : *rollouts) {
    listing.table.Add({rollout["name"].AsString(), rollout["status"].AsString(),
                       std::to_string(rollout["totalTargets"].AsInteger()), Counts(rollout)});
    listing.names.push_back(rollout["name"].AsString());
    listing.entries.Append(rollout);
  }
  Print(listing, session.form());
  return 0;
}

constexpr size_t kMostNamed = 20;  // of the terminals that failed

// "pos-07: health: 10-pos-app exit 1": the terminals of a rollout that failed, and what they said.
Result<std::vector<std::string>> FailedTerminals(HubClient& hub, const json::Value& rollout) {
  std::vector<std::string> failed;
  const std::string groups = "/rest/v1/rollouts/" + std::to_string(rollout["id"].AsInteger()) + "/deploygroups";
  for (const json::Value& group : TILL_TRY(hub.List(groups, "", 10'000))) {
    const std::string members = groups + "/" + std::to_string(group["id"].AsInteger()) + "/targets";
    for (const json::Value& target : TILL_TRY(hub.List(members, "", 1'000'000))) {
      if (target["till"]["outcome"].AsString() != "rolled_back") continue;
      failed.push_back(target["controllerId"].AsString() + ": " + target["till"]["reason"].AsString());
    }
  }
  return failed;
}

// How a rollout that goes no further ends the command: 0 when every terminal confirmed.
int TellOutcome(Session& session, const std::string& name, const json::Value& rollout) {
  const std::string& state = rollout["status"].AsString();
  const int64_t unconfirmed =
      rollout["totalTargets"].AsInteger() - rollout["totalTargetsPerStatus"]["finished"].AsInteger();
  if (state == "finished" && unconfirmed == 0) return 0;
  const Result<std::vector<std::string>> failed = FailedTerminals(session.hub(), rollout);
  if (!failed.ok()) return session.FailHub(failed.error());
  for (size_t i = 0; i < failed->size() && i < kMostNamed; ++i)
    std::fprintf(stderr, "  %s\n", Printable((*failed)[i]).c_str());
  if (failed->size() > kMostNamed) std::fprintf(stderr, "  and %zu more\n", failed->size() - kMostNamed);
  return Fail(state == "paused" ? kRolloutPaused : kRolloutFailed, name + ": " + state + ", " + Counts(rollout));
}

// A line whenever something changed, until the rollout ends or pauses.
int WatchRollout(Session& session, const std::string& name) {
  std::string last;
  for (;;) {
    const Result<json::Value> rollout = FindRollout(session.hub(), name);
    if (!rollout.ok() && rollout.error().code == ErrorCode::kNotFound) return Fail(kNotFound, name);
    if (!rollout.ok()) return session.FailHub(rollout.error());
    const std::string& status = (*rollout)["status"].AsString();
    const std::string line =
        session.form() == OutputForm::kJson ? json::Write(*rollout) : Printable(status) + "  " + Counts(*rollout);
    if (line != last) {
      std::printf("%s\n", line.c_str());
      std::fflush(stdout);
    }
    last = line;
    if (status == "finished" || status == "stopped" || status == "paused") return TellOutcome(session, name, *rollout);
    SystemClock().SleepMs(1000);
  }
}

}  // namespace

void AddRolloutCommands(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* rollout = program.add_subcommand("rollout", "Bring a release to the fleet in waves");
  rollout->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  const auto runs = [&options, &run, arguments](std::function<int(Session&, const Arguments&)> command) {
    return [&options, &run, arguments, command] {
      run = [&options, arguments, command] {
        return WithSession(options, [&](Session& session) { return command(session, *arguments); });
      };
    };
  };

  CLI::App* create = rollout->add_subcommand("create", "Plan a rollout (and start it with --start)");
  create->add_option("name", arguments->name)->required();
  create->add_option("--release", arguments->version, "Version")->required();
  create->add_option("--target", arguments->target, "Which devices, as RSQL")->capture_default_str();
  create->add_option("--waves", arguments->waves, "Cumulative percentages, the last one 100")->capture_default_str();
  create->add_option("--advance", arguments->advance_percent, "Next wave when this share (%) is confirmed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  create->add_option("--stop", arguments->stop_percent, "Pause when more than this share (%) of a wave failed")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  create
      ->add_option("--full-fallback", arguments->full_fallback,
                   "Whether a device without a fitting delta may get the full image")
      ->check(CLI::IsMember({"never", "allowed"}))
      ->capture_default_str();
  create->add_flag("--start", arguments->start, "Start at once");
  create->callback(runs(CreateRollout));

  rollout->add_subcommand("ls", "List rollouts")->callback(runs([](Session& s, const Arguments&) {
    return ListRollouts(s);
  }));
  CLI::App* watch =
      rollout->add_subcommand("watch", "Follow a rollout until it ends or pauses (exit 0: every terminal confirmed)");
  watch->add_option("name", arguments->name)->required();
  watch->callback(runs([](Session& s, const Arguments& a) { return WatchRollout(s, a.name); }));
  for (const Verb& verb : Verbs()) {
    CLI::App* command = rollout->add_subcommand(verb.name, std::string(verb.name) + " a rollout");
    command->add_option("name", arguments->name)->required();
    command->callback(runs([&verb](Session& s, const Arguments& a) { return Command(s, a.name, verb); }));
  }
}

}  // namespace till::cli
