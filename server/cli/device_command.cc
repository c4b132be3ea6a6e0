#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/clock.h"
#include "core/text.h"
#include "server/cli/commands.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

int ListDevices(Session& session, const std::string& filter, uint64_t limit) {
  const Result<std::vector<json::Value>> targets = session.hub().List("/rest/v1/targets", filter, limit);
  if (!targets.ok()) return session.FailHub(targets.error());
  Listing listing{Table({"NAME", "STATE", "VERSION", "SLOT", "SEEN"}), {}, json::Value::Array()};
  for (const json::Value& target : *targets) {
    const std::string& id = target["controllerId"].AsString();
    const json::Value& till = target["till"];
    listing.table.Add({id, target["updateStatus"].AsString(), till["version"].AsString(), till["slot"].AsString(),
                       FormatAge(target["lastControllerRequestAt"].AsInteger(), SystemClock().UnixMs())});
    listing.names.push_back(id);
    listing.entries.Append(target);
  }
  Print(listing, session.form());
  return 0;
}

// One action with what the device said of it, newest last.
void PrintAction(const json::Value& action, const std::vector<json::Value>& statuses) {
  const std::string& kind = action["till"]["kind"].AsString();
  const int64_t bytes = action["till"]["bytes"].AsInteger();
  std::printf("\naction %lld  %s  %s", static_cast<long long>(action["id"].AsInteger()),
              Printable(action["type"].AsString()).c_str(), Printable(action["status"].AsString()).c_str());
  if (!kind.empty()) std::printf("  %s", Printable(kind).c_str());
  if (bytes > 0) std::printf("  %s received", FormatSize(static_cast<uint64_t>(bytes)).c_str());
  std::printf("\n");
  for (const json::Value& status : statuses) {
    std::string messages;
    for (const json::Value& message : status["messages"].items()) {
      messages += (messages.empty() ? "" : " | ") + Printable(message.AsString());
    }
    std::printf("  %s  %-12s %s\n", FormatUtc(status["reportedAt"].AsInteger() / 1000).c_str(),
                Printable(status["type"].AsString()).c_str(), messages.c_str());
  }
}

int ShowDevice(Session& session, const std::string& id) {
  if (!NameFitsUrl(id)) return Fail(kNotFound, id);
  HubClient& hub = session.hub();
  const std::string path = "/rest/v1/targets/" + EncodeUrl(id);
  Result<json::Value> target = hub.Get(path);
  if (!target.ok()) return session.FailHub(target.error());
  const Result<json::Value> attributes = hub.Get(path + "/attributes");
  if (!attributes.ok()) return session.FailHub(attributes.error());
  const Result<std::vector<json::Value>> actions = hub.List(path + "/actions?sort=id:DESC", "", 10);
  if (!actions.ok()) return session.FailHub(actions.error());

  json::Value timeline = json::Value::Array();
  const bool table = session.form() == OutputForm::kTable;
  if (table) {
    std::printf("%s  %s, seen %s\n", Printable(id).c_str(), Printable((*target)["updateStatus"].AsString()).c_str(),
                FormatAge((*target)["lastControllerRequestAt"].AsInteger(), SystemClock().UnixMs()).c_str());
    const std::string& edge = (*target)["till"]["edge"].AsString();
    if (!edge.empty()) std::printf("  %-24s %s\n", "edge", Printable(edge).c_str());
    for (const auto& [key, value] : attributes->members()) {
      std::printf("  %-24s %s\n", Printable(key).c_str(), Printable(value.AsString()).c_str());
    }
  }
  for (const json::Value& action : *actions) {
    const std::string statuses_path =
        path + "/actions/" + std::to_string(action["id"].AsInteger()) + "/status?sort=id:ASC";
    const Result<std::vector<json::Value>> statuses = hub.List(statuses_path, "", 1000);
    if (!statuses.ok()) return session.FailHub(statuses.error());
    if (table) PrintAction(action, *statuses);
    json::Value entry = action;
    entry.Set("statuses", json::Value::Array(*statuses));
    timeline.Append(entry);
  }
  if (!table) {
    target->Set("attributes", *attributes).Set("timeline", timeline);
    std::printf("%s\n", json::WritePretty(*target).c_str());
  }
  return 0;
}

