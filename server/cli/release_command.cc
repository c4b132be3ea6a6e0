#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/clock.h"
#include "server/cli/commands.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

int ListReleases(Session& session) {
  const Result<std::vector<json::Value>> sets = session.hub().List("/rest/v1/distributionsets?sort=id:DESC", "", 500);
  if (!sets.ok()) return session.FailHub(sets.error());
  Listing listing{Table({"PRODUCT", "VERSION", "COMPLETE", "CREATED"}), {}, json::Value::Array()};
  for (const json::Value& set : *sets) {
    listing.table.Add({set["name"].AsString(), set["version"].AsString(), set["complete"].AsBool() ? "yes" : "no",
                       FormatAge(set["createdAt"].AsInteger(), SystemClock().UnixMs())});
    listing.names.push_back(set["version"].AsString());
    listing.entries.Append(set);
  }
  Print(listing, session.form());
  return 0;
}

int ShowRelease(Session& session, const std::string& version) {
  const Result<json::Value> release = FindRelease(session.hub(), version);
  if (!release.ok() && release.error().code == ErrorCode::kNotFound) return Fail(kNoSuchRelease, version);
  if (!release.ok()) return session.FailHub(release.error());
  std::printf("%s\n", json::WritePretty(*release).c_str());
  return 0;
}

}  // namespace

Result<json::Value> FindRelease(HubClient& hub, const std::string& version) {
  const std::vector<json::Value> sets = TILL_TRY(hub.List("/rest/v1/distributionsets?sort=id:DESC", "", 100'000));
  for (const json::Value& set : sets) {
    if (set["version"].AsString() == version) return set;
  }
  return Error{ErrorCode::kNotFound, "no such release"};
}

void AddReleaseCommands(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* release = program.add_subcommand("release", "Releases the hub holds");
  release->require_subcommand(1);
  release->add_subcommand("ls", "List releases, newest first")->callback([&options, &run] {
    run = [&options] { return WithSession(options, ListReleases); };
  });
  auto version = std::make_shared<std::string>();
  CLI::App* get = release->add_subcommand("get", "One release as JSON");
  get->add_option("version", *version)->required();
  get->callback([&options, &run, version] {
    run = [&options, version] {
      return WithSession(options, [&](Session& session) { return ShowRelease(session, *version); });
    };
  });
}

}  // namespace till::cli