int AddDevice(Session& session, const std::string& id) {
  if (!NameFitsUrl(id)) return FailUsage(kBadName, id);
  json::Value target = json::Value::Object();
  target.Set("controllerId", id);
  json::Value list = json::Value::Array();
  list.Append(target);
  const Result<json::Value> made = session.hub().Post("/rest/v1/targets", list);
  if (!made.ok()) return session.FailHub(made.error());
  if (made->items().empty()) return session.FailHub(Error{ErrorCode::kCorrupt, "the hub's answer names no device"});
  const json::Value& device = made->items()[0];
  if (session.form() == OutputForm::kJson) {
    std::printf("%s\n", json::WritePretty(device).c_str());
  } else {
    std::printf("%s\n", device["securityToken"].AsString().c_str());
    std::fprintf(stderr,
                 "device %s added; the token on stdout goes into the file that token_file in tilld.conf names\n",
                 Printable(id).c_str());
  }
  return 0;
}

int AssignRelease(Session& session, const std::string& id, const std::string& version) {
  if (!NameFitsUrl(id)) return Fail(kNotFound, id);
  const Result<json::Value> release = FindRelease(session.hub(), version);
  if (!release.ok() && release.error().code == ErrorCode::kNotFound) return Fail(kNoSuchRelease, version);
  if (!release.ok()) return session.FailHub(release.error());
  json::Value assignment = json::Value::Object();
  assignment.Set("id", (*release)["id"]).Set("type", "forced");
  const Result<json::Value> answer =
      session.hub().Post("/rest/v1/targets/" + EncodeUrl(id) + "/assignedDS", assignment);
  if (!answer.ok()) return session.FailHub(answer.error());
  const bool before = (*answer)["assigned"].AsInteger() == 0 && (*answer)["alreadyAssigned"].AsInteger() > 0;
  std::fprintf(stderr, "%s: %s %s\n", Printable(id).c_str(), Printable(version).c_str(),
               before ? "was assigned already" : "assigned");
  if (session.form() == OutputForm::kJson) std::printf("%s\n", json::WritePretty(*answer).c_str());
  return 0;
}

struct Arguments {
  std::string id;
  std::string filter;
  std::string version;
  uint64_t limit = 500;
};

}  // namespace

void AddDeviceCommands(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* device = program.add_subcommand("device", "Terminals of the fleet");
  device->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  const auto runs = [&options, &run, arguments](std::function<int(Session&, const Arguments&)> command) {
    return [&options, &run, arguments, command] {
      run = [&options, arguments, command] {
        return WithSession(options, [&](Session& session) { return command(session, *arguments); });
      };
    };
  };

  CLI::App* list = device->add_subcommand("ls", "List devices");
  list->add_option("--filter", arguments->filter, "RSQL, as in 'updatestatus==error'");
  list->add_option("--limit", arguments->limit, "Most entries to print")->check(CLI::Range(1, 1'000'000));
  list->callback(runs([](Session& s, const Arguments& a) { return ListDevices(s, a.filter, a.limit); }));

  CLI::App* get = device->add_subcommand("get", "One device: what runs, and its timeline");
  get->add_option("id", arguments->id)->required();
  get->callback(runs([](Session& s, const Arguments& a) { return ShowDevice(s, a.id); }));

  CLI::App* add = device->add_subcommand("add", "Register a device and print its token");
  add->add_option("id", arguments->id)->required();
  add->callback(runs([](Session& s, const Arguments& a) { return AddDevice(s, a.id); }));

  CLI::App* assign = device->add_subcommand("assign", "Give one device a release");
  assign->add_option("id", arguments->id)->required();
  assign->add_option("--release", arguments->version, "Version")->required();
  assign->callback(runs([](Session& s, const Arguments& a) { return AssignRelease(s, a.id, a.version); }));
}

}  // namespace till::cli
